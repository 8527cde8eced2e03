"""`shard upload` as a web team uses it: real processes, real servers."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.faults import Fault, FaultyProxy
from tests.program import ROOT, environment, fill, lines, outputs, picture, shard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers import GCSServer, S3Server

NO_LOG = ("--log-file", "none")
KEYS = ["a.jpg", "deep/b c.JPG", "deep/er/ü.jpg"]


def upload(
    *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `shard upload ...` without a log file."""
    return shard("upload", *arguments, *NO_LOG, variables=variables, cwd=cwd)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Make a folder of three small images, in sub-folders."""
    fill(tmp_path / "photos", KEYS)
    return tmp_path / "photos"


class Bucket:
    """A bucket seen through another client than Shard's."""

    def __init__(self, server: S3Server, prefix: str = "upload") -> None:
        self.name, self.env, self.client = server.bucket(prefix), dict(server.env), server.client()
        self.url = f"s3://{self.name}"

    def names(self) -> list[str]:
        """Return all keys but those of Shard's state."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sorted(key for key in keys if "/.shard/" not in key and not key.endswith("/"))

    def get(self, key: str) -> dict[str, Any]:
        """Return an object's answer, its bytes as ``Body``."""
        answer = self.client.get_object(Bucket=self.name, Key=key)
        return {**answer, "Body": answer["Body"].read()}


def test_originals_and_thumbnails_lie_side_by_side(photos: Path, tmp_path: Path) -> None:
    """Originals are the same bytes; thumbnails are JPEGs of exactly 200x300, named .jpg."""
    done = upload(str(photos), str(tmp_path / "out"))
    made = outputs(tmp_path / "out")

    assert done.returncode == 0, done.stderr
    assert sorted(made) == sorted(
        [f"avatar/original/{key}" for key in KEYS]
        + ["avatar/thumbnail/a.jpg", "avatar/thumbnail/deep/b c.jpg"]
        + ["avatar/thumbnail/deep/er/ü.jpg"]
    )
    assert made["avatar/original/a.jpg"] == (photos / "a.jpg").read_bytes()
    with Image.open(io.BytesIO(made["avatar/thumbnail/a.jpg"])) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (200, 300))


def test_the_second_time_nothing_is_sent(photos: Path, seaweed: S3Server, tmp_path: Path) -> None:
    """All is skipped by one listing: no request for any single file, read or write."""
    bucket = Bucket(seaweed)
    first = upload(str(photos), bucket.url, variables=bucket.env)
    with FaultyProxy(seaweed.url) as proxy:
        env = {**bucket.env, "AWS_ENDPOINT_URL": proxy.url}
        again = upload(str(photos), bucket.url, variables=env)
        of_files = [target for _, target in proxy.requests if "/original/" in target]

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "3 files, there already" in again.stdout
    assert of_files == []
    assert len(bucket.names()) == 2 * len(KEYS)


def test_a_changed_file_goes_up_again_with_its_thumbnail(photos: Path, seaweed: S3Server) -> None:
    """Content decides, not time: a file of the same size and an older time is noticed."""
    bucket = Bucket(seaweed)
    (photos / "c.bmp").write_bytes(_bmp((255, 0, 0)))
    upload(str(photos), bucket.url, variables=bucket.env)
    before = bucket.get("avatar/thumbnail/c.jpg")
    (photos / "c.bmp").write_bytes(_bmp((0, 0, 255)))
    os.utime(photos / "c.bmp", (1, 1))
    done = upload(str(photos), bucket.url, variables=bucket.env)
    after = bucket.get("avatar/thumbnail/c.jpg")

    assert "uploaded    1 original " in done.stdout, done.stdout
    assert before["Body"] != after["Body"]
    assert bucket.get("avatar/original/c.bmp")["Body"] == _bmp((0, 0, 255))


def _bmp(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 60), colour).save(out, "BMP")
    return out.getvalue()


