"""`process.py`: one task, by variables alone, on the local disk."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.program import fill, lines, outputs, picture, process, run_folders, summaries

if TYPE_CHECKING:
    from pathlib import Path


def _task(source: Path, output: Path, **more: str) -> dict[str, str]:
    return {"INPUT_FOLDER": str(source), "OUTPUT_FOLDER": str(output), "WORKERS": "1", **more}


def test_default_is_one_rendition_of_100x100_at_the_mirrored_key(tmp_path: Path) -> None:
    """By default each image becomes one thumbnail inside 100x100, at its own sub-path."""
    fill(tmp_path / "in", ["a.jpg", "cats/a.jpg"])

    done = process(_task(tmp_path / "in", tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    made = outputs(tmp_path / "out")
    assert set(made) == {"a.jpg", "cats/a.jpg"}
    assert Image.open(io.BytesIO(made["a.jpg"])).size == (100, 75)


def test_second_run_writes_nothing_and_says_why(tmp_path: Path) -> None:
    """What is fresh is skipped, with that reason; the bytes stay as they were."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    process(_task(tmp_path / "in", tmp_path / "out"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.jpg")}

    again = process(_task(tmp_path / "in", tmp_path / "out"))

    assert again.returncode == 0
    assert "skipped     2 (fresh 2)" in again.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.jpg")}


def test_empty_and_stale_outputs_are_made_again(tmp_path: Path) -> None:
    """An output that is empty or older than its source is not fresh."""
    fill(tmp_path / "in", ["empty.jpg", "stale.jpg", "fresh.jpg"])
    process(_task(tmp_path / "in", tmp_path / "out"))
    (tmp_path / "out/empty.jpg").write_bytes(b"")
    (tmp_path / "in/stale.jpg").write_bytes(picture(50, 50))

    done = process(_task(tmp_path / "in", tmp_path / "out", RUN_ID="second"))

    assert done.returncode == 0
    assert summaries(tmp_path / "out")[-1]["totals"]["written"] == 2
    assert Image.open(tmp_path / "out/stale.jpg").size == (50, 50)
    assert (tmp_path / "out/empty.jpg").stat().st_size > 0


