"""`shard doctor` as its users run it: with everything right, and with each thing wrong."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shard.cli.doctor import command
from shard.errors import AccessDenied, Unavailable
from shard.execution.visits import Asked, Visit, check_skew, visit_output
from shard.planning.checkup import Level
from shard.planning.location import parse_location
from shard.storage import open_store
from shard.storage.base import StorageOptions
from tests.program import fill, outputs, picture, shard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers import GCSServer, S3Server


def doctor(*arguments: str, variables: Mapping[str, str] | None = None) -> tuple[int, str, Any]:
    """Run it twice; return the exit code, the text with its line breaks undone, the JSON."""
    runner = CliRunner(env=dict(variables or {}))
    text = runner.invoke(command, arguments)
    data = runner.invoke(command, [*arguments, "--format", "json"])
    assert text.stderr == data.stderr == ""
    assert text.exit_code == data.exit_code
    assert all(len(line) <= 80 or "/" in line for line in text.stdout.splitlines())
    return text.exit_code, " ".join(text.stdout.split()), json.loads(data.stdout)


def bucket_with_image(server: S3Server) -> str:
    """Return the name of a new bucket with one image in it."""
    name = server.bucket()
    server.client().put_object(Bucket=name, Key="in/a.jpg", Body=picture(80, 60))
    return name


def keys(server: S3Server, bucket: str) -> list[str]:
    """Return all keys of a bucket."""
    listed = server.client().list_objects_v2(Bucket=bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


def test_all_right_on_local_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """With a readable source and a writable output it exits 0, and no file or folder stays."""
    fill(tmp_path / "in", ["a.jpg", "b/c.jpg"])
    code, text, data = doctor(str(tmp_path / "in"), str(tmp_path / "out" / "deep"))

    assert code == 0
    assert "A task would run here: nothing wrong, no warnings." in text
    assert not data["would_fail"]
    assert data["places"][0]["listing"].startswith("objects: 2; images: 2;")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_lies_in_the_output_stays(tmp_path: Path) -> None:
    """Outputs and the folders of earlier runs are as they were."""
    fill(tmp_path / "in", ["a.jpg"])
    assert shard("run", str(tmp_path / "in"), str(tmp_path / "out")).returncode == 0
    before = outputs(tmp_path / "out")
    assert doctor(str(tmp_path / "in"), str(tmp_path / "out"))[0] == 0

    assert outputs(tmp_path / "out") == before
    assert [path.name for path in (tmp_path / "out" / ".shard").iterdir()] == ["runs"]


def test_every_wrong_setting_is_named_at_once() -> None:
    """All that is wrong with the settings is said in one go, LOG_LEVEL included."""
    wrong = {
        "WORKERS": "0",
        "SLICE": "x",
        "LAYOUT": "{foo}",
        "LOG_LEVEL": "loud",
        "RUN_ID": "a b",
        "CLOUD_RUN_TASK_INDEX": "7",
        "RENDITIONS": "0x0",
    }
    code, text, _ = doctor(variables=wrong)

    assert code == 2
    assert all(f"{name} is " in text for name in wrong if not name.startswith("CLOUD"))
    assert "INPUT_FOLDER is not set" in text
    assert "CLOUD_RUN_TASK_COUNT is not set" in text
    assert "engine unclear" in text


def test_engines_that_contradict_each_other_are_wrong(tmp_path: Path) -> None:
    """Variables of two engines that disagree are told; the places are visited all the same."""
    fill(tmp_path / "in", ["a.jpg"])
    mixed = {"CLOUD_RUN_TASK_INDEX": "3", "CLOUD_RUN_TASK_COUNT": "9", "TASK_INDEX": "2"}
    code, text, _ = doctor(str(tmp_path / "in"), str(tmp_path / "out"), variables=mixed)

    assert code == 2
    assert "CLOUD_RUN_TASK_INDEX/TASK_INDEX is '3/2'" in text
    assert "source: can be read" in text


def test_the_engine_and_its_share_are_told(tmp_path: Path) -> None:
    """The engine, index, count, attempt and run id are those of its variables."""
    fill(tmp_path / "in", ["a.jpg"])
    engine = {
        "AWS_BATCH_JOB_ARRAY_INDEX": "4",
        "AWS_BATCH_JOB_ARRAY_SIZE": "10",
        "AWS_BATCH_JOB_ATTEMPT": "2",
        "AWS_BATCH_JOB_ID": "0a1b:4",
    }
    _, text, data = doctor(str(tmp_path / "in"), str(tmp_path / "out"), variables=engine)

    assert "aws-batch: task 4 of 10, attempt 1" in text
    assert data["task"]["run_id"] == "0a1b"


def test_a_folder_that_is_missing_is_wrong(tmp_path: Path) -> None:
    """A source that does not exist would fail a task; it is named."""
    code, text, _ = doctor(str(tmp_path / "no"), str(tmp_path / "out"))

    assert code == 2
    assert f"{tmp_path / 'no'}: the folder does not exist" in text


def test_an_output_that_is_the_source_is_wrong(tmp_path: Path) -> None:
    """The same folder twice is refused, and nothing is written into it."""
    fill(tmp_path / "in", ["a.jpg"])
    code, text, _ = doctor(str(tmp_path / "in"), str(tmp_path / "in"))

    assert code == 2
    assert "no original is overwritten" in text
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.jpg"]


def test_a_source_without_images_is_warned_of(tmp_path: Path) -> None:
    """A wrong prefix that happens to exist is no failure, but is told."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "readme.txt").write_text("no image")
    code, text, _ = doctor(str(tmp_path / "in"), str(tmp_path / "out"))

    assert code == 0
    assert "there are no images here" in text


