"""`shard plan`: what it says of real collections, and that it is what the job then does."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.program import FAULTS, ROOT, fill, outputs, picture, shard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import GCSServer, S3Server


def _plan(*arguments: str, cwd: Path, variables: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what `shard plan --format json` says."""
    done = shard("plan", "in", "out", "--format", "json", *arguments, cwd=cwd, variables=variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_plan_writes_nothing_but_itself(tmp_path: Path) -> None:
    """No thumbnail, no run: the plan alone lies beside the output, and says where."""
    fill(tmp_path / "in", [f"{n}.jpg" for n in range(9)])
    done = shard("plan", "in", "out", cwd=tmp_path)

    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert done.returncode == 0, done.stderr
    assert files == [tmp_path / "out/.shard/plan.json"]
    assert "out/.shard/plan.json" in done.stdout
    assert f"start it    shard run {tmp_path}/in {tmp_path}/out\n" in done.stdout


def test_no_save_leaves_no_trace(tmp_path: Path) -> None:
    """With --no-save not even the output's folder is made."""
    fill(tmp_path / "in", ["a.jpg"])
    done = shard("plan", "in", "out", "--no-save", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out").exists()


def test_a_plan_foresees_what_the_run_makes(tmp_path: Path) -> None:
    """Thumbnails, bytes and failures of the run lie within the plan's ranges."""
    for number in range(60):
        path = tmp_path / "in" / f"{number:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture(100 + 10 * number, 200)[: 700 if number % 20 == 7 else None])
    expected = _plan("--sample", "40", cwd=tmp_path)["expected"]
    shard("run", "in", "out", cwd=tmp_path)

    made = outputs(tmp_path / "out")
    size = sum(map(len, made.values()))
    assert expected["thumbnails"]["low"] <= len(made) <= expected["thumbnails"]["high"]
    assert expected["bytes_out"]["low"] <= size <= expected["bytes_out"]["high"]
    assert expected["failed"]["low"] <= 3 <= expected["failed"]["high"]


def test_two_plans_sample_the_same_images(tmp_path: Path) -> None:
    """Nothing but the time differs between two plans of the same source."""
    fill(tmp_path / "in", [f"{n:02}.jpg" for n in range(40)])
    one, two = (_plan("--sample", "10", "--no-save", cwd=tmp_path) for _ in range(2))

    for name in ("images", "thumbnails", "bytes_out", "failed"):
        assert one["expected"][name] == two["expected"][name]


def test_only_what_needs_work_is_planned(tmp_path: Path) -> None:
    """What is fresh is counted, said and not sampled."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    shard("run", "in", "out", cwd=tmp_path)
    fill(tmp_path / "in", ["c.jpg"])
    details = _plan(cwd=tmp_path)["details"]

    assert details["listed"]["fresh"] == 2
    assert details["listed"]["needed"] == 1
    assert details["sample"]["images"] == 1


@pytest.mark.parametrize("name", ["no images", "all fresh"])
def test_nothing_to_do_is_said(tmp_path: Path, name: str) -> None:
    """Without images, or with all of them fresh, the plan is short and exits 0."""
    (tmp_path / "in").mkdir()
    if name == "all fresh":
        fill(tmp_path / "in", ["a.jpg"])
        shard("run", "in", "out", cwd=tmp_path)
    done = shard("plan", "in", "out", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "to do       nothing" in done.stdout
    assert "cost" not in done.stdout


def test_a_bucket_of_broken_images_is_planned(tmp_path: Path) -> None:
    """Every image fails: the plan says so, with reason and names, and exits 0."""
    for number in range(5):
        path = tmp_path / "in" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture(400, 300)[:2000])
    done = shard("plan", "in", "out", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "failures    5 expected" in done.stdout
    assert "truncated, 5 of the sample: '0.jpg'" in done.stdout


def test_an_image_that_kills_its_worker_does_not_stop_the_plan(tmp_path: Path) -> None:
    """A decoder's crash costs the plan one image, which it names."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    (tmp_path / "in/bad.jpg").write_bytes(b"CRASH" + picture(60, 40))
    done = shard(
        *("plan", "in", "out"),
        cwd=tmp_path,
        variables={"PYTHONPATH": f"{FAULTS}:{ROOT}"},
    )

    assert done.returncode == 0, done.stderr
    assert "crashed, 1 of the sample: 'bad.jpg'" in done.stdout


def test_a_deadline_that_cannot_be_met(tmp_path: Path) -> None:
    """Where starting alone takes longer than the deadline, the plan says so and exits 1."""
    fill(tmp_path / "in", ["a.jpg"])
    done = shard("plan", "in", "out", "--deadline", "30s", "--startup", "1m", cwd=tmp_path)

    assert done.returncode == 1
    assert "cannot be met: start-up and listing alone take longer" in done.stdout


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--deadline", "soon"), ("--deadline", "0"), ("--startup", "a bit"), ("--sample", "0")],
)
def test_a_wrong_flag_is_named(tmp_path: Path, flag: str, value: str) -> None:
    """Flag, value and what is accepted, in a sentence; exit 2."""
    fill(tmp_path / "in", ["a.jpg"])
    done = shard("plan", "in", "out", flag, value, cwd=tmp_path)

    assert done.returncode == 2
    assert flag in done.stderr
    assert value in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    """A source that is not there ends the plan with exit 2 and leaves nothing behind."""
    done = shard("plan", "nowhere", "out", cwd=tmp_path)

    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert not (tmp_path / "out").exists()


def test_folders_come_from_the_environment(tmp_path: Path) -> None:
    """Without arguments the job's own variables say what to plan."""
    fill(tmp_path / "in", ["a.jpg"])
    done = shard(
        "plan",
        cwd=tmp_path,
        variables={"INPUT_FOLDER": "in", "OUTPUT_FOLDER": "out", "SIZES": "64,32"},
    )

    assert done.returncode == 0, done.stderr
    assert "2 thumbnails of 1 image" in done.stdout


def test_ranged_reads_are_counted_on_s3(tmp_path: Path, seaweed: S3Server) -> None:
    """Large objects in a bucket are read by parts, as in the job: more requests, the same bytes."""
    bucket, client = seaweed.bucket(), seaweed.client()
    large = picture(400, 300) + b"\0" * (2 << 20)
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"in/{number}.jpg", Body=large)
    client.put_object(Bucket=bucket, Key="in/small.jpg", Body=picture(400, 300))
    done = shard(
        *("plan", f"s3://{bucket}/in", f"s3://{bucket}/out", "--format", "json"),
        variables=dict(seaweed.env),
        cwd=tmp_path,
    )
    sums = json.loads(done.stdout)["details"]["here"]["sums"]

    assert sums["reads"]["value"] == 3 * 2 + 1
    assert sums["bytes_read"]["value"] == 3 * len(large) + len(picture(400, 300))
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert [key for key in keys if not key.startswith("in/")] == ["out/.shard/plan.json"]