def test_what_is_made_again_alone_has_the_same_bytes(tmp_path: Path) -> None:
    """A task that was killed between two renditions of an image leaves the bucket as any other."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(picture(1600, 1200))
    task = _task(tmp_path / "in", tmp_path / "out", RENDITIONS="large=500x500;small=40x40")
    process(task)
    before = outputs(tmp_path / "out")
    (tmp_path / "out/a_small.jpg").unlink()

    process(task)

    assert outputs(tmp_path / "out") == before


def test_one_bad_image_is_named_and_costs_only_itself(tmp_path: Path) -> None:
    """A corrupt image is in the ledger and the summary with its reason; the exit code is 1."""
    fill(tmp_path / "in", ["good.jpg"])
    (tmp_path / "in/cut.jpg").write_bytes(picture(900, 600)[:3000])
    (tmp_path / "in/text.jpg").write_text("no picture at all, but long enough to be looked at")

    done = process(_task(tmp_path / "in", tmp_path / "out"))

    assert done.returncode == 1
    failed = {line["key"]: line["reason"] for line in lines(tmp_path / "out") if line.get("detail")}
    assert failed == {"cut.jpg": "truncated", "text.jpg": "not_an_image"}
    assert "truncated, 1 image: 'cut.jpg'" in done.stdout
    assert set(outputs(tmp_path / "out")) == {"good.jpg"}


@pytest.mark.parametrize(("allowed", "code"), [("0", 1), ("1", 0), ("10%", 1), ("50%", 0)])
def test_max_failures_decides_the_exit_code(tmp_path: Path, allowed: str, code: int) -> None:
    """MAX_FAILURES, a count or a percentage of the images, is what may fail with exit 0."""
    fill(tmp_path / "in", ["a.jpg"])
    (tmp_path / "in/bad.jpg").write_bytes(b"\xff\xd8\xff")

    done = process(_task(tmp_path / "in", tmp_path / "out", MAX_FAILURES=allowed))

    assert done.returncode == code


def test_no_images_is_success_with_a_warning(tmp_path: Path) -> None:
    """Zero images end with exit 0 and say so."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/readme.txt").write_text("nothing here")

    done = process(_task(tmp_path / "in", tmp_path / "out"))

    assert done.returncode == 0
    assert "warning: no images below" in done.stderr


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"INPUT_FOLDER": ""}, "INPUT_FOLDER is not set; accepted: gs://"),
        ({"TASK_INDEX": "4", "TASK_COUNT": "4"}, "accepted:"),
        ({"TASK_INDEX": "1"}, "TASK_COUNT"),
        ({"RENDITIONS": "100y100"}, "RENDITIONS"),
        ({"SLICE": "random"}, "SLICE is 'random'; accepted: hash, stride, contiguous or balanced"),
        ({"WORKERS": "many"}, "WORKERS is 'many'; accepted: a whole number"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT is 'xml'; accepted: text or json"),
        ({"INPUT_FOLDER": "/no/such/folder"}, "does not exist"),
        ({"OUTPUT_FOLDER": ""}, "OUTPUT_FOLDER"),
    ],
)
def test_a_wrong_setting_is_a_sentence_and_exit_2(
    tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    """A wrong setting names variable, value and what is accepted; nothing is written."""
    fill(tmp_path / "in", ["a.jpg"])

    done = process({**_task(tmp_path / "in", tmp_path / "out"), **variables})

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_originals_can_never_be_overwritten(tmp_path: Path) -> None:
    """An output on the source itself is refused; one that contains it fails only what would hit."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg", "in/b.jpg"])
    before = outputs(tmp_path / "in")

    same = process(_task(tmp_path / "in", tmp_path / "in"))
    above = process(_task(tmp_path / "in", tmp_path))

    assert same.returncode == 2
    assert above.returncode == 1
    assert "would_overwrite_source, 1 image: 'in/b.jpg'" in above.stdout
    assert outputs(tmp_path / "in") == before
    assert (tmp_path / "a.jpg").exists()


def test_output_below_the_source_is_no_input(tmp_path: Path) -> None:
    """Thumbnails that lie below the source, and Shard's own state, are never inputs."""
    fill(tmp_path / "in", ["a.jpg"])
    target = tmp_path / "in" / "thumbs"
    process(_task(tmp_path / "in", target))

    again = process(_task(tmp_path / "in", target))

    assert again.returncode == 0
    assert set(outputs(target)) == {"a.jpg"}


def test_flat_collisions_have_one_winner_on_any_number_of_tasks(tmp_path: Path) -> None:
    """Of items that share an output key the first by key is written, the others name it."""
    keys = [f"{folder}/{name}.jpg" for folder in "abc" for name in ("same", "also")]
    fill(tmp_path / "in", [*keys, "c/alone.jpg"])
    (tmp_path / "in/a/same.jpg").write_bytes(picture(30, 30))

    for index in range(3):
        done = process(
            _task(
                tmp_path / "in",
                tmp_path / "out",
                LAYOUT="flat",
                RUN_ID="flat",
                TASK_INDEX=str(index),
                TASK_COUNT="3",
                SLICE="stride",
            )
        )
        assert done.returncode in (0, 1), done.stderr

    assert set(outputs(tmp_path / "out")) == {"same.jpg", "also.jpg", "alone.jpg"}
    assert Image.open(tmp_path / "out/same.jpg").size == (30, 30)
    failed = [line for line in lines(tmp_path / "out") if line["status"] == "failed"]
    assert {line["key"] for line in failed} == {
        "b/same.jpg",
        "c/same.jpg",
        "b/also.jpg",
        "c/also.jpg",
    }
    assert all("'a/" in line["detail"] for line in failed)


def test_tasks_of_a_run_must_agree(tmp_path: Path) -> None:
    """A later task whose settings differ stops with exit 2 and says which field differs."""
    fill(tmp_path / "in", ["a.jpg"])
    shared = _task(tmp_path / "in", tmp_path / "out", RUN_ID="r1", TASK_COUNT="2")
    process({**shared, "TASK_INDEX": "0"})

    other = process({**shared, "TASK_INDEX": "1", "RENDITIONS": "50x50"})

    assert other.returncode == 2
    assert "renditions is" in other.stderr
    assert "'r1'" in other.stderr


def test_a_retry_appends_its_attempt(tmp_path: Path) -> None:
    """The ledger keeps the earlier attempt's lines and summary beside the retry's."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    (tmp_path / "in/c.jpg").write_bytes(b"\xff\xd8\xff")
    shared = _task(tmp_path / "in", tmp_path / "out", RUN_ID="r1")
    process(shared)
    fill(tmp_path / "in", ["c.jpg"])

    retry = process(shared)

    assert retry.returncode == 0
    assert len(run_folders(tmp_path / "out")) == 1
    by_attempt = [
        (line["key"], line["task_attempt"], line["status"]) for line in lines(tmp_path / "out")
    ]
    assert ("c.jpg", 0, "failed") in by_attempt
    assert ("c.jpg", 1, "written") in by_attempt
    assert ("a.jpg", 1, "skipped") in by_attempt


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    """DRY_RUN says what would be written and leaves no file, not even its own state."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])

    done = process(_task(tmp_path / "in", tmp_path / "out", DRY_RUN="yes"))

    assert done.returncode == 0
    assert "2 thumbnails of 2 images" in done.stdout
    assert not (tmp_path / "out").exists()


def test_limit_makes_progress_run_by_run(tmp_path: Path) -> None:
    """LIMIT takes so many items that need work; the next run takes the next ones."""
    fill(tmp_path / "in", [f"{n}.jpg" for n in range(5)])

    first = process(_task(tmp_path / "in", tmp_path / "out", LIMIT="2"))
    after_first = set(outputs(tmp_path / "out"))
    process(_task(tmp_path / "in", tmp_path / "out", LIMIT="2"))

    assert "3 images over LIMIT" in first.stdout
    assert after_first == {"0.jpg", "1.jpg"}
    assert len(outputs(tmp_path / "out")) == 4


def test_several_renditions_carry_their_names(tmp_path: Path) -> None:
    """With several renditions the output's name carries the rendition; formats follow suit."""
    fill(tmp_path / "in", ["d/a.jpg"])

    done = process(
        _task(
            tmp_path / "in",
            tmp_path / "out",
            RENDITIONS="s=50x50,fit=cover;web=80x80,format=webp",
        )
    )

    assert done.returncode == 0, done.stderr
    made = outputs(tmp_path / "out")
    assert set(made) == {"d/a_s.jpg", "d/a_web.jpg.webp"}
    assert Image.open(io.BytesIO(made["d/a_s.jpg"])).size == (50, 50)
    assert Image.open(io.BytesIO(made["d/a_web.jpg.webp"])).format == "WEBP"


def test_dotenv_loses_to_the_environment(tmp_path: Path) -> None:
    """A `.env` file is honoured, and the environment wins over it."""
    fill(tmp_path / "in", ["a.jpg"])
    (tmp_path / ".env").write_text("RENDITIONS=64x64\nWORKERS=1\nLAYOUT=flat\n")
    shared = {"INPUT_FOLDER": "in", "OUTPUT_FOLDER": "out"}

    process(shared, cwd=tmp_path)
    process({**shared, "OUTPUT_FOLDER": "out2", "RENDITIONS": "32x32"}, cwd=tmp_path)

    assert Image.open(tmp_path / "out/a.jpg").size == (64, 48)
    assert Image.open(tmp_path / "out2/a.jpg").size == (32, 24)


def test_json_logs_are_one_object_a_line(tmp_path: Path) -> None:
    """With LOG_FORMAT=json every line of stderr is an object with severity and message."""
    import json

    fill(tmp_path / "in", ["a.jpg"])

    done = process(_task(tmp_path / "in", tmp_path / "out", LOG_FORMAT="json"))

    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert records
    assert all({"severity", "message", "time"} <= set(record) for record in records)
    assert done.stdout == ""
