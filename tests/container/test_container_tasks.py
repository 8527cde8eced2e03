"""Four tasks in containers share a folder or a bucket, and make what a task outside makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.container.containers import Container, ended, image, local_job
from tests.imaging.fits.frames import frame, stars
from tests.program import ROOT, lines, outputs, picture, process, summaries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import S3Server

_SAMPLES = ROOT / "samples"


def _expected(tmp_path: Path) -> dict[str, bytes]:
    """Return what one task makes of the samples outside of any container."""
    out = tmp_path / "outside"
    process({"INPUT_FOLDER": str(_SAMPLES), "OUTPUT_FOLDER": str(out)})
    return outputs(out)


def _array(index: int) -> dict[str, str]:
    return {"TASK_INDEX": str(index), "TASK_COUNT": "4", "RUN_ID": "r1", "MAX_FAILURES": "1"}


def test_four_containers_share_a_folder(tmp_path: Path) -> None:
    """Mounted folders: together they make all, each item once, byte for byte as outside."""
    (tmp_path / "in").symlink_to(_SAMPLES)
    tasks = [local_job(tmp_path, variables=_array(n)).start() for n in range(4)]
    done = [ended(task) for task in tasks]

    assert [task.returncode for task in done] == [0] * 4, [task.stderr for task in done]
    assert outputs(tmp_path / "out") == _expected(tmp_path)
    assert sum(one["totals"]["written"] for one in summaries(tmp_path / "out")) == 10


def test_four_containers_share_a_bucket(tmp_path: Path, seaweed: S3Server) -> None:
    """S3 on the host's network: the same keys and bytes as outside."""
    bucket, client = seaweed.bucket(), seaweed.client()
    for path in filter(lambda path: path.is_file(), _SAMPLES.rglob("*")):
        client.upload_file(str(path), bucket, f"in/{path.relative_to(_SAMPLES)}")
    folders = {"INPUT_FOLDER": f"s3://{bucket}/in", "OUTPUT_FOLDER": f"s3://{bucket}/out"}
    variables = {name: value for name, value in seaweed.env.items() if name.startswith("AWS_")}
    tasks = [
        Container(variables={**variables, **folders, **_array(n)}, network="host").start()
        for n in range(4)
    ]
    done = [ended(task) for task in tasks]
    listed = client.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]
    made = {
        entry["Key"].removeprefix("out/"): client.get_object(Bucket=bucket, Key=entry["Key"])[
            "Body"
        ].read()
        for entry in listed
        if "/.shard/" not in entry["Key"]
    }

    assert [task.returncode for task in done] == [0] * 4, [task.stderr for task in done]
    assert made == _expected(tmp_path)
    assert seaweed.env["AWS_SECRET_ACCESS_KEY"] not in "".join(
        task.stdout + task.stderr for task in done
    )


def test_frames_are_drawn_as_outside(tmp_path: Path) -> None:
    """FITS is in the default image, and gives the bytes that it gives elsewhere."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/sky.fits").write_bytes(frame(stars()))
    done = local_job(tmp_path).run()
    outside = tmp_path / "outside"
    process({"INPUT_FOLDER": str(tmp_path / "in"), "OUTPUT_FOLDER": str(outside)})

    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path / "out") == outputs(outside)
    assert len(outputs(outside)) == 1


def test_the_lean_image_names_what_frames_need(tmp_path: Path) -> None:
    """There a frame fails with the extra to install; pictures beside it are made."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/sky.fits").write_bytes(frame(stars()))
    (tmp_path / "in/a.jpg").write_bytes(picture(60, 40))
    done = local_job(tmp_path, image=image("SHARD_TEST_LEAN_IMAGE")).run()
    (failed,) = [line for line in lines(tmp_path / "out") if line["status"] == "failed"]

    assert done.returncode == 1
    assert failed["key"] == "sky.fits"
    assert "shard[fits]" in str(failed)
    assert len(outputs(tmp_path / "out")) == 1