def test_two_sources_of_one_name_are_both_kept_and_reported(tmp_path: Path) -> None:
    """The later one's thumbnail is called after the whole file name, and the program says so."""
    fill(tmp_path / "photos", ["a.jpg", "a.jpeg"])
    done = upload(str(tmp_path / "photos"), str(tmp_path / "out"))
    made = outputs(tmp_path / "out")

    assert "avatar/thumbnail/a.jpg" in made
    assert "avatar/thumbnail/a.jpg.jpg" in made
    assert "'a.jpg'" in done.stderr


def test_a_corrupt_image_stays_unless_asked_for(photos: Path, tmp_path: Path) -> None:
    """It is reported, exit code 1, its original is not uploaded; with --keep-corrupt it is."""
    (photos / "bad.jpg").write_bytes(picture(100, 100)[:900])
    done = upload(str(photos), str(tmp_path / "out"))
    without = outputs(tmp_path / "out")
    kept = upload(str(photos), str(tmp_path / "out"), "--keep-corrupt")

    assert (done.returncode, kept.returncode) == (1, 1)
    assert "truncated, 1 file: 'bad.jpg'" in done.stdout
    assert "avatar/original/bad.jpg" not in without
    assert len(without) == 2 * len(KEYS)
    assert "avatar/original/bad.jpg" in outputs(tmp_path / "out")


WRITE_ONLY = Path("/proc/sys/vm/compact_memory")
"""A file that not even root may read."""


@pytest.mark.skipif(os.getuid() == 0 and not WRITE_ONLY.exists(), reason="root reads everything")
def test_an_unreadable_file_costs_itself_alone(photos: Path, tmp_path: Path) -> None:
    """It fails with its reason, the others are uploaded."""
    (photos / "a.jpg").chmod(0)
    if os.getuid() == 0:
        (photos / "a.jpg").unlink()
        (photos / "a.jpg").symlink_to(WRITE_ONLY)
    done = upload(str(photos), str(tmp_path / "out"))

    assert done.returncode == 1
    assert "access_denied, 1 file: 'a.jpg'" in done.stdout
    assert len(outputs(tmp_path / "out")) == 4


def test_odd_names_arrive_as_they_are(tmp_path: Path, seaweed: S3Server) -> None:
    """Spaces, unicode, newlines, quotes, dots arrive; hidden files and loops of links do not."""
    odd = ["a b.jpg", "new\nline.jpg", "..x.jpg/y.jpg", "q'\"&%2F+.jpg", "日本.jpg", "-rf.jpg"]
    fill(tmp_path / "photos", odd)
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / ".hidden.jpg").write_bytes(b"x")
    bucket = Bucket(seaweed)
    done = upload(str(tmp_path / "photos"), bucket.url, variables=bucket.env)
    again = upload(str(tmp_path / "photos"), bucket.url, variables=bucket.env)
    originals = [
        key.removeprefix("avatar/original/") for key in bucket.names() if "original" in key
    ]

    assert done.returncode == 0, done.stdout + done.stderr
    assert originals == sorted(name for name in odd if not name.startswith("."))
    assert "5 files, there already" in again.stdout
    assert "link back to a folder above it" in done.stderr


def test_headers_reach_originals_and_thumbnails_and_never_the_ledger(
    photos: Path, moto_s3: S3Server
) -> None:
    """ACL, cache control and metadata are on both; what Shard keeps for itself stays private."""
    bucket = Bucket(moto_s3)
    done = upload(
        *(str(photos), bucket.url, "--acl", "public-read", "--cache-control", "max-age=60"),
        *("--metadata", "site=blog", "--checksum", "sha256"),
        variables=bucket.env,
    )
    original = bucket.get("avatar/original/a.jpg")
    thumbnail = bucket.get("avatar/thumbnail/a.jpg")
    listed = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix="avatar/.shard/")["Contents"]

    assert done.returncode == 0, done.stderr
    assert "anyone on the internet can read" in done.stderr
    assert original["Metadata"]["site"] == thumbnail["Metadata"]["site"] == "blog"
    assert original["Metadata"]["shard-md5"] == hashlib.md5(original["Body"]).hexdigest()
    assert original["Metadata"]["shard-sha256"] == hashlib.sha256(original["Body"]).hexdigest()
    assert original["CacheControl"] == thumbnail["CacheControl"] == "max-age=60"
    assert _is_public(bucket, "avatar/thumbnail/a.jpg")
    assert not any(_is_public(bucket, entry["Key"]) for entry in listed)


