"""Every manifest for a cloud, as shipped and as filled in, is one that the cloud can read."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from shard.errors import SettingError
from shard.jobs.deploy import deploy
from shard.planning.deployments import engine
from shard.planning.deployments.base import Deployment
from shard.planning.engine import task_from
from shard.planning.settings import TaskSettings
from tests.deploy import schemas

if TYPE_CHECKING:
    from collections.abc import Callable

TRICKY = "a=200x200;b=96x96,fit=cover,background=#ff00ff"
IMAGE = "europe-docker.pkg.dev/p/r/shard:1"
GCS = {"INPUT_FOLDER": 'gs://b/it\'s "@,;$HOME" in', "RENDITIONS": TRICKY, "DRY_RUN": "yes"}
S3 = {"INPUT_FOLDER": "s3://b/in", "OUTPUT_FOLDER": "s3://b/out", "RENDITIONS": TRICKY}


def deployment(engine_name: str, variables: dict[str, str], **changes: Any) -> Deployment:
    """Return a deployment of ten tasks, with the engine's own defaults."""
    defaults = {option.name: option.default for option in engine(engine_name).OPTIONS}
    options = {**defaults, **changes.pop("options", {})}
    facts: dict[str, Any] = {
        "name": "shard",
        "image": IMAGE,
        "tasks": 10,
        "parallel": None,
        "retries": 3,
        "timeout": 3600,
        "memory": 2 << 30,
        "cpu": 2.0,
        **changes,
    }
    return Deployment(**facts, variables=variables, options=options)


def _ignore(sentence: str) -> None:
    """Take a note that no test looks at."""


def filled(engine_name: str, variables: dict[str, str], **changes: Any) -> Any:
    """Return the manifest that `shard deploy` prints, parsed as a YAML 1.1 reader does."""
    shown: list[str] = []
    deploy(engine_name, deployment(engine_name, variables, **changes), shown.append, _ignore)
    return loaded(shown[0])


def loaded(text: str) -> Any:
    """Parse YAML (or JSON) as programs do that still follow YAML 1.1, where yes is a boolean."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    return yaml.load(text)


def refused(engine_name: str, variables: dict[str, str], **changes: Any) -> str:
    """Return the sentence with which a deployment is refused."""
    with pytest.raises(SettingError) as caught:
        filled(engine_name, variables, **changes)
    return str(caught.value)


def variables_of(container: Any) -> dict[str, str]:
    """Return what a list of names and values sets."""
    return {entry["name"]: entry["value"] for entry in container}


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("cloudrun/job.yaml", schemas.cloud_run_v2),
        ("cloudrun/job-gcloud.yaml", schemas.cloud_run_v1),
        ("cloudrun/job-gcsfuse.yaml", schemas.cloud_run_v1),
        ("cloudrun/service.yaml", schemas.cloud_run_v1),
        ("google-batch/job.json", schemas.google_batch),
        ("aws-batch/submit-job.json", schemas.aws_submit_job),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_template_is_a_manifest_itself(name: str, reads: Callable[[Any], Any]) -> None:
    """Each template is valid as it is, strictly, by the schema of its engine."""
    manifest = loaded((schemas.DEPLOY / name).read_text("utf-8"))

    reads(manifest)
    with pytest.raises(Exception, match=r"(?i)unknown|no field named"):
        reads({**manifest, "taskcount": 1})


def test_a_filled_cloud_run_job_is_read_by_gcloud() -> None:
    """What gcloud gets has the tasks, the machine and every variable, whatever its characters."""
    options = {"service-account": "t@p.iam.gserviceaccount.com"}
    job = filled("cloud-run", GCS, parallel=4, options=options)
    execution = job["spec"]["template"]["spec"]
    task = execution["template"]["spec"]
    env = variables_of(task["containers"][0]["env"])

    schemas.cloud_run_v1(job)
    assert (execution["taskCount"], execution["parallelism"]) == (10, 4)
    assert (task["maxRetries"], task["timeoutSeconds"]) == (3, "3600")
    assert task["serviceAccountName"] == "t@p.iam.gserviceaccount.com"
    assert task["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "2048Mi"}
    assert env == {**GCS, "LOG_FORMAT": "json", "MEMORY_LIMIT": "2048MiB", "TASK_TIMEOUT": "3600"}


def test_a_filled_cloud_run_job_is_read_by_the_api() -> None:
    """The form of the API says the same, in its own words."""
    job = schemas.cloud_run_v2(filled("cloud-run", GCS, parallel=4, options={"form": "api"}))
    task = job.template.template

    assert (job.template.task_count, job.template.parallelism) == (10, 4)
    assert (task.max_retries, task.timeout.seconds, task.service_account) == (3, 3600, "")
    assert {e.name: e.value for e in task.containers[0].env}["INPUT_FOLDER"] == GCS["INPUT_FOLDER"]


def test_a_mounted_bucket_leaves_memory_to_fuse() -> None:
    """With --mount the folders are below the mount, and a quarter of the memory is FUSE's."""
    variables = {"INPUT_FOLDER": "/mnt/bucket/in", "OUTPUT_FOLDER": "/mnt/bucket/out"}
    job = filled("cloud-run", variables, options={"mount": "photos"})
    task = job["spec"]["template"]["spec"]["template"]["spec"]
    env = variables_of(task["containers"][0]["env"])

    schemas.cloud_run_v1(job)
    assert task["volumes"][0]["csi"]["volumeAttributes"]["bucketName"] == "photos"
    assert env["MEMORY_LIMIT"] == "1536MiB"


