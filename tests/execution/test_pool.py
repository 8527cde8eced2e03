"""Whom the pool blames for the end of a worker."""

from __future__ import annotations

import subprocess
import sys
from multiprocessing import Pipe

from shard.execution.pool import Pool, _Worker
from shard.execution.work import Work
from shard.model import Item


def _worker(**facts: object) -> _Worker:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    held = {number: Work(number, Item(str(number), 1), ("r",)) for number in range(3)}
    ours, _ = Pipe()
    return _Worker(process, ours, heard=0.0, in_hand=held, **facts)  # type: ignore[arg-type]


def test_the_item_that_was_rendered_is_blamed() -> None:
    """A crash in a render is laid to that item alone."""
    assert Pool(silence=1.0)._blamed(_worker(rendering=1)) == {1}


def test_between_two_renders_nobody_is_blamed_at_first() -> None:
    """What a worker merely held is handed out again, but not for ever."""
    pool = Pool(silence=1.0)

    blamed = [pool._blamed(_worker()) for _ in range(3)]

    assert blamed == [set(), set(), {0, 1, 2}]


def test_a_silent_worker_answers_for_all_it_held() -> None:
    """A worker that was ended for its silence leaves only suspects."""
    assert Pool(silence=1.0)._blamed(_worker(verdict=("timeout", "no progress"))) == {0, 1, 2}
