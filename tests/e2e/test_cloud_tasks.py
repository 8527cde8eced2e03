"""Tasks started as the clouds start them: the manifest's variables, and the engine's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.test_cloud_manifests import environment, filled
from tests.program import picture, process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers import GCSServer, S3Server

KEYS = [f"cats/{number}.jpg" for number in range(9)]
VARIABLES = {"RENDITIONS": "s=40x40;q=30x30,fit=cover", "WORKERS": "1"}
ENGINES = {
    "cloud-run": {
        "index": "CLOUD_RUN_TASK_INDEX",
        "count": "CLOUD_RUN_TASK_COUNT",
        "attempt": "CLOUD_RUN_TASK_ATTEMPT",
        "run": "CLOUD_RUN_EXECUTION",
    },
    "google-batch": {
        "index": "BATCH_TASK_INDEX",
        "count": "BATCH_TASK_COUNT",
        "attempt": "BATCH_TASK_RETRY_ATTEMPT",
        "run": "BATCH_JOB_UID",
    },
    "aws-batch": {
        "index": "AWS_BATCH_JOB_ARRAY_INDEX",
        "count": "AWS_BATCH_JOB_ARRAY_SIZE",
        "attempt": "AWS_BATCH_JOB_ATTEMPT",
        "run": "AWS_BATCH_JOB_ID",
    },
}


def run_array(name: str, source: str, output: str, server: Mapping[str, str]) -> list[str]:
    """Run two tasks of a filled manifest, the second one twice; return what each printed."""
    variables = {**VARIABLES, "INPUT_FOLDER": source, "OUTPUT_FOLDER": output}
    manifest = environment(name, filled(name, variables, tasks=2))
    own, first = ENGINES[name], 1 if name == "aws-batch" else 0
    said = []
    for index, attempt in ((0, first), (1, first), (1, first + 1)):
        run = f"run-7:{index}" if name == "aws-batch" else "run-7"
        told = {own["index"]: str(index), own["count"]: "2"}
        told |= {own["attempt"]: str(attempt), own["run"]: run}
        done = process({**server, **manifest, **told})
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    return said


@pytest.mark.parametrize("name", ["cloud-run", "google-batch"])
def test_a_filled_manifest_does_the_job_on_google(name: str, fake_gcs: GCSServer) -> None:
    """Two tasks make every thumbnail in one run; a task tried again has nothing to do."""
    bucket = fake_gcs.bucket()
    store = fake_gcs.client().bucket(bucket)
    for key in KEYS:
        store.blob(f"in/{key}").upload_from_string(picture(80, 60), "image/jpeg")
    said = run_array(name, f"gs://{bucket}/in", f"gs://{bucket}/out", fake_gcs.env)
    made = {blob.name for blob in fake_gcs.client().list_blobs(bucket, prefix="out/")}

    assert_complete(made, said)


def test_a_filled_manifest_does_the_job_on_aws(seaweed: S3Server) -> None:
    """Two tasks make every thumbnail in one run; a task tried again has nothing to do."""
    bucket, client = seaweed.bucket(), seaweed.client()
    for key in KEYS:
        client.put_object(Bucket=bucket, Key=f"in/{key}", Body=picture(80, 60))
    said = run_array("aws-batch", f"s3://{bucket}/in", f"s3://{bucket}/out", seaweed.env)
    listed = client.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]

    assert_complete({entry["Key"] for entry in listed}, said)


def assert_complete(made: set[str], said: list[str]) -> None:
    """Every rendition of every image is there, and one run's ledgers; nothing was made twice."""
    stems = [key.removesuffix(".jpg") for key in KEYS]

    assert {key for key in made if "/.shard/" not in key} == {
        f"out/{stem}_{name}.jpg" for stem in stems for name in ("s", "q")
    }
    assert {key.split("/")[3] for key in made if "/.shard/" in key} == {"run-7"}
    assert "written     0 thumbnails" in said[2]
