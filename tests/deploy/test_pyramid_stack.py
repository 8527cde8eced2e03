"""The pyramids' stack on moto: an upload becomes an event, a marker, and a verified pyramid.

moto keeps what it knows and passes over the rest: alarms, subscriptions, policies of queues and
topics, a bucket's notifications (set here as the template says), a rule's call of AWS Batch.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import uuid
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import tifffile

from tests.deploy import cloudformation, schemas
from tests.deploy.test_targets import IMAGE, Make, make
from tests.events.test_lambda import invoked, package
from tests.program import ROOT, environment, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers import S3Server

__all__ = ["make", "package"]

TEMPLATE = schemas.DEPLOY / "aws-pyramids" / "template.yaml"
KEY = "maps/a b+ü.jpg"


@pytest.fixture(scope="module")
def template() -> Any:
    """Return the template in CloudFormation's long form."""
    return cloudformation.load(TEMPLATE)


@pytest.fixture(scope="module")
def client(moto_s3: S3Server) -> Callable[[str], Any]:
    """Return a maker of boto3 clients of moto."""
    return cloudformation.clients(moto_s3)


class Stack:
    """A stack that was made on moto."""

    def __init__(
        self, client: Callable[[str], Any], template: Any, code: Path, **parameters: str
    ) -> None:
        self.client = client
        self.name = f"pyramids-{uuid.uuid4().hex[:8]}"
        bucket = f"code-{self.name}"
        client("s3").create_bucket(Bucket=bucket)
        client("s3").put_object(Bucket=bucket, Key="lambda.zip", Body=code.read_bytes())
        where = {"CodeBucket": bucket, "CodeKey": "lambda.zip"}
        cloudformation.create(client, self.name, for_moto(template), **where, **parameters)
        (made,) = client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        self.outputs = {out["OutputKey"]: out["OutputValue"] for out in made["Outputs"]}
        self.source, self.images, self.process = (
            self.outputs[f"{kind}BucketName"] for kind in ("Source", "Image", "Process")
        )

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket, but the run's own records."""
        listed = self.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
        return [entry["Key"] for entry in listed if not entry["Key"].startswith(".shard/")]

    def delivered(self) -> dict[str, Any]:
        """Return what waits in the queue, as Lambda hands it to the function."""
        queue = self.outputs["UploadsUrl"]
        got = self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return {
            "Records": [
                {"messageId": m["MessageId"], "body": m["Body"], "eventSource": "aws:sqs"}
                for m in got.get("Messages", [])
            ]
        }

    def function(self) -> dict[str, str]:
        """Return the function's variables."""
        found = self.client("lambda").get_function_configuration(FunctionName=self.name)
        variables: dict[str, str] = found["Environment"]["Variables"]
        return variables

    def container(self) -> dict[str, Any]:
        """Return what a task's container is told."""
        batch = self.client("batch")
        (found,) = batch.describe_job_definitions(jobDefinitionName=self.name)["jobDefinitions"]
        container: dict[str, Any] = found["containerProperties"]
        return container


def for_moto(template: Any) -> Any:
    """Name a service role, which moto insists on; leave out what would make it start docker."""
    copy = json.loads(json.dumps(template))
    role = {"Fn::GetAtt": ["ExecutionRole", "Arn"]}
    copy["Resources"]["Environment"]["Properties"]["ServiceRole"] = role
    del copy["Resources"]["Feed"]
    return copy