def test_an_array_of_one_is_a_plain_job_on_aws_batch() -> None:
    """One task is submitted without an array, which AWS Batch refuses; Shard runs 0 of 1."""
    request = filled("aws-batch", S3, tasks=1)
    variables = variables_of(request["containerOverrides"]["environment"])
    task = task_from({**variables, "AWS_BATCH_JOB_ID": "f00-ba4", "AWS_BATCH_JOB_ATTEMPT": "1"})

    schemas.aws_submit_job(request)
    assert "arrayProperties" not in request
    assert (task.index, task.count, task.run_id) == (0, 1, "f00-ba4")


def test_a_filled_aws_batch_request_is_accepted() -> None:
    """Retries become attempts, memory the next size of Fargate, and the task's limit follows it."""
    options = {"queue": "q", "definition": "d:3"}
    request = filled("aws-batch", S3, retries=9, timeout=600, options=options)
    container = request["containerOverrides"]

    schemas.aws_submit_job(request)
    assert request["arrayProperties"] == {"size": 10}
    assert (request["jobQueue"], request["jobDefinition"]) == ("q", "d:3")
    assert request["retryStrategy"]["attempts"] == 10
    assert request["timeout"] == {"attemptDurationSeconds": 600}
    assert container["resourceRequirements"][1] == {"type": "MEMORY", "value": "4096"}
    assert variables_of(container["environment"]) == {
        **S3,
        "LOG_FORMAT": "json",
        "MEMORY_LIMIT": "4096MiB",
        "TASK_TIMEOUT": "600",
    }


def test_a_filled_google_batch_job_is_read_by_the_api() -> None:
    """Tasks, machines and variables arrive; exit code 2 alone is not tried again."""
    options = {"machine-type": "e2-standard-4", "spot": "no", "service-account": "t@p"}
    job = schemas.google_batch(filled("google-batch", GCS, parallel=4, options=options))
    group = job.task_groups[0]
    (policy,) = group.task_spec.lifecycle_policies
    machines = job.allocation_policy.instances[0].policy

    assert (group.task_count, group.parallelism) == (10, 4)
    assert group.task_spec.environment.variables["RENDITIONS"] == TRICKY
    assert group.task_spec.compute_resource.memory_mib == 2048
    assert (policy.Action.Name(policy.action), [*policy.action_condition.exit_codes]) == (
        "FAIL_TASK",
        [2],
    )
    assert (machines.machine_type, machines.provisioning_model) == ("e2-standard-4", 1)
    assert job.allocation_policy.service_account.email == "t@p"


