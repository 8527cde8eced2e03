"""The roles of the pyramids' stack are enough for function and task, and hold nothing besides.

Against moto with its IAM enforcement on: user, action and resource are checked there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from shard.errors import AccessDenied
from shard.events.recording import record
from shard.events.stores import open_markers
from shard.planning.marking import EventSettings
from shard.planning.upload_events import ObjectEvent
from tests.deploy import cloudformation, schemas
from tests.e2e.test_least_policies import REGION, Account, account, actions_of
from tests.program import picture, shard
from tests.servers import ISOLATED

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

__all__ = ["account"]

TEMPLATE = schemas.DEPLOY / "aws-pyramids" / "template.yaml"
KINDS = ("Source", "Image", "Process")


def _arn(told: Any, names: dict[str, str]) -> str:
    """Return a resource with its buckets' names, as CloudFormation would fill it in."""
    text, given = told["Fn::Sub"]
    bucket = names[given["Bucket"]["Fn::If"][2]["Ref"]]
    for name, value in {"AWS::Partition": "aws", "Bucket": bucket, "MarkerPrefix": "rbsc/"}.items():
        text = text.replace(f"${{{name}}}", value)
    return str(text)


@dataclass
class Stack:
    """Three buckets of an account, and what the template's roles may do with them."""

    account: Account
    names: dict[str, str]

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Return what a role may do on S3, an action and a statement at a time."""
        template = cloudformation.load(TEMPLATE)
        policies = template["Resources"][role]["Properties"]["Policies"]
        found = []
        for statement in (one for p in policies for one in p["PolicyDocument"]["Statement"]):
            told = statement["Resource"]
            resources = told if isinstance(told, list) else [told]
            found += [
                {"Effect": "Allow", "Action": action, "Resource": _arn(resource, self.names)}
                for action in actions_of(statement)
                for resource in resources
                if action.startswith("s3:")
            ]
        return found

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of function and task."""
        key, secret = self.account.task
        own = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION}
        places = zip(("RBSC_BUCKET", "IMAGE_BUCKET", "PROCESS_BUCKET"), KINDS, strict=True)
        buckets = {variable: self.names[f"{kind}Bucket"] for variable, kind in places}
        return {**ISOLATED, "AWS_ENDPOINT_URL": self.account.url, **own, **buckets}

    def fill(self) -> None:
        """Put two images of one stem, one that is corrupt, and their markers; junk among them."""
        s3 = self.account.client("s3")
        for key, data in {"a.jpg": picture(80, 60), "a.png": b"", "bad.jpg": b"none"}.items():
            s3.put_object(Bucket=self.names["SourceBucket"], Key=key, Body=data)
        for name in ("a.jpg", "bad.jpg"):
            body = json.dumps({"key": name}).encode()
            s3.put_object(Bucket=self.names["ProcessBucket"], Key=f"rbsc/{name}.json", Body=body)
        s3.put_object(Bucket=self.names["ProcessBucket"], Key="rbsc/junk.json", Body=b"junk")

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the task."""
        limits = {"MAX_THREADS": "1", "RETRY_BUDGET": "1"}
        words = ("--tile-size", "64", "--max-attempts", "1")
        return shard("pyramid", "run", *words, variables={**self.variables, **limits})

    def keys(self, kind: str) -> list[str]:
        """Return what lies in a bucket, but the run's own records."""
        found = self.account.client("s3").list_objects_v2(Bucket=self.names[f"{kind}Bucket"])
        keys = [one["Key"] for one in found.get("Contents", [])]
        return [key for key in keys if not key.startswith(".shard/")]


@pytest.fixture
def stack(account: Account) -> Iterator[Stack]:
    """Make three buckets; empty them in the end."""
    names = {f"{kind}Bucket": f"pyramids-{kind.lower()}" for kind in KINDS}
    s3 = account.client("s3")
    for name in names.values():
        s3.create_bucket(Bucket=name)
    yield Stack(account, names)
    for name in names.values():
        for one in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=one["Key"])
        s3.delete_bucket(Bucket=name)


def test_the_tasks_role_is_enough(stack: Stack) -> None:
    """Pyramids are made, markers go or move to failed/, and one is written for a shared stem."""
    stack.fill()
    stack.account.allow(stack.statements("TaskRole"))
    done = stack.run()

    assert done.returncode == 1, done.stderr
    assert stack.keys("Image") == ["a.tif"]
    assert stack.keys("Process") == [
        "failed/rbsc/bad.jpg.json",
        "failed/rbsc/junk.json",
        "rbsc/a.png.json",
    ]
    assert "access_denied" not in done.stdout + done.stderr
    assert "could not be updated" not in done.stdout


LEFT_OUT = [
    ("s3:ListBucket", "pyramids-source"),
    ("s3:GetObject", "pyramids-source/*"),
    ("s3:PutObject", "pyramids-image/*"),
    ("s3:GetObject", "pyramids-process/rbsc/*"),
    ("s3:PutObject", "pyramids-process/failed/rbsc/*"),
    ("s3:DeleteObject", "pyramids-process/rbsc/*"),
]


@pytest.mark.parametrize(("action", "resource"), LEFT_OUT, ids=lambda one: one.replace("/", "-"))
def test_without_an_action_the_task_says_so(stack: Stack, action: str, resource: str) -> None:
    """A role that lacks it leaves every marker where it can be found, and the exit code tells."""
    stack.fill()
    wanted = stack.statements("TaskRole")
    without = [one for one in wanted if (one["Action"], one["Resource"][13:]) != (action, resource)]
    stack.account.allow(without)
    done = stack.run()
    said = done.stdout + done.stderr
    left = " ".join(stack.keys("Process"))

    assert done.returncode in (1, 2), said
    assert "access_denied" in said or "check AWS_ACCESS_KEY_ID" in said
    assert "Traceback" not in said
    assert "bad.jpg.json" in left
    assert "junk.json" in left
    assert "a.jpg.json" in left or "a.tif" in stack.keys("Image")


@pytest.mark.parametrize("without", [None, "s3:GetObject", "s3:PutObject"])
def test_the_functions_role(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, without: str | None
) -> None:
    """It writes a marker, knows a duplicate, replaces an older one, or says what it needs."""
    allowed = [one for one in stack.statements("FunctionRole") if one["Action"] != without]
    stack.account.allow(allowed)
    for name, value in {**stack.variables, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    settings = EventSettings.of(stack.variables)
    store = open_markers(settings.process)
    first, second = (
        ObjectEvent(stack.names["SourceBucket"], "a.jpg", 1, "e", "", f"00{n}") for n in range(2)
    )

    def told() -> list[str]:
        return [record(event, settings, store).reason for event in (first, first, second)]

    if without is None:
        assert told() == ["new", "duplicate", "newer"]
        return

    with pytest.raises(AccessDenied, match="s3:GetObject and s3:PutObject on the markers"):
        told()


def test_the_function_reaches_no_other_place(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Markers below another prefix are out of its reach."""
    stack.account.allow(stack.statements("FunctionRole"))
    for name, value in {**stack.variables, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    settings = EventSettings.of({**stack.variables, "MARKER_PREFIX": "other/"})
    event = ObjectEvent(stack.names["SourceBucket"], "a.jpg")

    with pytest.raises(AccessDenied):
        record(event, settings, open_markers(settings.process))
