"""Calls of stores in threads: answered, refused, given up, never more at once than there are."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from shard.service.threads import Threads


def test_threads_return_and_raise_what_calls_do() -> None:
    """A call's result is returned; what it raises is raised where it is waited for."""

    async def both() -> int:
        threads = Threads(2, "test")
        with pytest.raises(ValueError, match="invalid literal"):
            await threads.run(int, "x")
        found = await threads.run(int, "7")
        threads.close()
        return found

    assert asyncio.run(both()) == 7


def test_threads_are_bounded_and_few_where_few_are_needed() -> None:
    """So many calls at once as there are threads; one after the other needs but one thread."""
    met = threading.Barrier(3, timeout=10)
    lock, seen = threading.Lock(), Counter[str]()

    def name() -> str:
        with lock:
            seen[threading.current_thread().name] += 1
        return threading.current_thread().name

    def together() -> str:
        met.wait()
        return name()

    async def ask() -> tuple[set[str], set[str]]:
        threads = Threads(3, "test")
        alone = {await threads.run(name) for _ in range(5)}
        many = set(await asyncio.gather(*(threads.run(together) for _ in range(9))))
        threads.close()
        return alone, many

    alone, many = asyncio.run(ask())

    assert alone == {"test 1"}
    assert many == {"test 1", "test 2", "test 3"}


def test_threads_do_not_begin_what_nobody_waits_for() -> None:
    """A call that was given up while it waited is not made; the next one is."""
    go, begun = threading.Event(), list[str]()

    async def ask() -> str:
        threads = Threads(1, "test")
        first = asyncio.create_task(threads.run(go.wait, 10))
        second = asyncio.create_task(threads.run(begun.append, "second"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        go.set()
        await first
        found = await threads.run(lambda: threading.current_thread().name)
        threads.close()
        return found

    assert asyncio.run(ask()) == "test 1"
    assert begun == []


def test_threads_end_when_they_are_let_go() -> None:
    """After `close` what was asked for is still done, and no thread stays."""

    async def ask() -> list[threading.Thread]:
        threads = Threads(4, "ended")
        await asyncio.gather(*(threads.run(int) for _ in range(4)))
        threads.close()
        return [one for one in threading.enumerate() if one.name.startswith("ended")]

    ours = asyncio.run(ask())
    for one in ours:
        one.join(10)

    assert not any(one.is_alive() for one in ours)
