"""The function of AWS Lambda, from its package, in an interpreter that has boto3 and no more."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import event_shapes as shapes
from tests.program import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers import S3Server

BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What AWS Lambda's Python brings along."""
CALL = """
import json, sys
sys.path[:0] = sys.argv[1:]
from shard.events.aws import handler
try:
    print(json.dumps(handler(json.load(sys.stdin))))
finally:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return what `make lambda` packs, and a folder with boto3 alone."""
    folder = tmp_path_factory.mktemp("lambda")
    pack(folder / "lambda.zip")
    (folder / "boto3").mkdir()
    for name in BOTO3:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        origin = Path(str(spec.origin))
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / "boto3" / source.name).symlink_to(source)
    return folder / "lambda.zip", folder / "boto3"


def pack(target: Path) -> None:
    """Build the package as `make lambda` does."""
    script = ROOT / "deploy" / "aws-pyramids" / "package.py"
    subprocess.run([sys.executable, str(script), str(target)], check=True, capture_output=True)


def invoked(
    package: tuple[Path, Path], event: object, variables: Mapping[str, str]
) -> tuple[Any, set[str], str]:
    """Invoke the function; return its answer, the packages it imported, and its errors."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CALL, *map(str, package)],
        input=json.dumps(event),
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    *answer, modules = done.stdout.splitlines() or ["[]"]
    return json.loads(answer[0]) if answer else None, set(json.loads(modules)), done.stderr


@pytest.fixture
def variables(moto_s3: S3Server) -> dict[str, str]:
    """Return the function's variables, with an empty process bucket."""
    ours = {"PROCESS_BUCKET": moto_s3.bucket("process"), "RBSC_BUCKET": "in", "IMAGE_BUCKET": "web"}
    return {**moto_s3.env, **ours}


def markers(server: S3Server, variables: Mapping[str, str]) -> list[str]:
    """Return the keys of all that the process bucket holds."""
    listed = server.client().list_objects_v2(Bucket=variables["PROCESS_BUCKET"])
    return [entry["Key"] for entry in listed.get("Contents", [])]


def test_a_batch_in_part(
    package: tuple[Path, Path], moto_s3: S3Server, variables: dict[str, str]
) -> None:
    """Of a batch the bad message alone is sent back; the records beside the bad one are done."""
    broken = shapes.s3_record("in", "x")
    broken["s3"]["object"] = {}
    event = shapes.sqs(
        plain=shapes.notification(shapes.s3_record("in", "a/b c.tif")),
        wrapped=shapes.sns_text(shapes.notification(shapes.s3_record("in", "ü+.jpg"))),
        broken=shapes.notification(broken, shapes.s3_record("in", "beside.png")),
        bridge=shapes.event_bridge("in", "e.pdf", "CompleteMultipartUpload"),
        own=shapes.notification(shapes.s3_record("web", "a/b c.tif")),
    )

    answer, modules, log = invoked(package, event, variables)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "broken"}]}
    assert markers(moto_s3, variables) == [
        "rbsc/a/b c.tif.json",
        "rbsc/beside.png.json",
        "rbsc/e.pdf.json",
        "rbsc/ü+.jpg.json",
    ]
    assert "message 'broken' goes back to its queue: s3.object.key of an event is None" in log
    assert not modules & {"PIL", "pyvips", "fsspec", "obstore", "click", "google", "tenacity"}


def test_importing_the_function_imports_no_library(package: tuple[Path, Path]) -> None:
    """The package alone can be imported where there is not even boto3."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules)\n"
        "import shard.events.aws, shard.events.http\n"
        "print({n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "{'shard'}"


def test_the_package_is_the_same_each_time(package: tuple[Path, Path], tmp_path: Path) -> None:
    """Unchanged code gives the same bytes, so that it is not deployed again."""
    pack(tmp_path / "again.zip")

    assert (tmp_path / "again.zip").read_bytes() == package[0].read_bytes()


def test_what_did_not_come_by_sqs_fails_as_a_whole(
    package: tuple[Path, Path], moto_s3: S3Server, variables: dict[str, str]
) -> None:
    """A bad record of a direct event is an error, so that Lambda keeps it; the others are done."""
    event = shapes.notification(shapes.s3_record("in", "a.tif"), {"eventSource": "aws:s3"})

    answer, _, log = invoked(package, event, variables)

    assert answer is None
    assert "EventsFailed: 1 records got no marker: a record comes from 'aws:s3'" in log
    assert markers(moto_s3, variables) == ["rbsc/a.tif.json"]


def test_a_store_that_fails_sends_every_message_back(
    package: tuple[Path, Path], variables: dict[str, str]
) -> None:
    """Where no marker can be written nothing is taken for done."""
    event = shapes.sqs(one=shapes.event_bridge("in", "a.tif"), two={"Event": "s3:TestEvent"})

    answer, _, log = invoked(package, event, {**variables, "PROCESS_BUCKET": "no-such-bucket"})

    assert answer == {"batchItemFailures": [{"itemIdentifier": "one"}]}
    assert "s3://no-such-bucket: the bucket does not exist" in log


def test_settings_are_asked_for(package: tuple[Path, Path], variables: dict[str, str]) -> None:
    """A function without PROCESS_BUCKET says so."""
    del variables["PROCESS_BUCKET"]

    _, _, log = invoked(package, shapes.sqs(), variables)

    assert "SettingError: PROCESS_BUCKET is not set; accepted: a bucket's name" in log
