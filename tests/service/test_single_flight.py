"""Two who ask for one thing at once."""

from __future__ import annotations

import asyncio

import pytest

from shard.service.single_flight import SingleFlight


class _Kitchen:
    """Makes a thing when let; counts how often it began and how often it was told to stop."""

    def __init__(self) -> None:
        self.begun = self.stopped = 0
        self.let = asyncio.Event()

    async def make(self) -> int:
        self.begun += 1
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        return self.begun


def test_one_is_made_for_all() -> None:
    """Ten who ask at once get one thing, made once."""

    async def scene() -> tuple[list[int], int]:
        flights, kitchen = SingleFlight[int](), _Kitchen()
        asked = [asyncio.create_task(flights.share("a", kitchen.make)) for _ in range(10)]
        await asyncio.sleep(0)
        kitchen.let.set()
        return await asyncio.gather(*asked), len(flights)

    assert asyncio.run(scene()) == ([1] * 10, 0)


def test_one_who_leaves_leaves_the_others_alone() -> None:
    """A cancelled request does not cancel what others wait for."""

    async def scene() -> tuple[int, int]:
        flights, kitchen = SingleFlight[int](), _Kitchen()
        first, second = (asyncio.create_task(flights.share("a", kitchen.make)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        kitchen.let.set()
        return await second, kitchen.stopped

    assert asyncio.run(scene()) == (1, 0)


def test_what_nobody_waits_for_is_stopped_and_begun_anew() -> None:
    """After the last one left, the making is cancelled and the next one begins again."""

    async def scene() -> tuple[int, int]:
        flights, kitchen = SingleFlight[int](), _Kitchen()
        only = asyncio.create_task(flights.share("a", kitchen.make))
        await asyncio.sleep(0)
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
        kitchen.let.set()
        return await flights.share("a", kitchen.make), kitchen.stopped

    assert asyncio.run(scene()) == (2, 1)


def test_a_failure_is_everybodys_and_not_remembered() -> None:
    """All who wait get the error; the next one tries again."""

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError

    async def scene() -> list[int | BaseException]:
        flights = SingleFlight[int]()
        both = await asyncio.gather(
            flights.share("a", fail), flights.share("a", fail), return_exceptions=True
        )
        with pytest.raises(LookupError):
            await flights.share("a", fail)
        return list(both)

    assert [type(one) for one in asyncio.run(scene())] == [LookupError, LookupError]
