"""Cloud Run Jobs: the form that gcloud reads (v1), or the API's own (v2)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from shard.errors import SettingError
from shard.planning.deployments import yaml_text
from shard.planning.deployments.base import Option
from shard.planning.deployments.managed import (
    EMAIL,
    check_clocks,
    check_image,
    check_places,
    keys_note,
    memory_for,
    memory_note,
    pairs,
    variables,
)
from shard.planning.machines import CLOUD_RUN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.deployments.base import Deployment

FOLDER = "cloudrun"
OPTIONS = (
    Option("service-account", "email that the tasks run as; default: the project's own"),
    Option(
        "form",
        "gcloud (YAML for `gcloud run jobs replace`) or api (JSON for REST, version 2)",
        "gcloud",
    ),
    Option("mount", "bucket to mount at /mnt/bucket, so that INPUT_FOLDER may be a folder there"),
)

_API: Final = "https://run.googleapis.com/v2"
_MOUNTED: Final = "/mnt/bucket"
_FORMS: Final = {
    "service-account": EMAIL,
    "mount": (re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII), "a bucket's name"),
}


def templates(deployment: Deployment) -> tuple[str, ...]:
    """Return the one template of the wanted form. Raises ``SettingError`` for an unknown form."""
    form, mount = deployment.options.get("form"), deployment.options.get("mount")
    if form not in ("gcloud", "api"):
        raise SettingError("--form", form, "gcloud or api")
    if mount and form == "api":
        raise SettingError("--form", form, "gcloud, together with --mount")
    if form == "api":
        return ("job.yaml",)
    return ("job-gcsfuse.yaml",) if mount else ("job-gcloud.yaml",)


def fill(templates: Mapping[str, str], deployment: Deployment) -> str:
    """Return the job. Raises ``SettingError`` for what Cloud Run does not have."""
    check_image(deployment, "europe-docker.pkg.dev/PROJECT/REPOSITORY/shard:0.1.0", "Cloud Run")
    deployment.check_options(_FORMS)
    check_clocks(deployment, "cloud-run")
    mount = deployment.options.get("mount")
    check_places(deployment, "Cloud Run", _MOUNTED if mount else None)
    ((name, text),) = templates.items()
    documents = yaml_text.load(text)
    if name == "job.yaml":
        _fill_api(documents[0], deployment)
        return json.dumps(documents[0], indent=2, ensure_ascii=False) + "\n"  # what REST takes
    _fill_gcloud(documents[0], deployment)
    return yaml_text.dump(documents)


def notes(deployment: Deployment) -> tuple[str, ...]:
    """Say which command takes the manifest."""
    send = (
        f"gcloud run jobs replace FILE --region REGION && "
        f"gcloud run jobs execute {deployment.name} --region REGION --wait"
    )
    if deployment.options.get("form") == "api":
        send = (
            "curl -d @FILE -H 'Content-Type: application/json' "
            '-H "Authorization: Bearer $(gcloud auth print-access-token)" '
            f"'{_API}/projects/PROJECT/locations/REGION/jobs?jobId={deployment.name}'"
        )
    said = [
        *memory_note(deployment, CLOUD_RUN, "Cloud Run"),
        *keys_note(deployment, "gs", "Cloud Run"),
        send,
        "Cloud Run tries again after every exit code, 2 among them",
    ]
    if not deployment.options.get("service-account"):
        said.append(
            "no --service-account: the tasks run as the project's default one; "
            "deploy/cloudrun/iam.sh makes one with the least roles"
        )
    return tuple(said)


def _fill_gcloud(job: Any, deployment: Deployment) -> None:
    job["metadata"]["name"] = deployment.name
    execution = job["spec"]["template"]["spec"]
    execution["taskCount"] = deployment.tasks
    execution["parallelism"] = deployment.parallel or 0
    task = execution["template"]["spec"]
    task["timeoutSeconds"] = yaml_text.quoted(str(deployment.timeout))
    _fill_task(task, deployment, "serviceAccountName")
    mount = deployment.options.get("mount")
    if mount:
        task["volumes"][0]["csi"]["volumeAttributes"]["bucketName"] = mount


def _fill_api(job: Any, deployment: Deployment) -> None:
    execution = job["template"]
    execution["taskCount"] = deployment.tasks
    execution["parallelism"] = deployment.parallel or 0
    task = execution["template"]
    task["timeout"] = f"{deployment.timeout}s"
    _fill_task(task, deployment, "serviceAccount")


def _fill_task(task: Any, deployment: Deployment, account: str) -> None:
    """Edit what both forms say alike."""
    task["maxRetries"] = deployment.retries
    email = deployment.options.get("service-account")
    if email:
        task[account] = email
    else:
        del task[account]
    container = task["containers"][0]
    container["image"] = deployment.image
    container["resources"]["limits"]["cpu"] = yaml_text.quoted(f"{deployment.cpu:g}")
    memory = memory_for(deployment, CLOUD_RUN, "Cloud Run")
    container["resources"]["limits"]["memory"] = f"{memory}Mi"
    # Cloud Storage FUSE keeps the files it handles in the task's memory: a quarter is left for it.
    usable = memory * 3 // 4 if deployment.options.get("mount") else memory
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    said = variables(deployment, given, usable)
    container["env"] = pairs({name: yaml_text.quoted(text) for name, text in said.items()})
