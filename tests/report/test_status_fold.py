"""Adding up a ledger: the last word counts, but what was written stays written."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from shard.execution.run_record import RunRecord
from shard.report.status import RunState, TaskState, fold, text
from shard.report.summary import Where


def _line(key: str, status: str, **more: Any) -> dict[str, Any]:
    facts = {"key": key, "rendition": "r", "status": status, "bytes_in": 10, "bytes_out": 4}
    return {**facts, "reason": None, "retryable": False, **more}


def test_written_then_fresh_is_written() -> None:
    """A retry that finds an earlier attempt's output fresh does not make it a skip."""
    totals, items, failed = fold([_line("a", "written"), _line("a", "skipped", reason="fresh")])

    assert (totals.written, totals.skipped.total(), items, failed) == (1, 0, 1, 0)


def test_failed_then_written_is_written() -> None:
    """A failure that a retry mended is no failure of the run."""
    totals, _, failed = fold([_line("a", "failed", reason="unavailable"), _line("a", "written")])

    assert (totals.written, totals.failed.total(), failed) == (1, 0, 0)


def test_renditions_of_one_image_count_its_bytes_once() -> None:
    """Two renditions are two thumbnails of one image, read once."""
    totals, items, _ = fold([_line("a", "written"), _line("a", "written", rendition="s")])

    assert (totals.written, totals.items_rendered, totals.bytes_in, items) == (2, 1, 10, 1)


def test_failures_name_their_first_keys() -> None:
    """Of many failures with one reason the first five keys are named and all are counted."""
    totals, _, failed = fold([_line(f"{n}", "failed", reason="corrupt") for n in range(9)])

    assert totals.failed_keys == {"corrupt": ["0", "1", "2", "3", "4"]}
    assert failed == totals.failed["corrupt"] == 9


def test_attempts_far_apart_are_one_word() -> None:
    """What a later attempt says of an image counts, however many lines lie between the two."""
    others = [_line(f"{n:06d}", "skipped", reason="fresh") for n in range(50_000)]
    lines = [_line("z", "failed", reason="unavailable"), *others, _line("z", "written")]
    totals, items, failed = fold(lines)

    assert (totals.written, totals.skipped["fresh"], items, failed) == (1, 50_000, 50_001, 0)


def test_memory_does_not_grow_with_the_ledger() -> None:
    """Four times as many lines take no more memory than a buffer of a fixed size."""

    def peak(count: int) -> int:
        tracemalloc.start()
        fold(_line(f"{n:032d}", "written") for n in range(count))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(100_000) < 1.5 * peak(25_000)


@pytest.mark.parametrize(("ended_by", "engine"), [("SIGINT", "local"), ("SIGINT", "slurm")])
def test_a_run_that_was_stopped_here_says_how_to_go_on(ended_by: str, engine: str) -> None:
    """The same command goes on; an engine starts its tasks again by itself."""
    record = RunRecord(
        run="r",
        started=datetime(2026, 11, 21, tzinfo=UTC),
        source="in",
        output="out",
        output_bucket=None,
        renditions="100",
        layout="mirror",
        slice="hash",
        count=1,
        version="0",
    )
    task = TaskState(0, 1, ended_by, 130, 1.0, 5, engine)
    said = text(RunState(record, {0: task}), Where("r", "out", "out/.shard/runs/r"))

    assert "5 images left" in said
    assert ("run the same command again" in said) is (engine == "local")
