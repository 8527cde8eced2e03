"""The task's loop, with a pool whose workers do what the test says."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from shard.errors import Unavailable
from shard.execution.pool import Finished, Lost, Returned, TooHeavy
from shard.execution.runner import Bounds, Runner
from shard.execution.signals import Stop
from shard.execution.supply import Chain
from shard.execution.work import Done, Recipe, Work
from shard.model import Item, Limits, Outcome, Status
from shard.planning.layout import parse_layout
from shard.planning.renditions import parse_renditions
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shard.execution.pool import PoolEvent

RENDITIONS = parse_renditions("100x100")
RECIPE = Recipe(
    "memory://in",
    "memory://out",
    StorageOptions(),
    RENDITIONS,
    parse_layout("flat", RENDITIONS, "now"),
    Limits(),
)


def _work(number: int, key: str, size: int = 10, **more: object) -> Work:
    return Work(number, Item(key, size), ("100x100",), **more)  # type: ignore[arg-type]


def _written(work: Work, claims: tuple[str, ...] = ()) -> Finished:
    outcome = Outcome(work.item.key, "100x100", Status.WRITTEN)
    return Finished(work, Done(work.number, (outcome,), claims))


@dataclass
class _Pool:
    """Answers one item a poll, by ``answer``; remembers who was in hand together."""

    answer: Callable[[Work], PoolEvent]
    depth: int = 4
    hand: deque[Work] = field(default_factory=deque)
    together: list[list[str]] = field(default_factory=list)
    handed: list[Work] = field(default_factory=list)

    @property
    def in_hand(self) -> int:
        return len(self.hand)

    @property
    def has_room(self) -> bool:
        return len(self.hand) < self.depth

    def submit(self, work: Work) -> None:
        self.hand.append(work)
        self.handed.append(work)
        self.together.append([held.item.key for held in self.hand])

    def poll(self, timeout: float, wake: int) -> Iterator[PoolEvent]:
        yield self.answer(self.hand.popleft())

    def drain(self) -> None:
        self.answer = Returned


@dataclass
class _Result:
    settled: list[Outcome]
    left: int
    refused: str | None


def _go(pool: _Pool, works: list[tuple[Work, ...]], bounds: Bounds | None = None) -> _Result:
    settled: list[Outcome] = []
    with Stop() as stop:
        runner = Runner(pool, RECIPE, bounds or Bounds(1000), stop, settled.extend, lambda: None)
        runner.run([Chain(chain) for chain in works])
        left = sum(map(len, works)) - runner.settled
    return _Result(settled, left, runner.refused)


def test_contested_items_follow_each_other_and_know_who_has_what() -> None:
    """The second of a chain is handed out after the first, with the keys that the first claims."""
    pool = _Pool(lambda work: _written(work, claims=("x.jpg",) if work.number == 0 else ()))

    _go(pool, [(_work(0, "a/x.jpg"), _work(1, "b/x.jpg")), (_work(2, "c/y.jpg"),)])

    order = [work.item.key for work in pool.handed]
    assert order.index("a/x.jpg") < order.index("b/x.jpg")
    assert ["a/x.jpg", "b/x.jpg"] not in [sorted(set(held)) for held in pool.together]
    follower = next(work for work in pool.handed if work.number == 1)
    assert follower.claimed == {"x.jpg": "a/x.jpg"}


def test_an_undecodable_first_still_stands_for_the_key_its_name_suggests() -> None:
    """Without claims of its own the first item of a chain claims its predicted output key."""
    pool = _Pool(_written)

    _go(pool, [(_work(0, "a/x.jpg"), _work(1, "b/x.jpg"))])

    assert pool.handed[1].claimed == {"x.jpg": "a/x.jpg"}


def test_a_suspect_is_tried_again_last_and_alone_then_failed() -> None:
    """What was lost with a worker is tried once more with nobody beside it, then failed."""

    def answer(work: Work) -> PoolEvent:
        if work.item.key == "bad":
            return Lost(work, "crashed", "the worker process was ended by SIGSEGV")
        return _written(work)

    pool = _Pool(answer)
    result = _go(pool, [(_work(n, key),) for n, key in enumerate(["a", "bad", "c", "d"])])

    assert pool.together[-1] == ["bad"]
    assert [work.attempt for work in pool.handed if work.item.key == "bad"] == [1, 2]
    failed = [outcome for outcome in result.settled if outcome.status is Status.FAILED]
    assert [(outcome.key, outcome.reason, outcome.attempts) for outcome in failed] == [
        ("bad", "crashed", 2)
    ]
    assert result.left == 0


def test_what_a_dead_worker_merely_held_is_handed_out_again() -> None:
    """Items that come back untouched are no suspects: same attempt, and settled in the end."""
    returned: set[str] = set()

    def answer(work: Work) -> PoolEvent:
        if work.item.key not in returned:
            returned.add(work.item.key)
            return Returned(work)
        return _written(work)

    pool = _Pool(answer)
    result = _go(pool, [(_work(n, str(n)),) for n in range(6)])

    assert {work.attempt for work in pool.handed} == {1}
    assert sorted(outcome.key for outcome in result.settled) == [str(n) for n in range(6)]


def test_bytes_in_flight_are_bounded_but_one_item_always_goes() -> None:
    """Items in hand together stay under the bound; one that is over it goes by itself."""
    pool = _Pool(_written)
    sizes = [40, 70, 20, 500, 30]

    result = _go(pool, [(_work(n, str(n), size),) for n, size in enumerate(sizes)], Bounds(100))

    assert len(result.settled) == 5
    for held in pool.together:
        total = sum(sizes[int(key)] for key in held)
        assert total <= 100 or len(held) == 1


def test_cadence_keeps_a_pause_between_items() -> None:
    """With a cadence no two items are handed out closer than it."""
    handed: list[float] = []

    class _Watched(_Pool):
        def submit(self, work: Work) -> None:
            handed.append(time.monotonic())
            super().submit(work)

    _go(_Watched(_written), [(_work(n, str(n)),) for n in range(4)], Bounds(1000, cadence=0.05))

    assert all(later - earlier >= 0.05 for earlier, later in pairwise(handed))


def test_a_cadence_begins_with_the_first_answer() -> None:
    """While the first worker starts, nothing gathers that would then be made all at once."""

    class _Starting(_Pool):
        polls = 0

        def poll(self, timeout: float, wake: int) -> Iterator[PoolEvent]:
            self.polls += 1
            if self.polls > 3:
                answered.append(time.monotonic())
                yield from super().poll(timeout, wake)
            else:
                time.sleep(0.03)

        def submit(self, work: Work) -> None:
            submitted.append(time.monotonic())
            super().submit(work)

    answered: list[float] = []
    submitted: list[float] = []
    pool = _Starting(_written)
    _go(pool, [(_work(n, str(n)),) for n in range(3)], Bounds(1000, cadence=0.02))

    assert pool.together[:2] == [["0"], ["1"]]
    assert submitted[1] - answered[0] >= 0.02


def test_a_store_that_refuses_every_item_ends_the_task() -> None:
    """Ten refusals from the start are the credentials' fault: the rest is not even tried."""

    def answer(work: Work) -> PoolEvent:
        failed = Outcome(
            work.item.key, "r", Status.FAILED, "o.jpg", reason="access_denied", detail="no"
        )
        return Finished(work, Done(work.number, (failed,)))

    result = _go(_Pool(answer), [(_work(n, str(n)),) for n in range(100)])

    assert result.refused == "no"
    assert result.left == 100 - len(result.settled)
    assert len(result.settled) < 20


