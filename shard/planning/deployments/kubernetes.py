"""Kubernetes: an Indexed Job (or a CronJob), the templates merged as kustomize would merge them."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from shard.errors import SettingError
from shard.planning.deployments import yaml_text
from shard.planning.deployments.base import Option
from shard.planning.deployments.yaml_text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.deployments.base import Deployment

FOLDER = "kubernetes"
OPTIONS = (
    Option("namespace", "where the Job lives  [default: kubectl's current one]"),
    Option("google-service-account", "for gs://, NAME@PROJECT.iam.gserviceaccount.com"),
    Option("role-arn", "for s3://, the IAM role of the pods (EKS)"),
    Option("secret", "for s3://, the Secret that holds AWS_ACCESS_KEY_ID and ..._SECRET_..."),
    Option("service-account", "for s3:// or gs://, a ServiceAccount that exists"),
    Option("endpoint-url", "for s3://, of a store that is not AWS"),
    Option("region", "for s3://, of the bucket"),
    Option("claim", "for local folders, the PersistentVolumeClaim", "shard-data"),
    Option("mount", "for local folders, where the claim is mounted", "/data"),
    Option("schedule", "a CronJob instead: '0 3 * * *', in UTC"),
    Option("queue", "the Kueue LocalQueue that starts the Job"),
)

STARTING: Final = 600
"""Seconds on top of the task's own limit before the pod is killed: images are pulled meanwhile."""

_BASE: Final = "base/job.yaml"
_STORES: Final = {"gs": "gcs", "s3": "s3", "file": "pvc"}
_ACCESS_KEYS: Final = "shard-s3"
_NAME: Final = (
    re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII),
    "a Kubernetes name: a-z, 0-9, '-' and '.'",
)
_FORMS: Final = {
    **dict.fromkeys(("namespace", "secret", "service-account", "claim", "queue"), _NAME),
    "google-service-account": (
        re.compile(r"[a-z0-9-]+@[a-z0-9.:-]+\.gserviceaccount\.com", re.ASCII),
        "NAME@PROJECT.iam.gserviceaccount.com",
    ),
    "role-arn": (
        re.compile(r"arn:aws[a-z-]*:iam::[0-9]+:role/[\w+=,.@/-]+", re.ASCII),
        "arn:aws:iam::ACCOUNT:role/NAME",
    ),
    "endpoint-url": (
        re.compile(r"https?://[^\s/@]+(/[^\s@?]*)?", re.ASCII),
        "http://host:port or https://host, without user or password",
    ),
    "region": (re.compile(r"[a-z0-9-]+", re.ASCII), "a region, as us-east-1"),
    "mount": (
        re.compile(r"(?!/(tmp|app|opt)(/|$))(/[^/\s:]+)+", re.ASCII),
        "an absolute path outside /tmp, /app and /opt",
    ),
    "schedule": (
        re.compile(r"@(hourly|daily|weekly|monthly|yearly)|[^\s@]+( [^\s]+){4}", re.ASCII),
        "five fields, as '0 3 * * *', or @daily",
    ),
}
"""What each option accepts: its form, and that form in words."""
_MERGE_BY: Final = ("name", "mountPath")


def templates(deployment: Deployment) -> tuple[str, ...]:
    """Return the base's Job and what its stores, schedule and queue add."""
    parts = _components(deployment)
    files = [_BASE, *(f"components/{part}/job.yaml" for part in parts)]
    if _makes_account(deployment):
        files.append("components/gcs/serviceaccount.yaml")
    if deployment.options.get("schedule"):
        files.append("components/cronjob/cronjob.yaml")
    return tuple(files)


