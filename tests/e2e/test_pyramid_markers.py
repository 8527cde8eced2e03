"""Markers that are wrong, twice there, or of another bucket: none is lost, none stops the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import tifffile

from tests.program import FAULTS, ROOT, outputs, picture, shard

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.servers import S3Server

SMALL = ("--tile-size", "64", "--max-size", "400x400")


def _variables(folder: Path) -> dict[str, str]:
    names = {"RBSC_BUCKET": "scans", "IMAGE_BUCKET": "images", "PROCESS_BUCKET": "work"}
    return {name: str(folder / place) for name, place in names.items()}


def _put(folder: Path, keys: dict[str, bytes]) -> None:
    for key, data in keys.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _run(folder: Path, *words: str, **more: str) -> CompletedProcess[str]:
    return shard("pyramid", "run", *SMALL, *words, variables={**_variables(folder), **more})


def _markers(folder: Path) -> list[str]:
    found = (folder / "work").rglob("*.json")
    return sorted(path.relative_to(folder / "work").as_posix() for path in found)


def _of(key: str, **more: object) -> bytes:
    return json.dumps({"key": key, "path": key[: key.rfind("/") + 1], **more}).encode()


def test_no_marker_stops_the_others(tmp_path: Path) -> None:
    """JSON nested without end, a key of half a letter, a NUL: each is one failure, no more."""
    _put(tmp_path, {"scans/good.jpg": picture(100, 80), "work/rbsc/good.jpg.json": _of("good.jpg")})
    _put(tmp_path, {"work/rbsc/deep.json": b"[" * 200_000})
    _put(tmp_path, {"work/rbsc/half.json": b'{"key": "a\\ud800.jpg"}'})
    _put(tmp_path, {"work/rbsc/nul.json": b'{"key": "a\\u0000.jpg"}'})
    ran = _run(tmp_path, "--max-attempts", "1")

    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert list(outputs(tmp_path / "images")) == ["good.tif"]
    assert _markers(tmp_path) == [f"failed/rbsc/{name}.json" for name in ("deep", "half", "nul")]


def test_two_markers_that_want_different_pyramids(tmp_path: Path) -> None:
    """The second is left for the next run, not taken for done."""
    _put(tmp_path, {"scans/a.jpg": picture(300, 200)})
    _put(
        tmp_path,
        {"work/rbsc/a.jpg.json": _of("a.jpg"), "work/rbsc/a.json": _of("a.jpg", path="old")},
    )
    first = _run(tmp_path)
    left = _markers(tmp_path)
    second = _run(tmp_path)

    assert (first.returncode, second.returncode) == (0, 0)
    assert "marked_otherwise 1" in first.stdout
    assert len(left) == 1
    assert sorted(outputs(tmp_path / "images")) == ["a.tif", "old/a.tif"]
    assert _markers(tmp_path) == []


def test_a_marker_of_another_bucket_is_left(seaweed: S3Server) -> None:
    """An image of the same key in RBSC_BUCKET is not taken for the one that was meant."""
    names = {name: seaweed.bucket(name) for name in ("rbsc", "image", "process")}
    client = seaweed.client()
    for key in ("a.jpg", "b.jpg"):
        client.put_object(Bucket=names["rbsc"], Key=key, Body=picture(100, 80))
    for key, bucket in (("a.jpg", "elsewhere"), ("b.jpg", names["rbsc"])):
        body = _of(key, bucket=bucket)
        client.put_object(Bucket=names["process"], Key=f"rbsc/{key}.json", Body=body)
    places = {f"{name.upper()}_BUCKET": bucket for name, bucket in names.items()}
    ran = shard("pyramid", "run", *SMALL, variables={**seaweed.env, **places})
    left = client.list_objects_v2(Bucket=names["process"])["Contents"]

    assert ran.returncode == 0, ran.stderr
    assert "skipped     1 (other_bucket 1)" in ran.stdout
    assert [found["Key"] for found in left] == ["rbsc/a.jpg.json"]


def test_a_source_that_is_not_there(moto_s3: S3Server) -> None:
    """A wrong RBSC_BUCKET is a wrong setting (exit 2), not the failure of every marker."""
    image, process = moto_s3.bucket("image"), moto_s3.bucket("process")
    moto_s3.client().put_object(Bucket=process, Key="rbsc/a.jpg.json", Body=_of("a.jpg"))
    places = {"RBSC_BUCKET": "no-such", "IMAGE_BUCKET": image, "PROCESS_BUCKET": process}
    ran = shard("pyramid", "run", variables={**moto_s3.env, **places})

    assert ran.returncode == 2
    assert "s3://no-such: the bucket or folder does not exist" in ran.stderr
    assert moto_s3.client().list_objects_v2(Bucket=process)["KeyCount"] == 1


def test_a_decoder_that_crashes_costs_one_image(tmp_path: Path) -> None:
    """Its marker counts the attempt and says why; the others, and one that recovers, are made."""
    _put(tmp_path, {f"scans/{n}.jpg": picture(200 + n, 150) for n in range(4)})
    _put(tmp_path, {"scans/bad.jpg": b"CRASH" + picture(80, 60)})
    _put(tmp_path, {"scans/once.jpg": b"ONCE" + picture(80, 60)})
    for key in ("0", "1", "2", "3", "bad", "once"):
        _put(tmp_path, {f"work/rbsc/{key}.jpg.json": _of(f"{key}.jpg")})
    (tmp_path / "tmp").mkdir()
    faults = {"PYTHONPATH": f"{FAULTS}:{ROOT}", "FAULTS_FOLDER": str(tmp_path), "MAX_THREADS": "2"}
    ran = _run(tmp_path, TMPDIR=str(tmp_path / "tmp"), **faults)
    said = json.loads((tmp_path / "work/rbsc/bad.jpg.json").read_bytes())

    assert ran.returncode == 1
    assert sorted(outputs(tmp_path / "images")) == ["0.tif", "1.tif", "2.tif", "3.tif", "once.tif"]
    assert _markers(tmp_path) == ["rbsc/bad.jpg.json"]
    assert said["attempts"] == 1
    assert said["reason"].startswith("crashed: ")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_decoder_that_hangs_costs_one_image(tmp_path: Path) -> None:
    """After ITEM_TIMEOUT the worker is replaced, and the run ends."""
    _put(tmp_path, {"scans/good.jpg": picture(200, 150), "scans/hung.jpg": b"HANG"})
    for key in ("good", "hung"):
        _put(tmp_path, {f"work/rbsc/{key}.jpg.json": _of(f"{key}.jpg")})
    ran = _run(tmp_path, PYTHONPATH=f"{FAULTS}:{ROOT}", ITEM_TIMEOUT="5")
    said = json.loads((tmp_path / "work/rbsc/hung.jpg.json").read_bytes())

    assert ran.returncode == 1
    assert list(outputs(tmp_path / "images")) == ["good.tif"]
    assert said["reason"].startswith("timeout: ")


def test_marking_leaves_own_pyramids(tmp_path: Path) -> None:
    """Pyramids that lie below the source get no marker, so that none is made of them."""
    _put(tmp_path, {"scans/a.jpg": picture(80, 60), "scans/pyramids/a.tif": picture(80, 60)})
    variables = {**_variables(tmp_path), "IMAGE_BUCKET": str(tmp_path / "scans/pyramids")}
    marked = shard("pyramid", "mark", variables=variables)

    assert "1 marker written, of 2 objects listed" in marked.stdout
    assert "output 1" in marked.stdout
    assert _markers(tmp_path) == ["rbsc/a.jpg.json"]


def test_one_key_that_can_have_no_marker_stops_no_other(moto_s3: S3Server) -> None:
    """A key so long that its marker's is refused, and one whose marker is another bucket's."""
    source, process = moto_s3.bucket("rbsc"), moto_s3.bucket("process")
    client = moto_s3.client()
    for key in ("a.jpg", "k" * 1018 + ".jpg", "z.jpg"):
        client.put_object(Bucket=source, Key=key, Body=b"x")
    client.put_object(Bucket=process, Key="rbsc/a.jpg.json", Body=_of("a.jpg", bucket="other"))
    places = {"RBSC_BUCKET": source, "PROCESS_BUCKET": process}
    marked = shard("pyramid", "mark", variables={**moto_s3.env, **places})
    found = client.list_objects_v2(Bucket=process)["Contents"]

    assert marked.returncode == 1
    assert "refused     2 images can have no marker" in marked.stdout
    assert [one["Key"] for one in found] == ["rbsc/a.jpg.json", "rbsc/z.jpg.json"]


def test_an_array_on_one_machine(tmp_path: Path) -> None:
    """--tasks divides the markers among processes; a failure counts one attempt, not more."""
    _put(tmp_path, {f"scans/{n}.jpg": picture(200 + n, 150) for n in range(5)})
    _put(tmp_path, {"scans/bad.jpg": b"none"})
    for key in ("0", "1", "2", "3", "4", "bad"):
        _put(tmp_path, {f"work/rbsc/{key}.jpg.json": _of(f"{key}.jpg")})
    ran = _run(tmp_path, "--tasks", "2", MAX_THREADS="1")
    said = json.loads((tmp_path / "work/rbsc/bad.jpg.json").read_bytes())
    state = shard("status", str(tmp_path / "images"))

    assert ran.returncode == 1, ran.stderr
    assert "2 of 2 tasks done" in ran.stdout
    assert "written     5 pyramids of 5 images" in state.stdout
    assert len(outputs(tmp_path / "images")) == 5
    assert said["attempts"] == 1


def test_tasks_of_one_run_make_the_same(tmp_path: Path) -> None:
    """A task with other options than its run's is refused, and told which differ."""
    _put(tmp_path, {"scans/a.jpg": picture(80, 60), "work/rbsc/a.jpg.json": _of("a.jpg")})
    run = {"RUN_ID": "one", "TASK_COUNT": "2"}
    _run(tmp_path, TASK_INDEX="0", **run)
    other = _run(tmp_path, "--compression", "jpeg", TASK_INDEX="1", **run)

    assert other.returncode == 2
    assert "pyramids is 'compression=jpeg" in other.stderr


def test_a_page_that_is_not_there(tmp_path: Path) -> None:
    """A TIFF of one page has no second one: no other page is published in its stead."""
    pixels = [[[0, 80, 160]] * 64] * 64
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in/one.tif", pixels, dtype="uint8", photometric="rgb")
    for kind in ("lzw", "zstd"):
        with tifffile.TiffWriter(tmp_path / f"in/two-{kind}.tif") as file:
            for _ in range(2):
                file.write(pixels, dtype="uint8", photometric="rgb", compression=kind)
    ran = shard("pyramid", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--page", "2")

    assert ran.returncode == 1
    assert "no_such_page, 1 image: 'one.tif'" in ran.stdout
    assert "unsupported, 1 image: 'two-zstd.tif'" in ran.stdout
    assert list(outputs(tmp_path / "out")) == ["two-lzw.tif"]
