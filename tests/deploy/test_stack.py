"""The AWS Batch stack, created by CloudFormation against moto, and runs submitted to it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy import cloudformation, schemas
from tests.deploy.test_cloud_manifests import S3, filled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import S3Server

STACK = schemas.DEPLOY / "aws-batch" / "stack.yaml"
IAM = schemas.DEPLOY / "iam"


@pytest.fixture(scope="module")
def template() -> Any:
    """Return the stack's template in CloudFormation's long form."""
    return cloudformation.load(STACK)


@pytest.fixture
def client(moto_s3: S3Server) -> Callable[[str], Any]:
    """Return a maker of boto3 clients of moto."""
    return cloudformation.clients(moto_s3)


def created(client: Callable[[str], Any], template: Any, name: str, **parameters: str) -> Any:
    """Create the stack; return its job definition."""
    wanted = {
        "SourceBucket": "photos",
        "OutputBucket": "web",
        "OutputPrefix": "thumbs/",
        **parameters,
    }
    cloudformation.create(client, name, for_moto(template), **wanted)
    found = client("batch").describe_job_definitions(jobDefinitionName=name)
    (definition,) = found["jobDefinitions"]
    return definition


def for_moto(template: Any) -> Any:
    """Name a service role: AWS uses its own service-linked role without one, moto insists."""
    copy = json.loads(json.dumps(template))
    for name in ("OnDemand", "Spot"):
        copy["Resources"][name]["Properties"]["ServiceRole"] = {
            "Fn::GetAtt": ["ExecutionRole", "Arn"]
        }
    return copy


@pytest.mark.parametrize(
    ("spot", "kinds"), [("yes", ["FARGATE_SPOT", "FARGATE"]), ("no", ["FARGATE"])]
)
def test_the_stack_comes_up(
    client: Callable[[str], Any], template: Any, spot: str, kinds: list[str]
) -> None:
    """The stack makes queue, definition, roles and log; the queue tries Spot first, if wanted."""
    name = f"pictures-{spot}"
    definition = created(client, template, name, SpotFirst=spot, TimeoutSeconds="600")
    container = definition["containerProperties"]
    batch = client("batch")
    (queue,) = batch.describe_job_queues(jobQueues=[name])["jobQueues"]
    order = sorted(queue["computeEnvironmentOrder"], key=lambda entry: int(entry["order"]))
    found = {
        e["computeEnvironmentArn"]: e["computeResources"]["type"]
        for e in batch.describe_compute_environments()["computeEnvironments"]
    }
    env = {entry["name"]: entry["value"] for entry in container["environment"]}

    assert [found[entry["computeEnvironment"]] for entry in order] == kinds
    assert container["readonlyRootFilesystem"] in (True, "true")
    assert env == {"LOG_FORMAT": "json", "MEMORY_LIMIT": "4096MiB", "TASK_TIMEOUT": "600"}
    assert client("logs").describe_log_groups(logGroupNamePrefix=f"/shard/{name}")["logGroups"]


def test_a_run_is_submitted_to_the_stack(client: Callable[[str], Any], template: Any) -> None:
    """What `shard deploy aws-batch` prints is taken by the queue and definition of the stack."""
    created(client, template, "submitting")
    options = {"queue": "submitting", "definition": "submitting"}
    batch = client("batch")
    for tasks in (3, 1):
        request = filled("aws-batch", S3, tasks=tasks, options=options)
        job = batch.submit_job(**request)
        (described,) = batch.describe_jobs(jobs=[job["jobId"]])["jobs"]

        assert described.get("arrayProperties", {}).get("size") == (3 if tasks == 3 else None)
        batch.terminate_job(jobId=job["jobId"], reason="the test is over")


def test_exit_codes_decide_alike_in_stack_and_request(template: Any) -> None:
    """The definition's retry strategy is the request's: 2 ends the task, all else retries."""
    properties = template["Resources"]["Definition"]["Properties"]
    stack = [
        {key[0].lower() + key[1:]: value for key, value in rule.items()}
        for rule in properties["RetryStrategy"]["EvaluateOnExit"]
    ]
    request = filled("aws-batch", S3)["retryStrategy"]

    assert stack == request["evaluateOnExit"]
    assert [(rule.get("onExitCode"), rule["action"]) for rule in stack] == [
        ("2", "EXIT"),
        (None, "RETRY"),
    ]
    assert properties["RetryStrategy"]["Attempts"] == request["attempts"]


def test_the_scratch_volume_is_one_that_the_image_declares(template: Any) -> None:
    """Under the read-only root /tmp is a volume; the image declares it: 10001 may write there."""
    container = template["Resources"]["Definition"]["Properties"]["ContainerProperties"]
    dockerfile = (schemas.DEPLOY.parent / "Dockerfile").read_text("utf-8")
    declared = re.findall(r"(?m)^VOLUME (.+)$", dockerfile)

    assert container["ReadonlyRootFilesystem"] is True
    assert [mount["ContainerPath"] for mount in container["MountPoints"]] == declared == ["/tmp"]  # noqa: S108 - a name
    assert [mount["SourceVolume"] for mount in container["MountPoints"]] == [
        volume["Name"] for volume in container["Volumes"]
    ]


@pytest.mark.parametrize("name", ["source", "output"])
def test_the_task_role_is_the_written_policy(template: Any, name: str) -> None:
    """The stack's task role allows what deploy/iam says, statement by statement, nothing more."""
    policies = template["Resources"]["TaskRole"]["Properties"]["Policies"]
    ours = next(p["PolicyDocument"] for p in policies if p["PolicyName"] == name)
    theirs = json.loads((IAM / f"s3-{name}.json").read_text("utf-8"))
    word = name.capitalize()
    text = json.dumps(ours)
    for there, here in (
        (f"${{{word}Bucket}}", f"{name.upper()}-BUCKET"),
        (f"${{{word}Prefix}}", f"{name.upper()}-PREFIX/"),
        ("${AWS::Partition}", "aws"),
    ):
        text = text.replace(there, here)

    assert [policy["PolicyName"] for policy in policies] == ["source", "output"]
    assert without_sub(json.loads(text)) == theirs


def without_sub(value: Any) -> Any:
    """Return a template's value with `Fn::Sub` taken off, its variables being filled in."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            return value["Fn::Sub"]
        return {name: without_sub(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_sub(inner) for inner in value]
    return value