def fill(templates: Mapping[str, str], deployment: Deployment) -> str:
    """Return the manifest: a ServiceAccount where one is made, and the Job or CronJob."""
    _check(deployment)
    documents = {file: yaml_text.load(text)[0] for file, text in templates.items()}
    job = documents[_BASE]
    for part in _components(deployment):
        merge(job, documents[f"components/{part}/job.yaml"])
    _fill_job(job, deployment)
    _fill_pod(job["spec"]["template"]["spec"], deployment)
    manifests = [job]
    if deployment.options.get("schedule"):
        manifests = [_cron(documents["components/cronjob/cronjob.yaml"], job, deployment)]
    if _makes_account(deployment):
        account = documents["components/gcs/serviceaccount.yaml"]
        manifests.insert(0, _account(account, deployment))
    for manifest in manifests:
        if namespace := deployment.options.get("namespace"):
            manifest["metadata"]["namespace"] = quoted(namespace)
    return yaml_text.dump(manifests)


def notes(deployment: Deployment) -> tuple[str, ...]:
    """Return how to start the Job, watch it, and what it needs to find."""
    where = f" -n {deployment.options['namespace']}" if deployment.options["namespace"] else ""
    if deployment.options.get("schedule"):
        said = [f"pipe this into: kubectl apply{where} -f -"]
    else:
        # A Job's template cannot be changed, so an earlier one of the name has to go.
        said = [
            f"pipe this into: kubectl replace{where} --force -f -",
            f"watch it: kubectl get{where} job {deployment.name} --watch",
        ]
    if "/" not in deployment.image:
        said.append(f"{deployment.image} names no registry: nodes must have it, or give --image")
    if (
        "gcs" in _components(deployment)
        and not _keyless(deployment)
        and not _makes_account(deployment)
    ):
        said.append("gs:// is read as the namespace's default account: --google-service-account")
    if "s3" in _components(deployment) and not _keyless(deployment):
        secret = deployment.options["secret"] or _ACCESS_KEYS
        said.append(
            f"needs: kubectl create{where} secret generic {secret} "
            "--from-literal=AWS_ACCESS_KEY_ID=... "
            "--from-literal=AWS_SECRET_ACCESS_KEY=...  (or --role-arn)"
        )
    if "pvc" in _components(deployment):
        claim, mount = deployment.option("claim"), deployment.option("mount")
        said.append(
            f"the claim {claim} is mounted at {mount}: ReadWriteMany, writable by gid 10001"
        )
    return tuple(said)


def merge(target: Any, patch: Any) -> None:
    """Merge a strategic merge patch: maps by key, lists of maps by name, all else replaced."""
    for key, value in patch.items():
        there = target.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            merge(there, value)
        elif isinstance(there, list) and value and isinstance(value[0], dict):
            _merge_list(there, value)
        else:
            target[key] = deepcopy(value)


def _merge_list(target: list[Any], patch: list[Any]) -> None:
    for element in patch:
        by = next(key for key in _MERGE_BY if key in element)
        same = next((one for one in target if one.get(by) == element[by]), None)
        if same is None:
            target.append(deepcopy(element))
        else:
            merge(same, element)


def _components(deployment: Deployment) -> list[str]:
    schemes = {place.scheme for place in deployment.places}
    parts = [part for scheme, part in _STORES.items() if scheme in schemes]
    return parts + (["kueue"] if deployment.options.get("queue") else [])


def _keyless(deployment: Deployment) -> bool:
    return bool(deployment.options.get("role-arn") or deployment.options.get("service-account"))


def _makes_account(deployment: Deployment) -> bool:
    """Whether the manifest brings its own ServiceAccount, bound to a cloud's identity."""
    return bool(
        deployment.options.get("role-arn") or deployment.options.get("google-service-account")
    )


def _check(deployment: Deployment) -> None:
    options = deployment.options
    deployment.check_options(_FORMS)
    deployment.check_memory_limit(deployment.memory_mib)
    if options.get("secret") and _keyless(deployment):
        accepted = "either --secret or an identity (--role-arn, --service-account), not both"
        raise SettingError("--secret", options["secret"], accepted)
    if options.get("service-account") and _makes_account(deployment):
        accepted = "an account that exists, or --role-arn or --google-service-account for a new one"
        raise SettingError("--service-account", options["service-account"], accepted)
    _check_mount(deployment, deployment.option("mount"))