@pytest.mark.parametrize(
    ("name", "index", "count", "run"),
    [
        ("cloud-run", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT", "CLOUD_RUN_EXECUTION"),
        ("google-batch", "BATCH_TASK_INDEX", "BATCH_TASK_COUNT", "BATCH_JOB_UID"),
        (
            "aws-batch",
            *("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", "AWS_BATCH_JOB_ID"),
        ),
    ],
)
def test_every_index_becomes_its_task(name: str, index: str, count: str, run: str) -> None:
    """What a manifest sets and what its engine adds make tasks 0 to 9 of one run."""
    manifest = filled(name, S3)
    tasks = []
    for number in range(10):
        own = {index: str(number), count: "10", run: "run-7"}
        tasks.append(TaskSettings.parse({**environment(name, manifest), **own}).task)

    assert [task.index for task in tasks] == list(range(10))
    assert {(task.count, task.engine, task.run_id) for task in tasks} == {(10, name, "run-7")}


def environment(name: str, manifest: Any) -> dict[str, str]:
    """Return what a manifest sets in its container."""
    if name == "google-batch":
        spec = manifest["taskGroups"][0]["taskSpec"]
        return dict(spec["environment"]["variables"])
    if name == "aws-batch":
        return variables_of(manifest["containerOverrides"]["environment"])
    task = manifest["spec"]["template"]["spec"]["template"]["spec"]
    return variables_of(task["containers"][0]["env"])


@pytest.mark.parametrize(
    ("cpu", "asked", "given"),
    [
        (0.25, 512, 512),
        (0.25, 513, 1024),
        (0.5, 512, 1024),
        (1.0, 512, 2048),
        (2.0, 5000, 5120),
        (4.0, 8192, 8192),
        (8.0, 17000, 20480),
        (16.0, 122880, 122880),
    ],
)
def test_fargate_gives_the_next_size(cpu: float, asked: int, given: int) -> None:
    """Memory is the least that Fargate has for the cores and that is enough."""
    request = filled("aws-batch", S3, cpu=cpu, memory=asked << 20)

    assert request["containerOverrides"]["resourceRequirements"][1]["value"] == str(given)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("aws-batch", {"cpu": 3.0}, "--cpu is '3'; accepted: what Fargate has: 0.25, 0.5, 1, 2"),
        ("aws-batch", {"cpu": 1.0, "memory": 9 << 30}, "--memory is '9216MiB'; accepted: at most"),
        ("aws-batch", {"parallel": 2}, "--parallel is 2; accepted: not set: AWS Batch has no such"),
        ("aws-batch", {"retries": 10}, "--retries is 10; accepted: at most 9 on AWS Batch"),
        ("aws-batch", {"timeout": 15 * 86400}, "--timeout is 1296000; accepted: at most 1209600"),
        ("cloud-run", {"cpu": 0.5}, "--cpu is '0.5'; accepted: what Cloud Run has: 1, 2, 4, 6, 8"),
        ("cloud-run", {"image": "shard:1"}, "--image is 'shard:1'; accepted: an image in a reg"),
        ("cloud-run", {"timeout": 169 * 3600}, "--timeout is 608400; accepted: at most 604800"),
        ("cloud-run", {"options": {"form": "v3"}}, "--form is 'v3'; accepted: gcloud or api"),
        ("google-batch", {"options": {"spot": "maybe"}}, "--spot is 'maybe'; accepted: yes or no"),
        ("google-batch", {"image": "shard:1"}, "--image is 'shard:1'; accepted: an image in a reg"),
        ("google-batch", {"timeout": 15 * 86400}, "--timeout is 1296000; accepted: at most 12096"),
        (
            "cloud-run",
            {"options": {"service-account": "me"}},
            "--service-account is 'me'; accepted",
        ),
        ("cloud-run", {"options": {"mount": "a b"}}, "--mount is 'a b'; accepted: a bucket's name"),
        ("google-batch", {"options": {"service-account": "me"}}, "--service-account is 'me'; acce"),
        (
            "google-batch",
            {"options": {"machine-type": "E2"}},
            "--machine-type is 'E2'; accepted: a",
        ),
        (
            "aws-batch",
            {"options": {"queue": "my queue"}},
            "--queue is 'my queue'; accepted: a name",
        ),
        ("aws-batch", {"options": {"definition": "d;"}}, "--definition is 'd;'; accepted: a name"),
    ],
)
def test_what_an_engine_does_not_have_is_said(
    name: str, changes: dict[str, Any], sentence: str
) -> None:
    """A size, limit or option that the cloud would refuse is refused here, with what it has."""
    assert refused(name, S3, **changes).startswith(sentence)


@pytest.mark.parametrize("name", ["cloud-run", "aws-batch", "google-batch"])
def test_a_local_folder_is_refused(name: str) -> None:
    """A container in a cloud has no folder of this machine: the variable is named."""
    assert refused(name, {**S3, "INPUT_FOLDER": "/data"}).startswith(
        "INPUT_FOLDER is '/data'; accept"
    )


def test_a_folder_beside_the_mount_is_refused() -> None:
    """With a mounted bucket only folders below the mount are accepted."""
    variables = {"INPUT_FOLDER": "/mnt/bucket2/in", "OUTPUT_FOLDER": "gs://b/out"}

    assert "below /mnt/bucket" in refused("cloud-run", variables, options={"mount": "photos"})