def _is_public(bucket: Bucket, key: str) -> bool:
    grants = bucket.client.get_object_acl(Bucket=bucket.name, Key=key)["Grants"]
    return any("AllUsers" in grant["Grantee"].get("URI", "") for grant in grants)


def test_spaces_variables_are_enough(photos: Path, moto_s3: S3Server, tmp_path: Path) -> None:
    """Without DEST the Space is found in `.env`, and uploads are public, which is said first."""
    bucket = Bucket(moto_s3)
    (tmp_path / ".env").write_text(
        f"SPACES_ACCESS_KEY=anykey\nSPACES_SECRET_KEY=anysecret\nSPACES_BUCKET={bucket.name}\n"
        f"SPACES_REGION=nyc3\nSPACES_ENDPOINT={moto_s3.url}\n"
    )
    done = upload(str(photos), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert len(bucket.names()) == 2 * len(KEYS)
    assert _is_public(bucket, "avatar/original/a.jpg")
    assert "anysecret" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "check AWS_ACCESS_KEY_ID"),
        ({"AWS_ACCESS_KEY_ID": "readerkey", "AWS_SECRET_ACCESS_KEY": "readersecret"}, "not write"),
        ({"BUCKET": "no-such-bucket"}, "does not exist"),
    ],
    ids=["secret", "readonly", "bucket"],
)
def test_a_preflight_finds_what_is_wrong_before_work_starts(
    photos: Path, seaweed: S3Server, change: dict[str, str], sentence: str
) -> None:
    """Wrong keys, no right to write, no bucket: exit 2, one sentence with its remedy."""
    bucket = Bucket(seaweed)
    url = f"s3://{change.get('BUCKET', bucket.name)}"
    done = upload(str(photos), url, variables={**bucket.env, **change})

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert bucket.names() == []


def test_large_originals_survive_resets(tmp_path: Path, seaweed: S3Server) -> None:
    """A file of several parts arrives whole though connections are reset on the way."""
    noise = Image.effect_noise((3200, 3200), 90).convert("RGB")
    (tmp_path / "photos").mkdir()
    noise.save(tmp_path / "photos" / "large.bmp")
    bucket = Bucket(seaweed)
    faults = [
        Fault("refuse", times=1, method="PUT", path="partNumber=2"),
        Fault("refuse", times=1, method="PUT", path="thumbnail"),
        Fault("lost", times=1, method="POST", path="uploadId"),
    ]
    with FaultyProxy(seaweed.url, *faults) as proxy:
        env = {**bucket.env, "AWS_ENDPOINT_URL": proxy.url}
        done = upload(str(tmp_path / "photos"), bucket.url, variables=env)
        parts = [target for _, target in proxy.requests if "partNumber" in target]
    again = upload(str(tmp_path / "photos"), bucket.url, variables=bucket.env)

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(parts) == 5
    data = (tmp_path / "photos" / "large.bmp").read_bytes()
    assert bucket.get("avatar/original/large.bmp")["Body"] == data
    assert "1 file, there already" in again.stdout


