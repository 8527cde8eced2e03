"""Google Batch: what `gcloud batch jobs submit --config` reads."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from shard.planning.deployments.base import Option
from shard.planning.deployments.managed import (
    EMAIL,
    check_clocks,
    check_image,
    check_places,
    keys_note,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.deployments.base import Deployment

FOLDER = "google-batch"
OPTIONS = (
    Option("service-account", "email that the tasks run as; default: Compute Engine's own"),
    Option("machine-type", "as e2-standard-2; default: what fits --cpu and --memory"),
    Option("spot", "yes: machines that may be taken away at any time, for much less; or no", "yes"),
)

_TEMPLATE: Final = "job.json"
_FORMS: Final = {
    "service-account": EMAIL,
    "machine-type": (re.compile(r"[a-z0-9-]+", re.ASCII), "a machine type, as e2-standard-2"),
    "spot": (re.compile("yes|no"), "yes or no"),
}


def templates(deployment: Deployment) -> tuple[str, ...]:  # noqa: ARG001 - the frame's signature
    """Return the one template."""
    return (_TEMPLATE,)


def fill(templates: Mapping[str, str], deployment: Deployment) -> str:
    """Return the job. Raises ``SettingError`` for what Google Batch does not have."""
    check_image(deployment, "europe-docker.pkg.dev/PROJECT/REPOSITORY/shard:0.1.0", "Google Batch")
    deployment.check_options(_FORMS)
    check_clocks(deployment, "google-batch")
    check_places(deployment, "Google Batch")
    job = json.loads(templates[_TEMPLATE])
    _fill_group(job["taskGroups"][0], deployment)
    _fill_machines(job["allocationPolicy"], deployment)
    return json.dumps(job, indent=2, ensure_ascii=False) + "\n"


def notes(deployment: Deployment) -> tuple[str, ...]:
    """Say which command takes the manifest."""
    said = [*keys_note(deployment, "gs", "Google Batch")]
    said += [f"gcloud batch jobs submit {deployment.name}-1 --location REGION --config FILE"]
    if not deployment.options.get("service-account"):
        said.append(
            "no --service-account: the tasks run as Compute Engine's default one; "
            "deploy/cloudrun/iam.sh makes one with the least roles"
        )
    return tuple(said)


def _fill_group(group: Any, deployment: Deployment) -> None:
    group["taskCount"] = str(deployment.tasks)
    group["parallelism"] = str(deployment.at_once)
    task = group["taskSpec"]
    task["runnables"][0]["container"]["imageUri"] = deployment.image
    given = task["environment"]["variables"]
    task["environment"]["variables"] = variables(deployment, given, deployment.memory_mib)
    task["computeResource"]["cpuMilli"] = str(round(deployment.cpu * 1000))
    task["computeResource"]["memoryMib"] = str(deployment.memory_mib)
    task["maxRunDuration"] = f"{deployment.timeout}s"
    task["maxRetryCount"] = deployment.retries


def _fill_machines(allocation: Any, deployment: Deployment) -> None:
    policy = allocation["instances"][0]["policy"]
    is_spot = deployment.option("spot") == "yes"
    policy["provisioningModel"] = "SPOT" if is_spot else "STANDARD"
    machine = deployment.options.get("machine-type")
    if machine:
        policy["machineType"] = machine
    email = deployment.options.get("service-account")
    if email:
        allocation["serviceAccount"]["email"] = email
    else:
        del allocation["serviceAccount"]