@pytest.mark.parametrize(
    ("name", "most"), [("cloud-run", 8), ("aws-batch", 18), ("google-batch", 18)]
)
def test_a_drain_that_outlasts_the_engine_is_refused(name: str, most: int) -> None:
    """GRACE longer than what the engine gives after SIGTERM is refused, with the most."""
    assert filled(name, {**S3, "GRACE": str(most)})
    assert f"at most {most}" in refused(name, {**S3, "GRACE": str(most + 1)})


@pytest.mark.parametrize(
    ("name", "changes", "given"),
    [
        ("cloud-run", {}, 2048),
        ("cloud-run", {"options": {"mount": "photos"}}, 1536),
        ("aws-batch", {}, 4096),
        ("google-batch", {}, 2048),
        ("kubernetes", {}, 2048),
        ("slurm", {}, 2048),
    ],
    ids=["cloud-run", "cloud-run-mount", "aws-batch", "google-batch", "kubernetes", "slurm"],
)
def test_a_task_is_not_promised_more_memory_than_it_gets(
    name: str, changes: dict[str, Any], given: int
) -> None:
    """MEMORY_LIMIT may be all of the task's memory; more would have it killed: it is refused."""
    sentence = f"MEMORY_LIMIT is '{given + 1}MiB'; accepted: at most {given}MiB"

    assert f"{given}MiB" in shown(name, {**S3, "MEMORY_LIMIT": f"{given}MiB"}, **changes)
    with pytest.raises(SettingError, match=sentence):
        shown(name, {**S3, "MEMORY_LIMIT": f"{given + 1}MiB"}, **changes)


@pytest.mark.parametrize(
    ("name", "own", "foreign"),
    [("cloud-run", "gs", "s3"), ("google-batch", "gs", "s3"), ("aws-batch", "s3", "gs")],
)
def test_another_clouds_store_is_noted(name: str, own: str, foreign: str) -> None:
    """An engine's identity opens its own cloud's buckets only; for others keys are asked for."""
    noted = notes(name, f"{own}://b/in", f"{foreign}://b/out")
    quiet = notes(name, f"{own}://b/in", f"{own}://b/out")

    assert f"has no identity for {foreign}://" in noted
    assert "has no identity" not in quiet


def shown(engine_name: str, variables: dict[str, str], **changes: Any) -> str:
    """Return the manifest as it is printed."""
    said: list[str] = []
    deploy(engine_name, deployment(engine_name, variables, **changes), said.append, _ignore)
    return said[0]


def notes(engine_name: str, source: str, output: str) -> str:
    """Return what is said beside the manifest."""
    said: list[str] = []
    variables = {"INPUT_FOLDER": source, "OUTPUT_FOLDER": output}
    deploy(engine_name, deployment(engine_name, variables), _ignore, said.append)
    return "\n".join(said)


def test_a_manifest_of_json_keeps_letters_readable() -> None:
    """Keys are data: a name that is not ASCII is written as it is."""
    shown: list[str] = []
    variables = {**S3, "INPUT_FOLDER": "s3://b/ünï"}
    deploy("aws-batch", deployment("aws-batch", variables), shown.append, _ignore)

    assert "s3://b/ünï" in shown[0]
    assert json.loads(shown[0])


@pytest.mark.parametrize(("code", "again"), [(1, True), (2, False), (137, True), (143, True)])
def test_exit_codes_decide_alike(code: int, again: bool) -> None:
    """AWS Batch and Google Batch try the same exit codes again: all but 2."""
    rules = filled("aws-batch", S3)["retryStrategy"]["evaluateOnExit"]
    group = filled("google-batch", S3)["taskGroups"][0]["taskSpec"]
    (policy,) = group["lifecyclePolicies"]

    assert (decided_by_aws(rules, code) == "RETRY") == again
    assert (code not in policy["actionCondition"]["exitCodes"]) == again
    assert policy["action"] == "FAIL_TASK"  # what it does not match is tried again


def decided_by_aws(rules: list[dict[str, str]], code: int) -> str:
    """Return the action of the first rule whose every condition matches, as AWS Batch does."""
    for rule in rules:
        facts = {"onExitCode": str(code), "onReason": "Essential container in task exited"}
        if all(fnmatch(facts[name], rule[name]) for name in rule if name != "action"):
            return rule["action"]
    return "RETRY"