@pytest.mark.parametrize("backend", ["obstore", "s3fs"])
def test_all_right_on_s3(seaweed: S3Server, backend: str) -> None:
    """On S3 it exits 0, tells kind and place of the credentials, and removes its probe."""
    bucket = bucket_with_image(seaweed)
    places = (f"s3://{bucket}/in", f"s3://{bucket}/out")
    code, text, _ = doctor(*places, "--s3-backend", backend, variables=seaweed.env)

    assert code == 0
    assert "access key, from AWS_ACCESS_KEY_ID" in text
    assert "clock the same" in text
    assert seaweed.env["AWS_SECRET_ACCESS_KEY"] not in text
    assert seaweed.env["AWS_ACCESS_KEY_ID"] not in text
    assert keys(seaweed, bucket) == ["in/a.jpg"]


def test_a_key_that_may_only_read_is_wrong(seaweed: S3Server) -> None:
    """Source and output can be listed with it, the output not written: exit 2."""
    bucket = bucket_with_image(seaweed)
    places = (f"s3://{bucket}/in", f"s3://{bucket}/out")
    code, text, _ = doctor(*places, variables=seaweed.readonly_env)

    assert code == 2
    assert "output: cannot be written" in text
    assert "source: can be read" in text


def test_dry_run_writes_nothing(seaweed: S3Server) -> None:
    """With DRY_RUN a key that may only read is enough, as it is for the task."""
    bucket = bucket_with_image(seaweed)
    places = (f"s3://{bucket}/in", f"s3://{bucket}/out")
    code, text, _ = doctor(*places, "--dry-run", variables=seaweed.readonly_env)

    assert code == 0
    assert "nothing was written, because of DRY_RUN" in text


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret", "SignatureDoesNotMatch"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", "the store cannot be reached"),
        ("AWS_PROFILE", "nobody", "nobody"),
    ],
    ids=["secret", "down", "profile"],
)
def test_wrong_access_to_s3_is_told(
    seaweed: S3Server, variable: str, value: str, said: str
) -> None:
    """A wrong secret, a server that is down, a profile that is not there: exit 2, a remedy."""
    bucket = bucket_with_image(seaweed)
    env = dict(seaweed.env)
    if variable == "AWS_PROFILE":
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    places = (f"s3://{bucket}/in", f"s3://{bucket}/out")
    code, text, data = doctor(*places, variables=env | {variable: value})

    assert code == 2
    assert said in text
    assert "wrong-secret" not in text
    assert all(f["remedy"] for f in data["findings"] if f["level"] == "wrong")