def test_gcs_is_planned_with_its_default_output(tmp_path: Path, fake_gcs: GCSServer) -> None:
    """Without OUTPUT the plan lies at the bucket's root, where the runs' state will be."""
    bucket = fake_gcs.bucket()
    fake_gcs.client().bucket(bucket).blob("in/a.jpg").upload_from_string(
        picture(40, 30), content_type="image/jpeg"
    )
    done = shard("plan", f"gs://{bucket}/in", variables=dict(fake_gcs.env), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert f"gs://{bucket}/.shard/plan.json" in done.stdout
    assert "shard deploy cloud-run --tasks 1 --cpu 2 --memory " in done.stdout
    assert f"--input gs://{bucket}/in\n" in done.stdout
    _, *words = shlex.split(done.stdout.partition("  start it ")[2].partition("\n")[0])
    assert shard(*words, cwd=tmp_path).returncode == 0


def test_a_machine_that_no_cloud_has_is_said(tmp_path: Path, fake_gcs: GCSServer) -> None:
    """No price is told for it, and no command that would be refused."""
    bucket = fake_gcs.bucket()
    fake_gcs.client().bucket(bucket).blob("in/a.jpg").upload_from_string(
        picture(40, 30), content_type="image/jpeg"
    )
    arguments = ("plan", f"gs://{bucket}/in", "--cpu", "3", "--no-save")
    done = shard(*arguments, variables=dict(fake_gcs.env), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert re.search(r"Fargate +has no machine with 3 vCPUs and [0-9.]+ GiB\n", done.stdout)
    assert "shard deploy" not in done.stdout
    assert "start it    choose another --cpu" in done.stdout


def test_status_holds_the_run_against_its_plan(tmp_path: Path) -> None:
    """After plan and run, the status shows both, with their ratio and whether it was foreseen."""
    fill(tmp_path / "in", [f"{n:02}.jpg" for n in range(30)])
    shard("plan", "in", "out", cwd=tmp_path)
    shard("run", "in", "out", "--tasks", "3", cwd=tmp_path)
    done = shard("status", "out", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert re.search(r"thumbnails +30 +30 +1\.00  within the range", done.stdout)
    assert re.search(r"failures +0 +0 +-  within the range", done.stdout)
    assert re.search(r"computing .+ the range\n    time .+ the range", done.stdout)


@pytest.mark.parametrize("change", ["other renditions", "no plan", "a plan made later"])
def test_status_shows_no_plan_of_something_else(tmp_path: Path, change: str) -> None:
    """A plan for other renditions, or made after the run, is not held against it."""
    fill(tmp_path / "in", ["a.jpg"])
    if change == "other renditions":
        shard("plan", "in", "out", "--sizes", "64", cwd=tmp_path)
    shard("run", "in", "out", cwd=tmp_path)
    if change == "a plan made later":
        shard("plan", "in", "out", cwd=tmp_path)
    done = shard("status", "out", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "planned" not in done.stdout


def test_a_plan_that_cannot_be_read_is_only_a_warning(tmp_path: Path) -> None:
    """A broken plan.json does not keep the status from being said."""
    fill(tmp_path / "in", ["a.jpg"])
    shard("run", "in", "out", cwd=tmp_path)
    (tmp_path / "out/.shard/plan.json").write_text('{"version": ')
    done = shard("status", "out", cwd=tmp_path)

    assert done.returncode == 0
    assert "1 of 1 task done" in done.stdout
    assert "is not a plan" in done.stderr
