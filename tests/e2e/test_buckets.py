"""The job on real S3 and GCS servers: same keys and bytes as on the local disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.program import fill, outputs, picture, process, shard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import GCSServer, S3Server


class _S3:
    """A bucket of an S3 server, seen through another client than Shard's."""

    def __init__(self, server: S3Server) -> None:
        self.env, self.name = dict(server.env), server.bucket()
        self.url = f"s3://{self.name}"
        self._client = server.client()

    def objects(self) -> dict[str, bytes]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: self.get(key) for key in keys if not key.endswith("/")}

    def get(self, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def content_type(self, key: str) -> str:
        return str(self._client.head_object(Bucket=self.name, Key=key)["ContentType"])


class _GCS:
    """A bucket of a GCS server, seen through another client than Shard's."""

    def __init__(self, server: GCSServer) -> None:
        self.env, self.name = dict(server.env), server.bucket()
        self.url = f"gs://{self.name}"
        self._bucket = server.client().bucket(self.name)

    def objects(self) -> dict[str, bytes]:
        return {blob.name: blob.download_as_bytes() for blob in self._bucket.list_blobs()}

    def get(self, key: str) -> bytes:
        return bytes(self._bucket.blob(key).download_as_bytes())

    def put(self, key: str, data: bytes) -> None:
        self._bucket.blob(key).upload_from_string(data, content_type="image/jpeg")

    def content_type(self, key: str) -> str:
        return str(self._bucket.get_blob(key).content_type)


@pytest.fixture(params=["seaweed", "seaweed-s3fs", "gcs"])
def bucket(request: pytest.FixtureRequest) -> Any:
    """Make a new bucket on each kind of store; `env` also chooses the S3 backend."""
    if request.param == "gcs":
        return _GCS(request.getfixturevalue("fake_gcs"))
    made = _S3(request.getfixturevalue("seaweed"))
    if request.param == "seaweed-s3fs":
        made.env["S3_BACKEND"] = "s3fs"
    return made


def _without_state(objects: dict[str, bytes], prefix: str) -> dict[str, bytes]:
    return {
        key.removeprefix(prefix): data
        for key, data in objects.items()
        if key.startswith(prefix) and "/.shard/" not in key
    }


def test_an_array_on_a_bucket_makes_what_the_local_disk_gets(bucket: Any, tmp_path: Path) -> None:
    """Four tasks on a bucket write the keys and bytes that one task writes locally."""
    fill(tmp_path / "in", [f"{n % 2}/{n}.jpg" for n in range(6)])
    for key, data in outputs(tmp_path / "in").items():
        bucket.put(f"photos/in/{key}", data)
    bucket.put("photos/in2/other.jpg", picture(20, 20))
    local = shard("run", "in", "out", cwd=tmp_path)

    where = (f"{bucket.url}/photos/in", f"{bucket.url}/photos/out")
    done = shard("run", *where, "--tasks", "4", variables=bucket.env)
    again = shard("run", *where, "--tasks", "2", variables=bucket.env)

    assert local.returncode == done.returncode == again.returncode == 0, done.stderr + again.stderr
    assert _without_state(bucket.objects(), "photos/out/") == outputs(tmp_path / "out")
    assert bucket.content_type("photos/out/0/0.jpg") == "image/jpeg"
    assert "written     0 thumbnails" in again.stdout
    assert "skipped     6 (fresh 6)" in again.stdout


def test_the_default_output_is_a_folder_named_by_the_minute(bucket: Any) -> None:
    """Without OUTPUT_FOLDER both tasks of a run write to one new folder at the bucket's root."""
    for number in range(4):
        bucket.put(f"in/{number}.jpg", picture(120, 90))
    shared = {**bucket.env, "INPUT_FOLDER": f"{bucket.url}/in", "RUN_ID": "r1", "TASK_COUNT": "2"}

    codes = [process({**shared, "TASK_INDEX": index}).returncode for index in "01"]

    record = json.loads(bucket.get(".shard/runs/r1/run.json"))
    stamp = record["started"].replace("-", "").replace(":", "")[:13] + "Z"
    made = {key for key in bucket.objects() if not key.startswith((".shard/", "in/"))}
    assert codes == [0, 0]
    assert made == {f"{stamp}/{number}.jpg" for number in range(4)}


def test_tasks_without_a_run_id_are_not_let_loose_on_the_default_output(bucket: Any) -> None:
    """Several tasks that share no id could not share the default folder: exit 2 says so."""
    bucket.put("in/a.jpg", picture(20, 20))
    shared = {**bucket.env, "INPUT_FOLDER": f"{bucket.url}/in", "TASK_COUNT": "2"}

    done = process({**shared, "TASK_INDEX": "0"})

    assert done.returncode == 2
    assert "RUN_ID is not set" in done.stderr


def test_from_the_local_disk_to_a_bucket_and_back(bucket: Any, tmp_path: Path) -> None:
    """Source and output may be different stores."""
    fill(tmp_path / "in", ["a.jpg", "b c/ü.jpg"])

    there = shard("run", "in", f"{bucket.url}/t", cwd=tmp_path, variables=bucket.env)
    back = shard("run", f"{bucket.url}/t", "back", cwd=tmp_path, variables=bucket.env)

    assert there.returncode == back.returncode == 0, there.stderr + back.stderr
    assert set(outputs(tmp_path / "back")) == {"a.jpg", "b c/ü.jpg"}


def test_a_missing_bucket_is_a_sentence(bucket: Any, tmp_path: Path) -> None:
    """A bucket that does not exist ends with exit 2, its name, and nothing written."""
    source = bucket.url + "-missing/in"

    done = shard("run", source, "out", cwd=tmp_path, variables=bucket.env)

    assert done.returncode == 2
    assert bucket.url + "-missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wrong_secret_is_a_sentence_without_the_secret(seaweed: S3Server, tmp_path: Path) -> None:
    """Wrong credentials fail at once with the remedy; the secret is not repeated."""
    made = _S3(seaweed)
    made.put("in/a.jpg", picture(20, 20))
    env = {**made.env, "AWS_SECRET_ACCESS_KEY": "not-the-secret"}

    done = shard("run", f"{made.url}/in", "out", cwd=tmp_path, variables=env)

    assert done.returncode == 2
    assert "AWS_" in done.stderr
    assert "not-the-secret" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_read_only_key_is_found_before_any_work(seaweed: S3Server) -> None:
    """No permission to write stops the task with exit 2 before an image is read."""
    made = _S3(seaweed)
    made.put("in/a.jpg", picture(20, 20))

    done = shard("run", f"{made.url}/in", f"{made.url}/out", variables=dict(seaweed.readonly_env))

    assert done.returncode == 2
    assert "denied" in done.stderr.lower() or "may not" in done.stderr
    assert set(made.objects()) == {"in/a.jpg"}