def _check_mount(deployment: Deployment, mount: str) -> None:
    for place in deployment.places:
        if place.scheme == "file" and not f"{place.prefix}/".startswith(f"{mount}/"):
            accepted = f"the folder that {place.prefix} is in (the claim is mounted there)"
            raise SettingError("--mount", mount, accepted)


def _fill_job(job: Any, deployment: Deployment) -> None:
    job["metadata"]["name"] = quoted(deployment.name)
    spec = job["spec"]
    spec["completions"] = spec["maxFailedIndexes"] = deployment.tasks
    spec["parallelism"] = deployment.at_once
    spec["backoffLimitPerIndex"] = deployment.retries
    if queue := deployment.options.get("queue"):
        job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = quoted(queue)


def _fill_pod(pod: Any, deployment: Deployment) -> None:
    options = deployment.options
    pod["activeDeadlineSeconds"] = deployment.timeout + deployment.stopping + STARTING
    pod["terminationGracePeriodSeconds"] = max(30, deployment.stopping)
    if _makes_account(deployment):
        pod["serviceAccountName"] = quoted(deployment.name)
    elif account := options.get("service-account"):
        pod["serviceAccountName"] = quoted(account)
    else:
        pod.pop("serviceAccountName", None)
    for volume in pod["volumes"]:
        if "persistentVolumeClaim" in volume:
            volume["persistentVolumeClaim"]["claimName"] = quoted(deployment.option("claim"))
    task = pod["containers"][0]
    for mounted in task["volumeMounts"]:
        if mounted["name"] == "data":
            mounted["mountPath"] = quoted(deployment.option("mount"))
    task["image"] = quoted(deployment.image)
    task["env"] = _environment(task["env"], deployment)
    memory, cpu = f"{deployment.memory_mib}Mi", f"{deployment.cpu:g}"
    task["resources"]["requests"].update(cpu=cpu, memory=memory)
    task["resources"]["limits"]["memory"] = memory


def _environment(template: list[Any], deployment: Deployment) -> list[Any]:
    texts = {entry["name"]: entry["value"] for entry in template if "value" in entry}
    texts["TASK_COUNT"] = str(deployment.tasks)
    for name, option in (("AWS_ENDPOINT_URL", "endpoint-url"), ("AWS_REGION", "region")):
        texts.pop(name, None)
        if text := deployment.options.get(option):
            texts[name] = text
    references = []
    for entry in template:
        source = entry.get("valueFrom")
        if source is None or entry["name"] in deployment.variables:
            continue
        if "secretKeyRef" in source:
            if _keyless(deployment):
                continue
            source["secretKeyRef"]["name"] = quoted(deployment.options["secret"] or _ACCESS_KEYS)
        references.append(entry)
    values = deployment.environment(texts)
    return references + [{"name": name, "value": _literal(text)} for name, text in values.items()]


def _literal(text: str) -> Any:
    """Return a value that Kubernetes leaves as it is: it replaces `$(NAME)`, and `$$` by `$`."""
    return quoted(text.replace("$", "$$"))


def _account(account: Any, deployment: Deployment) -> Any:
    account["metadata"]["name"] = quoted(deployment.name)
    annotations = {
        "iam.gke.io/gcp-service-account": deployment.options.get("google-service-account"),
        "eks.amazonaws.com/role-arn": deployment.options.get("role-arn"),
    }
    account["metadata"]["annotations"] = {
        name: quoted(text) for name, text in annotations.items() if text
    }
    return account


def _cron(cron: Any, job: Any, deployment: Deployment) -> Any:
    cron["metadata"]["name"] = quoted(deployment.name)
    cron["spec"]["schedule"] = quoted(deployment.option("schedule"))
    template = cron["spec"]["jobTemplate"]
    template["metadata"]["labels"].update(job["metadata"]["labels"])
    template["spec"] = job["spec"]
    return cron