def test_an_interruption_loses_nothing(tmp_path: Path, seaweed: S3Server) -> None:
    """After Ctrl-C, exit 130 and how to go on; the same command then does only the rest."""
    keys = [f"{number % 7}/{number:03}.jpg" for number in range(200)]
    fill(tmp_path / "photos", keys)
    bucket = Bucket(seaweed)
    arguments = [str(tmp_path / "photos"), bucket.url, "--cadence", "0.02", *NO_LOG]
    with subprocess.Popen(
        [sys.executable, "-m", "shard", "upload", *arguments],
        env=environment({"PYTHONPATH": str(ROOT), **bucket.env}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while len(bucket.names()) < 20:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    before = len([key for key in bucket.names() if "/original/" in key])
    again = upload(*arguments[:2], variables=bucket.env)

    assert running.returncode == 130, err
    assert "run the same command again" in out
    assert 0 < before < 200
    assert f"{before} files, there already" in again.stdout
    assert len(bucket.names()) == 400


def test_a_limit_counts_only_files_that_need_work(photos: Path, tmp_path: Path) -> None:
    """With --limit 2 two runs bring three files: what is there already does not count."""
    first = upload(str(photos), str(tmp_path / "out"), "--limit", "2")
    second = upload(str(photos), str(tmp_path / "out"), "--limit", "2")

    assert "2 originals" in first.stdout
    assert "1 file after the limit" in first.stdout
    assert "uploaded    1 original " in second.stdout
    assert len(outputs(tmp_path / "out")) == 6


def test_a_dry_run_tells_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    """It names what would be uploaded, knowing what is there, and leaves no trace."""
    upload(str(photos), str(tmp_path / "out"), "--exclude", "a.jpg")
    before = outputs(tmp_path / "out")
    done = upload(str(photos), str(tmp_path / "out"), "--dry-run")

    assert "would upload 1 file" in done.stdout
    assert "'a.jpg'" in done.stdout
    assert outputs(tmp_path / "out") == before


def test_tasks_share_a_folder(photos: Path, tmp_path: Path) -> None:
    """Two tasks of an array bring together what one would, no file twice."""
    for index in "01":
        variables = {"TASK_INDEX": index, "TASK_COUNT": "2", "RUN_ID": "one"}
        done = upload(str(photos), str(tmp_path / "out"), variables=variables)
        assert done.returncode == 0, done.stderr
    upload(str(photos), str(tmp_path / "alone"))
    settled = [(line["key"], line["rendition"]) for line in lines(tmp_path / "out" / "avatar")]

    assert outputs(tmp_path / "out") == outputs(tmp_path / "alone")
    assert len(set(settled)) == len(settled) == 6


def test_the_log_file_has_a_line_for_each_file(photos: Path, tmp_path: Path) -> None:
    """Without --log-file it lies in the current folder, under the time it was begun."""
    done = shard("upload", str(photos), str(tmp_path / "out"), cwd=tmp_path)
    (log,) = tmp_path.glob("upload_log_*.log")
    text = log.read_text()

    assert done.returncode == 0, done.stderr
    assert all(f"uploaded {key!r}" in text for key in KEYS)


def test_gcs_is_a_destination_like_any(photos: Path, fake_gcs: GCSServer) -> None:
    """On GCS too the second time nothing is sent, by the listing's MD5."""
    name = fake_gcs.bucket()
    first = upload(str(photos), f"gs://{name}", variables=fake_gcs.env)
    again = upload(str(photos), f"gs://{name}", variables=fake_gcs.env)
    blob = fake_gcs.client().bucket(name).get_blob("avatar/original/deep/b c.JPG")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "3 files, there already" in again.stdout
    assert blob.content_type == "image/jpeg"
    assert blob.download_as_bytes() == (photos / "deep/b c.JPG").read_bytes()


def test_an_upload_is_not_verified_by_its_folder(photos: Path, tmp_path: Path) -> None:
    """Files may have left the folder: their thumbnails in the bucket are no orphans to delete."""
    upload(str(photos), str(tmp_path / "out"))
    (photos / "a.jpg").unlink()
    done = shard("verify", str(tmp_path / "out/avatar"), "--delete-orphans", "--yes")

    assert done.returncode == 2
    assert "shard upload DIRECTORY DEST --dry-run" in done.stderr
    assert len(outputs(tmp_path / "out")) == 2 * len(KEYS)


def test_an_unreadable_folder_costs_itself_alone(photos: Path, tmp_path: Path) -> None:
    """It fails by name with its reason, all that lies beside it is uploaded."""
    (photos / "deep").chmod(0)
    command = [sys.executable, "-m", "shard", "upload", str(photos), str(tmp_path / "out"), *NO_LOG]
    if os.getuid() == 0:  # root reads everything, unless it gives that up
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    env = environment({"PYTHONPATH": str(ROOT)})
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    (photos / "deep").chmod(0o700)

    assert done.returncode == 1, done.stderr
    assert "access_denied, 1 file:" in done.stdout
    assert "deep" in done.stdout
    assert sorted(outputs(tmp_path / "out")) == [
        *("avatar/original/a.jpg", "avatar/thumbnail/a.jpg")
    ]
