"""What is said to Kubernetes: by `shard deploy kubernetes`, and by kustomize, from one source."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.jobs.deploy import TEMPLATES
from shard.planning.deployments import engine
from shard.planning.deployments.base import Sizing, parse
from shard.planning.engine import task_from
from shard.planning.settings import TaskSettings
from tests.kubectl import kustomize
from tests.program import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = TEMPLATES / "kubernetes"
KUBERNETES = engine("kubernetes")
OVERLAYS = ("gcs", "s3", "pvc", "cronjob", "kueue")
GOOGLE = "shard@project.iam.gserviceaccount.com"
STORES: dict[str, tuple[str, dict[str, str | None]]] = {
    "gcs": ("gs://photos", {"google-service-account": GOOGLE}),
    "s3": (
        "s3://photos",
        {"endpoint-url": "http://seaweedfs.storage.svc:8333", "region": "us-east-1"},
    ),
    "pvc": ("/data", {}),
    "cronjob": ("s3://photos", {"schedule": "0 3 * * *", "service-account": "default"}),
    "kueue": ("s3://photos", {"queue": "shard", "service-account": "default"}),
}


def filled(
    place: str = "s3://photos",
    options: Mapping[str, str | None] | None = None,
    variables: Mapping[str, str] | None = None,
    tasks: str = "10",
) -> list[Any]:
    """Return the documents that `shard deploy kubernetes` prints, as kubectl reads them."""
    sizing = Sizing("shard", "shard:0.1.0", tasks, None, "3", "1h", "2GiB", "2")
    folders = {"INPUT_FOLDER": f"{place}/in", "OUTPUT_FOLDER": f"{place}/out"}
    deployment = parse(
        sizing,
        {**folders, "RENDITIONS": "200x200", **(variables or {})},
        options or {},
        KUBERNETES.OPTIONS,
    )
    texts = {file: (FOLDER / file).read_text() for file in KUBERNETES.templates(deployment)}
    return list(yaml.safe_load_all(KUBERNETES.fill(texts, deployment)))


def overlay(name: str) -> list[Any]:
    """Return what kustomize builds from an overlay."""
    return list(yaml.safe_load_all(kustomize(FOLDER / "overlays" / name)))


def job_of(documents: list[Any]) -> Any:
    """Return the spec of the one Job, or of the Jobs that the one CronJob makes."""
    manifest = next(document for document in documents if document["kind"] in ("Job", "CronJob"))
    is_cron = manifest["kind"] == "CronJob"
    return manifest["spec"]["jobTemplate"]["spec"] if is_cron else manifest["spec"]


def pod_of(documents: list[Any]) -> Any:
    """Return the spec of the tasks' pods."""
    return job_of(documents)["template"]["spec"]


def env_of(documents: list[Any]) -> dict[str, Any]:
    """Return the task's variables: texts as the kubelet hands them on, references as they are."""
    (task,) = pod_of(documents)["containers"]
    env: dict[str, Any] = {}
    for entry in task["env"]:
        text = entry.get("value")
        env[entry["name"]] = entry["valueFrom"] if text is None else expanded(text, env)
    return env


def expanded(text: str, before: Mapping[str, Any]) -> str:
    """Return what the kubelet makes of a value: `$$` is `$`, `$(NAME)` a variable set before."""

    def said(match: re.Match[str]) -> str:
        name = match["name"]
        return "$" if name is None else str(before.get(name, match[0]))

    return re.sub(r"\$(?:\$|\((?P<name>[^)]*)\))", said, text)


def comparable(documents: list[Any]) -> list[Any]:
    """Return documents without what may differ: the order of lists, one form of a quantity."""
    pod = pod_of(documents)
    (task,) = pod["containers"]
    for named in (task["env"], task["volumeMounts"], pod["volumes"]):
        named.sort(key=lambda entry: entry["name"])
    for kind in ("requests", "limits"):
        task["resources"][kind]["memory"] = task["resources"][kind]["memory"].replace(
            "2048Mi", "2Gi"
        )
    # Kustomize's base has a round figure; filled in, it follows GRACE to the second.
    assert pod.pop("activeDeadlineSeconds") >= 3600 + 600
    return sorted(documents, key=lambda document: str(document["kind"]))


