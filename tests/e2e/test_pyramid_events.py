"""On GCS: an upload's event leaves a marker, `shard pyramid run` makes the pyramid."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tifffile

from shard.events.http import EventReceiver
from tests import event_shapes as shapes
from tests.program import ROOT, environment, picture

if TYPE_CHECKING:
    from tests.servers import GCSServer

KEY = "maps/a b+ü.jpg"


def run(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start the image's entry point as a Cloud Run job does."""
    return subprocess.run(
        [sys.executable, str(ROOT / "process.py"), "shard", "pyramid", "run"],
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("way", ["Eventarc", "Pub/Sub"])
def test_from_the_upload_to_the_pyramid(
    fake_gcs: GCSServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Eventarc's request, or Pub/Sub's push, leads to a pyramid; its own event to nothing."""
    for name, value in fake_gcs.env.items():
        monkeypatch.setenv(name, value)
    source, images, process = (fake_gcs.bucket(kind) for kind in ("source", "images", "process"))
    variables = {
        "RBSC_BUCKET": f"gs://{source}",
        "IMAGE_BUCKET": f"gs://{images}",
        "PROCESS_BUCKET": f"gs://{process}",
    }
    client = fake_gcs.client()
    blob = client.bucket(source).blob(KEY)
    blob.upload_from_string(picture(1600, 1200), "image/jpeg")
    receiver = EventReceiver.of(variables)

    def told(bucket: str, key: str, generation: str) -> str:
        resource = shapes.gcs_object(bucket, key, generation)
        headers, body = (
            (shapes.binary_headers(), resource)
            if way == "Eventarc"
            else ({}, shapes.pub_sub(resource))
        )
        status, answer = receiver.receive(headers, json.dumps(body).encode())
        assert status == 200
        reason: str = json.loads(answer)["records"][0]["reason"]
        return reason

    assert told(source, KEY, str(blob.generation)) == "new"
    assert [found.name for found in client.list_blobs(process)] == [f"rbsc/{KEY}.json"]

    done = run({**fake_gcs.env, **variables})
    made = client.bucket(images).get_blob("maps/a b+ü.tif")

    assert done.returncode == 0, done.stderr
    assert list(client.list_blobs(process)) == []
    with tifffile.TiffFile(io.BytesIO(made.download_as_bytes())) as pyramid:
        assert pyramid.pages.first.shape[:2] == (1200, 1600)
        assert len(pyramid.pages) > 1
    assert told(images, "maps/a b+ü.tif", str(made.generation)) == "output"
