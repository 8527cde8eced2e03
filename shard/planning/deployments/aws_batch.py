"""AWS Batch: what `aws batch submit-job --cli-input-json` reads; the rest is in stack.yaml."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.deployments.base import Option
from shard.planning.deployments.managed import (
    check_clocks,
    check_places,
    keys_note,
    memory_for,
    memory_note,
    pairs,
    variables,
)
from shard.planning.machines import FARGATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.deployments.base import Deployment

FOLDER = "aws-batch"
OPTIONS = (
    Option("queue", "job queue, as the stack made it", "shard"),
    Option("definition", "job definition, as the stack made it", "shard"),
)

_TEMPLATE: Final = "submit-job.json"
_MOST_RETRIES: Final = 9
_NAME: Final = (
    re.compile(r"[\w:/-]+", re.ASCII),
    "a name (letters, digits, '-', '_'), name:revision or ARN",
)
_FORMS: Final = {"queue": _NAME, "definition": _NAME}


def templates(deployment: Deployment) -> tuple[str, ...]:  # noqa: ARG001 - the frame's signature
    """Return the one template."""
    return (_TEMPLATE,)


def fill(templates: Mapping[str, str], deployment: Deployment) -> str:
    """Return the request. Raises ``SettingError`` for what AWS Batch on Fargate does not have.

    AWS Batch refuses an array of one: a single task is a plain job, which Shard knows as 0 of 1.
    """
    deployment.check_options(_FORMS)
    check_clocks(deployment, "aws-batch")
    check_places(deployment, "Fargate")
    _check_limits(deployment)
    job = json.loads(templates[_TEMPLATE])
    job["jobName"] = deployment.name
    job["jobQueue"] = deployment.option("queue")
    job["jobDefinition"] = deployment.option("definition")
    if deployment.tasks == 1:
        del job["arrayProperties"]
    else:
        job["arrayProperties"]["size"] = deployment.tasks
    job["retryStrategy"]["attempts"] = deployment.retries + 1
    job["timeout"]["attemptDurationSeconds"] = deployment.timeout
    container = job["containerOverrides"]
    memory = memory_for(deployment, FARGATE, "Fargate")
    size = {"VCPU": f"{deployment.cpu:g}", "MEMORY": str(memory)}
    container["resourceRequirements"] = [{"type": k, "value": v} for k, v in size.items()]
    given = {entry["name"]: entry["value"] for entry in container["environment"]}
    container["environment"] = pairs(variables(deployment, given, memory))
    return json.dumps(job, indent=2, ensure_ascii=False) + "\n"


def notes(deployment: Deployment) -> tuple[str, ...]:
    """Say which command takes the manifest."""
    definition = deployment.option("definition")
    return (
        *memory_note(deployment, FARGATE, "Fargate"),
        *keys_note(deployment, "s3", "AWS Batch"),
        "aws batch submit-job --cli-input-json file://FILE",
        f"the image is what job definition {definition!r} says: `make batch-deploy IMAGE=` sets it",
    )


def _check_limits(deployment: Deployment) -> None:
    if deployment.parallel is not None:
        accepted = "not set: AWS Batch has no such limit for a job, only MaxVcpus of the stack"
        raise SettingError("--parallel", deployment.parallel, accepted)
    if deployment.retries > _MOST_RETRIES:
        raise SettingError("--retries", deployment.retries, f"at most {_MOST_RETRIES} on AWS Batch")