@pytest.mark.parametrize("name", OVERLAYS)
def test_deploy_prints_what_the_overlay_builds(name: str) -> None:
    """There is one truth: filled in with an overlay's own values, both manifests are the same."""
    place, options = STORES[name]
    ours, theirs = filled(place, options), overlay(name)
    for document in ours:
        if document["kind"] == "CronJob" or name == "kueue":
            # An account that exists stands for the keys which these two overlays leave open.
            assert pod_of(ours).pop("serviceAccountName", "default") == "default"

    assert comparable(ours) == comparable(theirs)


@pytest.mark.parametrize("name", OVERLAYS)
def test_kubernetes_schema_accepts_what_deploy_prints(name: str) -> None:
    """Every field is one that the API server knows."""
    place, options = STORES[name]

    for document in filled(place, options):
        kubernetes_validate.validate(document, "1.37", strict=True)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_keeps_to_the_restricted_profile(name: str) -> None:
    """What the Pod Security Standard `restricted` asks for, in every overlay."""
    pod = pod_of(overlay(name))
    (task,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert task["securityContext"]["allowPrivilegeEscalation"] is False
    assert task["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert task["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False
    allowed = {"emptyDir", "persistentVolumeClaim", "name"}
    assert {key for volume in pod["volumes"] for key in volume} <= allowed


def test_every_index_is_a_task_of_one_run() -> None:
    """The variables of the Job, with what Kubernetes adds, are a task each; all of one run."""
    documents = filled(tasks="7")
    env = env_of(documents)
    label = env["RUN_ID"]["fieldRef"]["fieldPath"]
    assert label == "metadata.labels['batch.kubernetes.io/controller-uid']"
    env = {name: text for name, text in env.items() if isinstance(text, str)}
    tasks = [
        task_from({**env, "JOB_COMPLETION_INDEX": str(index), "RUN_ID": "6f2d-uid"})
        for index in range(job_of(documents)["completions"])
    ]

    assert [(task.index, task.count) for task in tasks] == [(index, 7) for index in range(7)]
    assert {(task.engine, task.run_id) for task in tasks} == {("kubernetes", "6f2d-uid")}


@pytest.mark.parametrize("name", ["base", *OVERLAYS])
def test_kustomize_says_the_number_of_tasks_once(name: str, tmp_path: Path) -> None:
    """Changed in base/job.yaml, it is changed everywhere."""
    for file in FOLDER.rglob("*.yaml"):
        text = file.read_text().replace("completions: 10\n", "completions: 37\n")
        (tmp_path / file.relative_to(FOLDER)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.relative_to(FOLDER)).write_text(text)
    folder = tmp_path / ("base" if name == "base" else f"overlays/{name}")
    documents = list(yaml.safe_load_all(kustomize(folder)))
    job = job_of(documents)

    assert (job["completions"], job["maxFailedIndexes"]) == (37, 37)
    assert env_of(documents)["TASK_COUNT"] == "37"


def test_the_overlay_in_the_docs_page_builds(tmp_path: Path) -> None:
    """Someone's own overlay, as written there, keeps TASK_COUNT equal to its completions."""
    page = (ROOT / "docs" / "engines" / "kubernetes.md").read_text()
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    (tmp_path / "own").mkdir()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "own" / "kustomization.yaml").write_text(text)
    documents = list(yaml.safe_load_all(kustomize(tmp_path / "own")))

    assert job_of(documents)["completions"] == 50
    env = env_of(documents)
    assert (env["TASK_COUNT"], env["INPUT_FOLDER"]) == ("50", "s3://scans/2026")


@pytest.mark.parametrize(
    ("code", "disrupted", "action"),
    [
        (2, False, "FailJob"),
        (2, True, "FailJob"),
        (143, True, "Ignore"),
        (137, True, "Ignore"),
        (1, False, "Count"),
        (130, False, "Count"),
        (143, False, "Count"),
        (137, False, "Count"),
    ],
)
def test_exit_codes_end_as_the_readme_says(code: int, disrupted: bool, action: str) -> None:
    """2 ends the Job, a disruption costs no attempt, all else is tried again for its index."""
    rules = job_of(filled())["podFailurePolicy"]["rules"]

    assert _action(rules, code, disrupted=disrupted) == action


def _action(rules: list[Any], code: int, *, disrupted: bool) -> str:
    """Return the first rule's action that fits, as the Job controller goes through them."""
    for rule in rules:
        if codes := rule.get("onExitCodes"):
            if codes["operator"] == "In" and code in codes["values"]:
                return str(rule["action"])
        elif disrupted and rule["onPodConditions"] == [
            {"type": "DisruptionTarget", "status": "True"}
        ]:
            return str(rule["action"])
    return "Count"


def test_a_task_may_finish_its_drain_before_it_is_killed() -> None:
    """SIGKILL comes after GRACE, and the pod's own limit after TASK_TIMEOUT."""
    documents = filled(variables={"GRACE": "45"})
    pod, env = pod_of(documents), env_of(documents)

    assert pod["terminationGracePeriodSeconds"] > 45
    assert pod["activeDeadlineSeconds"] > int(env["TASK_TIMEOUT"]) + 45
    assert job_of(documents)["podReplacementPolicy"] == "Failed"


def test_a_task_has_a_worker_for_each_core_it_requested() -> None:
    """Without a CPU limit a pod sees its whole node; WORKERS tells its share, unless given."""
    own, given = env_of(filled()), env_of(filled(variables={"WORKERS": "3"}))

    assert own["WORKERS"]["resourceFieldRef"]["resource"] == "requests.cpu"
    assert given["WORKERS"] == "3"


def test_an_identity_takes_the_place_of_keys() -> None:
    """With an IAM role no Secret is asked for, and the ServiceAccount names the role."""
    role = "arn:aws:iam::123456789012:role/shard"
    account, *_ = documents = filled(options={"role-arn": role, "namespace": "thumbs"})

    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": role}
    assert {document["metadata"]["namespace"] for document in documents} == {"thumbs"}
    assert pod_of(documents)["serviceAccountName"] == account["metadata"]["name"]
    assert not [name for name in env_of(documents) if name.startswith("AWS_")]


def test_two_stores_in_one_job() -> None:
    """From S3 to GCS a task gets what both need."""
    variables = {"OUTPUT_FOLDER": "gs://web/previews"}
    documents = filled("s3://photos", {"google-service-account": GOOGLE}, variables)

    assert documents[0]["kind"] == "ServiceAccount"
    assert "AWS_SECRET_ACCESS_KEY" in env_of(documents)


def test_a_schedule_makes_jobs_that_a_queue_starts() -> None:
    """The queue's label is on each Job, where Kueue looks for it."""
    (cron,) = filled(options={"schedule": "@daily", "queue": "nightly"})

    template = cron["spec"]["jobTemplate"]
    assert template["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "nightly"
    assert (cron["spec"]["schedule"], template["spec"]["suspend"]) == ("@daily", True)


PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
REFERENCES = st.sampled_from(["$(TASK_COUNT)", "$$(TASK_COUNT)", "a$$b$", "$(none)$(", "$HOME"])
TRAPS = st.sampled_from(["yes", "on", "null", "~", "12:30:00", "0o17", "1_000", "- a", "{a: b}"])


@given(st.one_of(TRAPS, REFERENCES, PLAIN, st.text(min_size=1)))
@settings(max_examples=60, deadline=None)
def test_no_value_breaks_out_of_its_place(folder: str) -> None:
    """Whatever an input is called, kubectl reads that very text."""
    try:
        source = TaskSettings.parse({"INPUT_FOLDER": f"s3://photos/{folder}"}).texts["INPUT_FOLDER"]
        documents = filled(variables={"INPUT_FOLDER": source})
    except SettingError:
        return  # no name of a folder at all

    assert env_of(documents)["INPUT_FOLDER"] == f"s3://photos/{folder}"
    kubernetes_validate.validate(documents[0], "1.37", strict=True)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"namespace": "Web Team"}, "--namespace"),
        ({"schedule": "at three"}, "--schedule"),
        ({"secret": "keys", "role-arn": "arn:aws:iam::1:role/x"}, "--secret"),
        ({"service-account": "a", "google-service-account": GOOGLE}, "--service-account"),
        ({"mount": "data"}, "--mount"),
        ({"mount": "/tmp/data"}, "--mount"),  # noqa: S108 - the path that is refused
        ({"endpoint-url": "seaweedfs:8333"}, "--endpoint-url"),
        ({"endpoint-url": "http://key:secret@seaweedfs:8333"}, "--endpoint-url"),
        ({"role-arn": "shard"}, "--role-arn"),
        ({"google-service-account": "shard"}, "--google-service-account"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str | None], named: str) -> None:
    """What the API server or the cloud would refuse later is said at once."""
    with pytest.raises(SettingError) as raised:
        filled(options=options)

    assert raised.value.variable == named


def test_a_folder_outside_the_claim_is_refused() -> None:
    """Nothing but the claim is mounted, so an input elsewhere cannot be there."""
    with pytest.raises(SettingError, match=r"--mount is '/data'; accepted: the folder .*/photos"):
        filled("/photos")
