"""The policies of deploy/iam are enough for a real run, and nothing in them can be left out.

Against moto with its IAM enforcement on: signature, user, action and resource are checked there;
conditions are ignored there, so that the prefixes which Shard lists by have a test of their own.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shard.storage.base import StorageOptions
from shard.storage.s3 import S3Store
from tests.program import picture, shard
from tests.servers import ISOLATED, free_ports, serving

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.servers import S3Server

IAM = Path(__file__).parents[2] / "deploy" / "iam"
REGION = "us-east-1"


def policy(name: str, bucket: str, prefix: str) -> dict[str, Any]:
    """Return a policy of deploy/iam for this bucket and prefix."""
    text = (IAM / f"s3-{name}.json").read_text("utf-8")
    text = text.replace(f"{name.upper()}-BUCKET", bucket)
    filled: dict[str, Any] = json.loads(text.replace(f"{name.upper()}-PREFIX", prefix))
    return filled


@dataclass
class Account:
    """An account whose IAM is enforced: an administrator, and a task's user with two policies."""

    url: str
    admin: tuple[str, str]
    task: tuple[str, str]

    def client(self, service: str) -> Any:
        """Return the administrator's boto3 client."""
        import boto3

        maker: Any = boto3.client  # the stubs know each service by a literal
        key, secret = self.admin
        return maker(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def allow(self, statements: list[dict[str, Any]]) -> None:
        """Let the task's user do this and nothing else."""
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.client("iam").put_user_policy(
            UserName="task", PolicyName="task", PolicyDocument=document
        )

    def run(self, output: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run Shard from photos/in to ``output`` as the task's user."""
        key, secret = self.task
        env = {
            **ISOLATED,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
        }
        flags = (*flags, "--workers", "1", "--retry-budget", "1")
        return shard("run", "s3://photos/in", output, *flags, variables=env)


def user(iam: Any, name: str) -> tuple[str, str]:
    """Make a user; return its access key and secret."""
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Start moto, make users and buckets, then have it enforce IAM."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    program = str(Path(sys.executable).parent / "moto_server")
    folder = tmp_path_factory.mktemp("iam")
    with serving([program, "-H", "127.0.0.1", "-p", str(port)], f"{url}/moto-api/", folder):
        made = Account(url, ("any", "any"), ("any", "any"))
        iam = made.client("iam")
        made = Account(url, user(iam, "admin"), user(iam, "task"))
        anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [anything]})
        iam.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=document)
        store = made.client("s3")
        for bucket in ("photos", "web"):
            store.create_bucket(Bucket=bucket)
        for key in ("in/a.jpg", "in/cats/b.jpg"):
            store.put_object(Bucket="photos", Key=key, Body=picture(80, 60))
        request = urllib.request.Request(  # noqa: S310 - our own http URL
            f"{url}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - our own http URL
            yield made


def statements() -> list[dict[str, Any]]:
    """Return all statements of both policies."""
    both = policy("source", "photos", "in"), policy("output", "web", "thumbs")
    return [statement for one in both for statement in one["Statement"]]


def actions_of(statement: dict[str, Any]) -> list[str]:
    """Return a statement's actions, of which a single one stands alone."""
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else list(actions)


def test_the_written_policies_are_enough(account: Account) -> None:
    """With both policies a run writes everything, a second skips, and a third overwrites."""
    account.allow(statements())
    first = account.run("s3://web/thumbs", "--tasks", "2")
    second = account.run("s3://web/thumbs")
    third = account.run("s3://web/thumbs", "--existing", "overwrite")
    listed = account.client("s3").list_objects_v2(Bucket="web", Prefix="thumbs/")["Contents"]
    keys = {entry["Key"] for entry in listed if "/.shard/" not in entry["Key"]}

    assert [done.returncode for done in (first, second, third)] == [0, 0, 0], first.stderr
    assert keys == {"thumbs/a.jpg", "thumbs/cats/b.jpg"}


LEFT_OUT = [
    ("ListSource", "s3:ListBucket"),
    ("ReadSource", "s3:GetObject"),
    ("ListOutput", "s3:ListBucket"),
    ("ReadAndWriteOutput", "s3:GetObject"),
    ("ReadAndWriteOutput", "s3:PutObject"),
]


@pytest.mark.parametrize(("sid", "action"), LEFT_OUT, ids=[f"{s}-{a[3:]}" for s, a in LEFT_OUT])
def test_nothing_in_them_can_be_left_out(account: Account, sid: str, action: str) -> None:
    """Without any one action the run fails, and says what was denied and what to check."""
    wanted = statements()
    for statement in wanted:
        if statement["Sid"] == sid:
            kept = [one for one in actions_of(statement) if one != action]
            statement["Action"] = kept or "s3:GetBucketAcl"  # a statement needs some action
    account.allow(wanted)
    done = account.run(f"s3://web/thumbs/without-{sid}-{action[3:]}")
    said = done.stdout + done.stderr

    assert done.returncode in (1, 2), said
    assert "access_denied" in said or "check AWS_ACCESS_KEY_ID" in said
    assert "Traceback" not in said


def test_another_prefix_of_the_bucket_is_out_of_reach(account: Account) -> None:
    """The output's policy lets nothing be written beside its prefix."""
    account.allow(statements())
    done = account.run("s3://web/elsewhere")

    assert done.returncode == 2
    assert "s3://web/elsewhere" in done.stderr


def test_the_policies_are_all_that_is_tested() -> None:
    """Every action of both policies is one that was left out above."""
    actions = [
        (statement["Sid"], action) for statement in statements() for action in actions_of(statement)
    ]

    assert actions == LEFT_OUT


def test_every_listing_stays_in_its_prefix(
    moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every ListObjectsV2 names the root's prefix, as the policies' condition demands."""
    for name, value in moto_s3.env.items():
        monkeypatch.setenv(name, value)
    store = S3Store(f"s3://{moto_s3.bucket()}/in", StorageOptions(retry_budget=0))
    asked: list[str] = []
    store._access().client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2",
        lambda params, **_: asked.append(params.get("Prefix", "")),
    )
    absent = store.stat("not-there")
    items = [*store.list(), *store.list(prefix="a", start_after="ab")]

    assert (absent, items) == (None, [])
    assert asked == ["in/", "in/", "in/a"]
