"""What a trial tells of each item."""

from __future__ import annotations

import pytest

from shard.execution.trial import Finish, Trial
from shard.model import Outcome, Status


def finish(key: str, cpu: float, rendering: float, at: float) -> Finish:
    """Return an item's end: ``cpu`` and ``rendering`` in seconds."""
    ms = {"open": 0.0, "decode": rendering * 750, "resize": rendering * 250, "read": 9.0}
    done = Outcome(key=key, rendition="a", status=Status.WRITTEN, ms=ms, cpu_ms=cpu * 1000)
    return Finish(at, (done,))


def trial(*finishes: Finish, others: float) -> Trial:
    """Return a trial of one worker that was busy for ten seconds."""
    by_key = {one.outcomes[0].key: one for one in finishes}
    return Trial(workers=1, seconds=10.0, task_cpu=1.0, others=others, finishes=by_key)


def test_other_programs_count_where_they_were_felt() -> None:
    """An item that was computed at a stretch is not charged for the time that another waited."""
    efforts = trial(finish("long", 2, 8, 8.0), finish("short", 1, 1, 10.0), others=0.6).efforts()

    assert efforts["long"].crowded == pytest.approx(6.0)
    assert efforts["short"].crowded == 0.0
    assert [effort.own for effort in efforts.values()] == [0.5, 0.5]


def test_without_such_times_it_is_the_processors() -> None:
    """Where no stage was timed, each item's share is that of its computing."""
    efforts = trial(finish("a", 3, 0, 9.0), finish("b", 1, 0, 10.0), others=0.5).efforts()

    assert efforts["a"].crowded == pytest.approx(5 * 3.5 / 5)
    assert efforts["b"].crowded == pytest.approx(5 * 1.5 / 5)


def test_nothing_is_lost_of_the_workers_time() -> None:
    """What items are charged with is what the worker and the task's process spent."""
    seen = trial(finish("a", 2, 5, 8.0), finish("b", 1, 2, 10.0), others=0.4)
    spent = [e.cpu + e.own + e.crowded + e.waiting for e in seen.efforts().values()]

    assert sum(spent) == pytest.approx(10.0)