def test_a_profile_is_told_as_what_it_is(seaweed: S3Server, tmp_path: Path) -> None:
    """Credentials of a profile are told with its name and file, and never with their values."""
    bucket = bucket_with_image(seaweed)
    key, secret = (seaweed.env[f"AWS_{n}"] for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    (tmp_path / "credentials").write_text(
        f"[there]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    env = {
        "AWS_PROFILE": "there",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_ENDPOINT_URL": seaweed.url,
        "AWS_REGION": "us-east-1",
    }
    code, text, data = doctor(f"s3://{bucket}/in", f"s3://{bucket}/out", variables=env)

    assert code == 0
    assert "access key, from the shared credentials file, profile 'there'" in text
    assert secret not in text + json.dumps(data)


def test_a_bucket_that_is_missing_is_wrong(moto_s3: S3Server) -> None:
    """A bucket's wrong name is told once, and the other bucket is still looked at."""
    bucket = bucket_with_image(moto_s3)
    places = (f"s3://{bucket}/in", f"s3://{bucket}-no/out")
    code, text, data = doctor(*places, variables=moto_s3.env)

    assert code == 2
    assert [f["topic"] for f in data["findings"] if f["level"] == "wrong"] == ["output"]
    assert "source: can be read" in text


def test_all_right_on_gcs(fake_gcs: GCSServer) -> None:
    """On GCS it exits 0 without an output given: the bucket's root holds the default one."""
    bucket = fake_gcs.bucket()
    fake_gcs.client().bucket(bucket).blob("in/a.jpg").upload_from_string(
        picture(80, 60), content_type="image/jpeg"
    )
    code, text, _ = doctor(f"gs://{bucket}/in", variables=fake_gcs.env)

    assert code == 0
    assert "STORAGE_EMULATOR_HOST is set: requests are anonymous" in text
    assert [blob.name for blob in fake_gcs.client().list_blobs(bucket)] == ["in/a.jpg"]


def test_a_gcs_bucket_that_is_missing_is_wrong(fake_gcs: GCSServer) -> None:
    """A wrong bucket on GCS is exit 2, whether source or output."""
    code, text, _ = doctor("gs://no-such-bucket-here/in", variables=fake_gcs.env)

    assert code == 2
    assert "source: cannot be listed: gs://no-such-bucket-here/in" in text


def test_a_run_that_began_otherwise_is_wrong(tmp_path: Path) -> None:
    """A RUN_ID whose run has other settings would stop a task: it is told before."""
    fill(tmp_path / "in", ["a.jpg"])
    places = (str(tmp_path / "in"), str(tmp_path / "out"))
    assert shard("run", *places, "--run-id", "r1").returncode == 0
    code, text, _ = doctor(*places, "--run-id", "r1", "--sizes", "50")

    assert code == 2
    assert "run 'r1' was started with" in text


def test_a_question_without_an_answer_is_given_up() -> None:
    """What never answers costs the patience that was asked for, and no more."""
    asked = Asked("s3://b", lambda: time.sleep(600))

    with pytest.raises(Unavailable, match="no answer within"):
        asked.answer(0.05)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(600, "600 s ahead of this machine's"), (-600, "600 s behind this machine's")],
    ids=["ahead", "behind"],
)
def test_a_clock_that_is_off_is_warned_of(ahead: float, said: str) -> None:
    """A store whose clock differs by more than seconds would confuse freshness."""
    visit = Visit("output", "s3://b")
    check_skew(visit, ahead)

    (finding,) = visit.findings
    assert finding.level is Level.WARNING
    assert said in finding.text


def test_skew_is_the_difference_of_dates(moto_s3: S3Server) -> None:
    """The skew is what the server's Date says less our own clock: nothing, on one machine."""
    from shard.storage import identity

    def ask() -> Mapping[str, str]:
        then = datetime.now(UTC) + timedelta(hours=1)
        return {"date": then.strftime("%a, %d %b %Y %H:%M:%S GMT")}

    skew = identity._skew(ask)
    assert skew is not None

    assert 3598 < skew < 3602
    assert identity._skew(dict) is None


def test_an_output_where_nothing_can_be_removed_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right to create and replace, but not to delete, is enough for a task."""
    store = open_store(str(tmp_path), StorageOptions())
    refused = AccessDenied(str(tmp_path), "403 Forbidden", "ask for it")

    def delete(self: object, key: str) -> None:
        raise refused

    monkeypatch.setattr(type(store), "delete", delete)
    visit = Visit("output", str(tmp_path))
    visit_output(visit, parse_location(str(tmp_path), "OUTPUT_FOLDER"), store, write=True)

    assert [f.level for f in visit.findings] == [Level.OK, Level.OK, Level.WARNING]
    assert "the probe stays" in visit.findings[-1].text


def test_an_output_below_a_file_is_wrong(tmp_path: Path) -> None:
    """A local output that cannot be made is exit 2, and nothing is left of the attempt."""
    fill(tmp_path / "in", ["a.jpg"])
    code, text, _ = doctor(str(tmp_path / "in"), str(tmp_path / "in" / "a.jpg" / "out"))

    assert code == 2
    assert "output: cannot be" in text


def test_the_program_says_it_too(seaweed: S3Server) -> None:
    """As a container would be asked, by variables alone: the same text, exit 0."""
    bucket = bucket_with_image(seaweed)
    places = {"INPUT_FOLDER": f"s3://{bucket}/in", "OUTPUT_FOLDER": f"s3://{bucket}/out"}
    done = shard("doctor", variables={**seaweed.env, **places})

    assert done.returncode == 0, done.stdout
    assert "A task would run here: nothing wrong, no warnings." in done.stdout
    assert done.stderr == ""