def test_from_the_upload_to_the_pyramid(
    client: Callable[[str], Any], template: Any, package: tuple[Path, Path], moto_s3: S3Server
) -> None:
    """An upload waits in the queue, becomes a marker by the function, a pyramid by the task."""
    stack = Stack(client, template, package[0])
    s3 = client("s3")
    properties = template["Resources"]["Sources"]["Properties"]
    told = properties["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert told == {"EventBridgeEnabled": True}
    s3.put_bucket_notification_configuration(
        Bucket=stack.source, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket=stack.source, Key=KEY, Body=picture(1600, 1200))
    s3.put_object(Bucket=stack.source, Key="notes.txt", Body=b"no image")

    event = stack.delivered()
    answer, _, log = invoked(package, event, {**moto_s3.env, **stack.function()})

    assert len(event["Records"]) == 2
    assert answer == {"batchItemFailures": []}, log
    assert stack.keys(stack.process) == [f"rbsc/{KEY}.json"]

    container = stack.container()
    variables = {entry["name"]: entry["value"] for entry in container["environment"]}
    done = task(container["command"], {**moto_s3.env, **variables})

    assert done.returncode == 0, done.stderr
    assert stack.keys(stack.images) == ["maps/a b+ü.tif"]
    assert stack.keys(stack.process) == []
    made = s3.get_object(Bucket=stack.images, Key="maps/a b+ü.tif")
    with tifffile.TiffFile(BytesIO(made["Body"].read())) as pyramid:
        assert pyramid.pages.first.shape[:2] == (1200, 1600)
        assert len(pyramid.pages) > 1


def task(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start the image's entry point with the definition's command."""
    return subprocess.run(
        [sys.executable, str(ROOT / "process.py"), *command],
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_existing_buckets_are_used(
    client: Callable[[str], Any], template: Any, package: tuple[Path, Path], moto_s3: S3Server
) -> None:
    """Buckets that are named are not made; function, task and rules are about them."""
    names = {kind: moto_s3.bucket(kind.lower()) for kind in ("Source", "Image", "Process")}
    given = {f"{kind}Bucket": name for kind, name in names.items()}
    before = len(client("s3").list_buckets()["Buckets"])

    stack = Stack(client, template, package[0], MarkerPrefix="marks/", **given)

    assert (stack.source, stack.images, stack.process) == tuple(names.values())
    assert len(client("s3").list_buckets()["Buckets"]) == before + 1  # the code's
    assert stack.function()["MARKER_PREFIX"] == "marks/"
    assert stack.container()["command"][-2:] == ["--marker-prefix", "marks/"]
    patterns = [
        json.loads(rule["EventPattern"])
        for rule in client("events").list_rules()["Rules"]
        if names["Source"] in rule.get("EventPattern", "")
    ]
    assert [pattern["detail"]["bucket"]["name"] for pattern in patterns] == [[names["Source"]]]


@pytest.mark.parametrize(("tasks", "array"), [("1", False), ("40", True)])
def test_the_schedule(
    client: Callable[[str], Any],
    template: Any,
    package: tuple[Path, Path],
    tasks: str,
    array: bool,
) -> None:
    """Every day at 11:30 UTC the job is submitted; one task is a plain job, several an array."""
    stack = Stack(client, template, package[0], Tasks=tasks)
    queue = stack.outputs["Queue"]
    events = client("events")
    (rule,) = [
        rule
        for rule in events.list_rules()["Rules"]
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        if target["Arn"] == queue
    ]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]

    assert (rule["ScheduleExpression"], rule["State"]) == ("cron(30 11 * * ? *)", "ENABLED")
    assert target["BatchParameters"]["JobDefinition"] == stack.outputs["Definition"]
    assert ("ArrayProperties" in target["BatchParameters"]) == array


def document(told: Any) -> Any:
    """Return a policy; moto gives those of a stack as Python writes them."""
    return ast.literal_eval(told) if isinstance(told, str) else told


def test_roles_know_no_other_bucket(
    client: Callable[[str], Any], template: Any, package: tuple[Path, Path]
) -> None:
    """Each role may do what it needs with the buckets of the stack, and nothing else on S3."""
    stack = Stack(client, template, package[0])
    allowed: dict[str, set[tuple[str, str]]] = {"lambda": set(), "ecs-tasks": set()}
    iam = client("iam")
    for role in iam.list_roles()["Roles"]:
        if not role["RoleName"].startswith(stack.name):
            continue
        trusted = document(role["AssumeRolePolicyDocument"])["Statement"][0]["Principal"]["Service"]
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            found = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)
            for statement in document(found["PolicyDocument"])["Statement"]:
                actions, resources = (
                    value if isinstance(value, list) else [value]
                    for value in (statement["Action"], statement["Resource"])
                )
                allowed.setdefault(trusted.split(".")[0], set()).update(
                    (action, resource.removeprefix("arn:aws:s3:::"))
                    for action in actions
                    for resource in resources
                    if action.startswith("s3:")
                )
    source, images, process = stack.source, stack.images, stack.process

    assert allowed["lambda"] == {
        ("s3:GetObject", f"{process}/rbsc/*"),
        ("s3:PutObject", f"{process}/rbsc/*"),
        ("s3:ListBucket", process),
    }
    assert {bucket for action, bucket in allowed["ecs-tasks"] if action == "s3:PutObject"} == {
        f"{images}/*",
        f"{process}/rbsc/*",
        f"{process}/failed/rbsc/*",
    }
    assert {bucket for action, bucket in allowed["ecs-tasks"] if action == "s3:DeleteObject"} == {
        f"{process}/rbsc/*",
        f"{process}/failed/rbsc/*",
    }
    assert ("s3:GetObject", f"{source}/*") in allowed["ecs-tasks"]


def test_failures_are_told(template: Any) -> None:
    """Lost and late events, a failing function, a failed run and a failed image reach the topic."""
    resources = template["Resources"]
    alarms = {
        name: resource["Properties"]["AlarmActions"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    rules = [
        target["Arn"]
        for name in ("TaskFailed", "ImageFailed")
        for target in resources[name]["Properties"]["Targets"]
    ]

    assert set(alarms) == {"EventsLost", "EventsLate", "FunctionFails"}
    assert list(alarms.values()) == [[{"Ref": "Alarms"}]] * 3
    assert rules == [{"Ref": "Alarms"}] * 2


def test_sqs_is_answered_in_part(template: Any) -> None:
    """Lambda is told to heed which messages failed, and has time for all of them."""
    resources = {name: found["Properties"] for name, found in template["Resources"].items()}

    assert resources["Feed"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert resources["Uploads"]["VisibilityTimeout"] >= 6 * resources["Function"]["Timeout"]
    assert resources["Function"]["Handler"] == "shard.events.aws.handler"


def test_a_failed_image_waits_for_the_next_day(template: Any) -> None:
    """Exit 1 and 2 end a task: tried again at once a marker would use up its attempts."""
    rules = template["Resources"]["Definition"]["Properties"]["RetryStrategy"]["EvaluateOnExit"]

    assert [(rule.get("OnExitCode"), rule["Action"]) for rule in rules] == [
        ("1", "EXIT"),
        ("2", "EXIT"),
        (None, "RETRY"),
    ]


def test_make_deploys_the_code_with_the_stack(make: Make) -> None:
    """pyramids-deploy uploads the package under a name of its own, which the stack is told."""
    options = ("VPC=vpc-1", "SUBNETS=subnet-a,subnet-b", "CODE_BUCKET=code")
    done = make("pyramids-deploy", f"IMAGE={IMAGE}", *options, "PARAMETERS=Tasks=4 Vcpu=4")

    assert done.returncode == 0, done.stderr
    (_, _, command, *copied), (_, service, verb, *told) = make.recorded
    key = copied[-1].removeprefix("s3://code/")
    assert (command, service, verb) == ("cp", "cloudformation", "deploy")
    assert re.fullmatch(r"shard/lambda-[0-9a-f]{16}\.zip", key)
    assert {f"CodeKey={key}", "SubnetIds=subnet-a,subnet-b", "Tasks=4", "Vcpu=4"} < set(told)
    assert (make.build / "lambda.zip").exists()


def test_make_asks_for_what_it_needs(make: Make) -> None:
    """pyramids-deploy names the variable that is missing, and sends nothing."""
    done = make("pyramids-deploy", f"IMAGE={IMAGE}", "VPC=vpc-1", "SUBNETS=subnet-a")

    assert done.returncode != 0
    assert "CODE_BUCKET is not set; accepted: the name of a bucket" in done.stderr


@pytest.mark.parametrize(("tasks", "size"), [("1", []), ("4", ["--array-properties", "size=4"])])
def test_make_runs_the_pyramids_now(make: Make, tasks: str, size: list[str]) -> None:
    """pyramids-run submits an array, or for one task a plain job."""
    make("pyramids-run", f"TASKS={tasks}")

    (command,) = make.recorded
    assert command[:3] == ["aws", "batch", "submit-job"]
    assert command[-2:] == (size or ["--job-definition", "shard-pyramids"])