def test_unreadable_objects_are_only_themselves() -> None:
    """Objects that may not be read cost one item each, however many there are of their kind."""

    def answer(work: Work) -> PoolEvent:
        failed = Outcome(work.item.key, "r", Status.FAILED, reason="access_denied", detail="no")
        return Finished(work, Done(work.number, (failed,)))

    result = _go(_Pool(answer), [(_work(n, str(n)),) for n in range(50)])

    assert result.refused is None
    assert len(result.settled) == 50


def test_a_heavy_item_goes_last_and_alone_at_its_first_attempt() -> None:
    """What needs more than a worker's share is made at the end with nobody beside it."""

    def answer(work: Work) -> PoolEvent:
        if work.item.key == "heavy" and not work.alone:
            return TooHeavy(work, 1 << 30)
        return _written(work)

    pool = _Pool(answer)
    result = _go(pool, [(_work(n, key),) for n, key in enumerate(["heavy", "b", "c"])])

    assert pool.together[-1] == ["heavy"]
    assert [work.attempt for work in pool.handed if work.item.key == "heavy"] == [1, 1]
    assert result.left == 0


def test_a_feed_may_have_nothing_yet() -> None:
    """``None`` in the feed is no end: what comes after it is done too, also after a pause."""
    pool = _Pool(_written)
    settled: list[Outcome] = []
    chains = [None, Chain((_work(0, "a"),)), None, None, Chain((_work(1, "b"),)), None]
    with Stop() as stop:
        runner = Runner(pool, RECIPE, Bounds(1000), stop, settled.extend, lambda: None)

        runner.run(chains)

    assert runner.settled == 2
    assert [outcome.key for outcome in settled] == ["a", "b"]


def test_a_feed_that_fails_ends_the_run_after_what_is_in_hand() -> None:
    """An error while looking for work loses nothing that was handed out before it."""
    pool = _Pool(_written)
    settled: list[Outcome] = []

    def chains() -> Iterator[Chain]:
        yield Chain((_work(0, "a"),))
        raise Unavailable("s3://b", "is down")

    with Stop() as stop:
        runner = Runner(pool, RECIPE, Bounds(1000), stop, settled.extend, lambda: None)

        runner.run(chains())

    assert runner.settled == 1
    assert [outcome.key for outcome in settled] == ["a"]
    assert isinstance(runner.error, Unavailable)
