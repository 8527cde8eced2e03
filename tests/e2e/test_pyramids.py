"""`shard pyramid` as it is used: buckets on real servers, markers, failures, kills, two at once."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.program import ROOT, environment, outputs, picture, shard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers import GCSServer, S3Server

SMALL = ("--tile-size", "64", "--max-size", "400x400")


@dataclass(frozen=True)
class Buckets:
    """Three buckets on a server; ``variables`` name them as today's deployments do."""

    server: S3Server
    rbsc: str
    image: str
    process: str

    @property
    def variables(self) -> Mapping[str, str]:
        """What a task is given."""
        names = {"RBSC_BUCKET": self.rbsc, "IMAGE_BUCKET": self.image}
        return {**self.server.env, **names, "PROCESS_BUCKET": self.process, "MAX_THREADS": "2"}

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object."""
        self.server.client().put_object(Bucket=bucket, Key=key, Body=data)

    def get(self, bucket: str, key: str) -> bytes:
        """Read an object."""
        return bytes(self.server.client().get_object(Bucket=bucket, Key=key)["Body"].read())

    def keys(self, bucket: str) -> list[str]:
        """List a bucket, Shard's own state left out."""
        pages = self.server.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return sorted(key for key in keys if not key.startswith(".shard/"))

    def pyramid(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `shard pyramid ...` on these buckets."""
        return shard("pyramid", *words, variables={**self.variables, **more})


def _buckets(server: S3Server) -> Buckets:
    return Buckets(server, *(server.bucket(name) for name in ("rbsc", "image", "process")))


@pytest.fixture(params=["seaweed", "moto_s3"])
def buckets(request: pytest.FixtureRequest) -> Buckets:
    """Three empty buckets on each server."""
    return _buckets(request.getfixturevalue(request.param))


def _png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(out, "PNG")
    return out.getvalue()


def _marker(key: str) -> bytes:
    return json.dumps({"key": key, "path": key[: key.rfind("/") + 1]}).encode()


def test_from_marks_to_pyramids(buckets: Buckets) -> None:
    """Marked images become pyramids that say their source; their markers are gone."""
    buckets.put(buckets.rbsc, "digital/ü b.JPG", picture(300, 200))
    buckets.put(buckets.rbsc, "other/page.png", _png(150, 100))
    buckets.put(buckets.rbsc, "other/.hidden.png", _png(150, 100))
    buckets.put(buckets.rbsc, "notes.txt", b"none")
    marked = buckets.pyramid("mark")
    names = buckets.keys(buckets.process)
    ran = buckets.pyramid("run", *SMALL)
    head = buckets.server.client().head_object(Bucket=buckets.image, Key="digital/ü b.tif")
    with tifffile.TiffFile(io.BytesIO(buckets.get(buckets.image, "digital/ü b.tif"))) as file:
        sizes = [page.shape[:2] for page in file.pages]

    assert "2 markers written, of 4 objects listed" in marked.stdout
    assert names == ["rbsc/digital/ü b.JPG.json", "rbsc/other/page.png.json"]
    assert ran.returncode == 0, ran.stderr
    assert buckets.keys(buckets.image) == ["digital/ü b.tif", "other/page.tif"]
    assert buckets.keys(buckets.process) == []
    assert sizes == [(200, 300), (100, 150), (50, 75), (25, 37)]
    assert head["ContentType"] == "image/tiff"
    assert head["Metadata"]["source-key"] == "digital/%C3%BC%20b.JPG"
    assert (head["Metadata"]["width"], head["Metadata"]["height"]) == ("300", "200")
    assert head["Metadata"]["source-etag"]


def test_marking_again_keeps_what_a_marker_knows(seaweed: S3Server) -> None:
    """The same upload's marker stays as it is; a newer upload's keeps only the copyright."""
    buckets = _buckets(seaweed)
    for name in ("same", "newer"):
        buckets.put(buckets.rbsc, f"{name}.jpg", picture(80, 60))
    buckets.pyramid("mark")
    for name, etag in (("same", None), ("newer", "another")):
        key = f"rbsc/{name}.jpg.json"
        facts = json.loads(buckets.get(buckets.process, key))
        facts |= {"attempts": 2, "reason": "corrupt", "copyright": True}
        facts["eTag"] = etag or facts["eTag"]
        facts["time"] = "2020-01-01T00:00:00+00:00"
        buckets.put(buckets.process, key, json.dumps(facts).encode())
    again = buckets.pyramid("mark")
    same, newer = (
        json.loads(buckets.get(buckets.process, f"rbsc/{name}.jpg.json"))
        for name in ("same", "newer")
    )

    assert "1 marker written, of 2 objects listed" in again.stdout
    assert "marked already 1" in again.stdout
    assert (same["attempts"], same["copyright"]) == (2, True)
    assert ("attempts" in newer, newer["copyright"]) == (False, True)


def test_a_failure_is_counted_and_ends_in_failed(buckets: Buckets) -> None:
    """A marker keeps its attempts and the reason, and moves to failed/ with the last of them."""
    buckets.put(buckets.rbsc, "a/bad.jpg", picture(300, 200)[:2000])
    buckets.put(buckets.process, "rbsc/a/bad.jpg.json", _marker("a/bad.jpg"))
    first = buckets.pyramid("run", *SMALL, "--max-attempts", "2")
    kept = json.loads(buckets.get(buckets.process, "rbsc/a/bad.jpg.json"))
    second = buckets.pyramid("run", *SMALL, "--max-attempts", "2")
    moved = json.loads(buckets.get(buckets.process, "failed/rbsc/a/bad.jpg.json"))

    assert (first.returncode, second.returncode) == (1, 1)
    assert (kept["attempts"], moved["attempts"]) == (1, 2)
    assert kept["reason"].startswith("truncated: ")
    assert buckets.keys(buckets.process) == ["failed/rbsc/a/bad.jpg.json"]
    assert buckets.keys(buckets.image) == []


def test_a_success_forgets_the_failure(buckets: Buckets) -> None:
    """When a mended image is marked again and made, nothing of it is left in failed/."""
    buckets.put(buckets.rbsc, "a.jpg", picture(100, 80))
    buckets.put(buckets.process, "rbsc/a.jpg.json", _marker("a.jpg"))
    buckets.put(buckets.process, "failed/rbsc/a.jpg.json", _marker("a.jpg"))
    buckets.pyramid("run", *SMALL)

    assert buckets.keys(buckets.process) == []


def test_what_is_no_marker_and_what_is_gone(seaweed: S3Server) -> None:
    """Junk among the markers is moved as it is; a source that is gone is a failure."""
    buckets = _buckets(seaweed)
    buckets.put(buckets.process, "rbsc/junk.json", b"junk")
    buckets.put(buckets.process, "rbsc/gone.jpg.json", _marker("gone.jpg"))
    ran = buckets.pyramid("run", "--max-attempts", "1")

    assert ran.returncode == 1
    assert buckets.keys(buckets.process) == ["failed/rbsc/gone.jpg.json", "failed/rbsc/junk.json"]
    assert buckets.get(buckets.process, "failed/rbsc/junk.json") == b"junk"
    assert "bad_marker, 1 image: 'rbsc/junk.json'" in ran.stdout
    assert "vanished, 1 image: 'gone.jpg'" in ran.stdout


def test_colliding_stems_and_older_markers(seaweed: S3Server) -> None:
    """Of one stem the first key has it; that holds also where only the other is marked."""
    buckets = _buckets(seaweed)
    buckets.put(buckets.rbsc, "d/x.jpg", picture(100, 80))
    buckets.put(buckets.rbsc, "d/x.png", _png(60, 90))
    buckets.put(buckets.process, "rbsc/x.json", _marker("d/x.png"))
    first = buckets.pyramid("run", *SMALL)
    buckets.put(buckets.process, "rbsc/d/x.jpg.json", _marker("d/x.jpg"))
    buckets.pyramid("run", *SMALL)
    of_png = Image.open(io.BytesIO(buckets.get(buckets.image, "d/x.png.tif")))
    of_jpg = Image.open(io.BytesIO(buckets.get(buckets.image, "d/x.tif")))

    assert "'d/x.png' -> 'd/x.png'" in first.stdout
    assert (of_png.size, of_jpg.size) == ((60, 90), (100, 80))


def test_who_loses_the_stem_is_made_again(seaweed: S3Server) -> None:
    """An earlier key takes the stem over; the other gets a marker, and a pyramid of its own."""
    buckets = _buckets(seaweed)
    buckets.put(buckets.rbsc, "x.png", _png(60, 90))
    buckets.put(buckets.process, "rbsc/x.png.json", _marker("x.png"))
    buckets.pyramid("run", *SMALL)
    alone = buckets.keys(buckets.image)
    buckets.put(buckets.rbsc, "x.jpg", picture(100, 80))
    buckets.put(buckets.process, "rbsc/x.jpg.json", _marker("x.jpg"))
    buckets.pyramid("run", *SMALL)
    marked = buckets.keys(buckets.process)
    buckets.pyramid("run", *SMALL)

    assert alone == ["x.tif"]
    assert marked == ["rbsc/x.png.json"]
    assert buckets.keys(buckets.image) == ["x.png.tif", "x.tif"]
    assert buckets.keys(buckets.process) == []


def test_copyright_by_marker_and_by_list(seaweed: S3Server, tmp_path: Path) -> None:
    """Both a marker and a sidecar list make a picture small, in both dimensions."""
    buckets = _buckets(seaweed)
    for name in ("a", "b", "c"):
        buckets.put(buckets.rbsc, f"{name}.jpg", picture(300, 200))
    buckets.put(buckets.process, "rbsc/a.jpg.json", b'{"key": "a.jpg", "copyright": true}')
    buckets.put(buckets.process, "rbsc/b.jpg.json", _marker("b.jpg"))
    buckets.put(buckets.process, "rbsc/c.jpg.json", _marker("c.jpg"))
    record = {"id": "7", "sourceFilePath": "s3://any/b.jpg", "copyrightStatus": "Copyright"}
    free = {"id": "c.jpg", "copyrightStatus": "public domain"}
    (tmp_path / "curate.json").write_text(json.dumps({"7": record, "8": free}))
    listed = ("--copyright-list", str(tmp_path / "curate.json"))
    buckets.pyramid("run", *SMALL, *listed, "--copyright-max", "90x90")
    sizes = {
        key: Image.open(io.BytesIO(buckets.get(buckets.image, key))).size
        for key in buckets.keys(buckets.image)
    }

    assert sizes == {"a.tif": (90, 60), "b.tif": (90, 60), "c.tif": (300, 200)}


def test_a_newer_marker_stays(seaweed: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker that was replaced while its image was made is not deleted."""
    from shard.execution.desk import Desk, Found
    from shard.model import Outcome, Status
    from shard.planning.markers import read_marker
    from shard.storage import open_store
    from shard.storage.base import StorageOptions

    buckets = _buckets(seaweed)
    buckets.put(buckets.process, "rbsc/a.jpg.json", _marker("a.jpg"))
    for name, value in seaweed.env.items():
        monkeypatch.setenv(name, value)
    store = open_store(f"s3://{buckets.process}", StorageOptions())
    (item,) = store.list()
    desk = Desk(store, store, 3)
    desk.take(Found(item.key, item.fingerprint, read_marker(_marker("a.jpg"))))
    buckets.put(buckets.process, "rbsc/a.jpg.json", b'{"key": "a.jpg", "eTag": "newer"}')
    desk.settle((Outcome("a.jpg", "pyramid", Status.WRITTEN),))
    desk.close()

    assert desk.counts == {"newer": 1}
    assert b"newer" in buckets.get(buckets.process, "rbsc/a.jpg.json")


def _start(buckets: Buckets, *words: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shard", "pyramid", *words],
        env=environment({"PYTHONPATH": str(ROOT), **buckets.variables, **more}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _fill(buckets: Buckets, count: int) -> None:
    for number in range(count):
        key = f"t{number % 2}/{number:02}.jpg"
        buckets.put(buckets.rbsc, key, picture(640 + number, 480))
        buckets.put(buckets.process, f"rbsc/{key}.json", _marker(key))


def test_two_tasks_share_the_markers(seaweed: S3Server) -> None:
    """Two tasks at once make each image once between them, and all of them."""
    buckets = _buckets(seaweed)
    _fill(buckets, 12)
    tasks = [
        _start(buckets, "run", *SMALL, TASK_INDEX=str(index), TASK_COUNT="2", RUN_ID="both")
        for index in range(2)
    ]
    said = [task.communicate(timeout=120)[0] for task in tasks]
    written = [int(text.split("written")[1].split()[0]) for text in said]

    assert [task.returncode for task in tasks] == [0, 0]
    assert sum(written) == len(buckets.keys(buckets.image)) == 12
    assert min(written) > 0
    assert buckets.keys(buckets.process) == []


def test_a_killed_task_loses_nothing(seaweed: S3Server, tmp_path: Path) -> None:
    """After SIGKILL in the middle another run completes it, and sweeps the temporary files."""
    buckets = _buckets(seaweed)
    _fill(buckets, 12)
    task = _start(buckets, "run", *SMALL, TMPDIR=str(tmp_path), MAX_THREADS="1")
    deadline = time.monotonic() + 60
    while not buckets.keys(buckets.image) and time.monotonic() < deadline:
        time.sleep(0.02)
    task.send_signal(signal.SIGKILL)
    task.communicate(timeout=60)
    left = list(tmp_path.glob("shard-pyramids-*"))
    done = len(buckets.keys(buckets.image))
    again = buckets.pyramid("run", *SMALL, TMPDIR=str(tmp_path))

    assert done < 12
    assert left
    assert again.returncode == 0, again.stderr
    assert len(buckets.keys(buckets.image)) == 12
    assert buckets.keys(buckets.process) == []
    assert list(tmp_path.glob("shard-pyramids-*")) == []


def test_on_google_cloud_storage(fake_gcs: GCSServer) -> None:
    """The same flow on GCS: marked, made, marker gone."""
    names = {name: fake_gcs.bucket(name) for name in ("rbsc", "image", "process")}
    client = fake_gcs.client()
    client.bucket(names["rbsc"]).blob("a/x.jpg").upload_from_string(picture(300, 200))
    places = {f"{name.upper()}_BUCKET": f"gs://{bucket}" for name, bucket in names.items()}
    variables = {**fake_gcs.env, **places}
    marked = shard("pyramid", "mark", variables=variables)
    ran = shard("pyramid", "run", *SMALL, variables=variables)
    blob = client.bucket(names["image"]).get_blob("a/x.tif")

    assert marked.returncode == 0, marked.stderr
    assert ran.returncode == 0, ran.stderr
    assert blob is not None
    assert blob.metadata["source-key"] == "a/x.jpg"
    assert list(client.list_blobs(names["process"])) == []


def test_without_markers(tmp_path: Path) -> None:
    """INPUT and OUTPUT are enough: what is fresh is left, what is stale is made again."""
    source, output = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    (source / "deep/a.jpg").write_bytes(picture(300, 200))
    (source / "b.png").write_bytes(_png(90, 60))
    first = shard("pyramid", "run", str(source), str(output), *SMALL)
    made = outputs(output)
    os.utime(source / "b.png", (time.time() + 60, time.time() + 60))
    second = shard("pyramid", "run", str(source), str(output), *SMALL)

    assert first.returncode == 0, first.stderr
    assert set(made) == {"b.tif", "deep/a.tif"}
    assert "written     1 pyramid" in second.stdout
    assert "skipped     1 (fresh 1)" in second.stdout
    assert outputs(output) == made


def test_pixels_are_the_sources(tmp_path: Path) -> None:
    """A lossless pyramid's largest level is the source, pixel by pixel, to another library."""
    source = tmp_path / "in"
    source.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (150, 210, 3), np.uint8)
    Image.fromarray(pixels).save(source / "a.png")
    shard("pyramid", "run", str(source), str(tmp_path / "out"), *SMALL)

    assert np.array_equal(tifffile.imread(tmp_path / "out/a.tif"), pixels)


@pytest.mark.parametrize(
    ("words", "variables", "named"),
    [
        (["run"], {}, "RBSC_BUCKET is not set"),
        (["run", "in"], {}, "OUTPUT is not set"),
        (["run", "in", "in"], {}, "IMAGE_BUCKET"),
        (["run", "in", "out", "--max-size", "big"], {}, "--max-size is 'big'"),
        (["run", "in", "out", "--tile-size", "100"], {}, "--tile-size is 100"),
        (["run", "in", "out", "--format", "iiif3"], {}, "--base-url is not set"),
        (["run", "in", "out"], {"MAX_THREADS": "many"}, "MAX_THREADS is 'many'"),
        (["run", "in", "out"], {"MAX_THREADS": "0"}, "MAX_THREADS is '0'"),
        (["run", "nowhere", "out"], {}, "the folder does not exist"),
        (["mark"], {"RBSC_BUCKET": "b"}, "PROCESS_BUCKET is not set"),
        (["mark", "--source", "in", "--process", "p", "--output", "in"], {}, "IMAGE_BUCKET is"),
        (["mark", "--source", "in", "--process", "p", "--since", "soon"], {}, "--since is 'soon'"),
        (
            ["mark", "--source", "in", "--process", "p", "--marker-prefix", "/"],
            {},
            "--marker-prefix",
        ),
    ],
)
def test_wrong_settings(
    words: list[str], variables: dict[str, str], named: str, tmp_path: Path
) -> None:
    """A foreseeable mistake is one sentence that names it, and exit code 2."""
    (tmp_path / "in").mkdir()
    said: Any = shard("pyramid", *words, variables=variables, cwd=tmp_path)

    assert said.returncode == 2
    assert named in said.stderr
    assert "Traceback" not in said.stderr
