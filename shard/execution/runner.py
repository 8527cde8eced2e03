"""The task's loop: keep the workers fed within bounds, settle what they say, drain when asked."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from shard.errors import ShardError
from shard.execution.pool import Finished, Lost, Returned, TooHeavy
from shard.model import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shard.execution.pool import PoolEvent
    from shard.execution.signals import Stop
    from shard.execution.supply import Chain
    from shard.execution.work import Recipe, Work

_log = logging.getLogger("shard")

# How long the loop sleeps at most: signals and messages wake it earlier; time-outs are seen then.
_TICK = 0.25
# So many items refused one after the other, from the first on: it is the credentials, not the item.
_REFUSED = 10


class Workers(Protocol):
    """What the loop needs of a pool."""

    @property
    def in_hand(self) -> int:
        """How many items are with workers."""

    @property
    def has_room(self) -> bool:
        """Whether another item can be taken."""

    def submit(self, work: Work) -> None:
        """Hand out an item."""

    def poll(self, timeout: float, wake: int) -> Iterator[PoolEvent]:
        """Yield what happened within ``timeout`` seconds, or until ``wake`` is readable."""

    def drain(self) -> None:
        """Ask for what is not begun."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the loop keeps to.

    ``bytes_in_flight`` bounds the sources in workers' hands, ``cadence`` is the least pause
    between two items (seconds), ``grace`` how long a drain may take (seconds), ``items`` how many
    may be in workers' hands.
    """

    bytes_in_flight: int
    cadence: float = 0.0
    grace: float = 8.0
    items: int | None = None


@dataclass(slots=True)
class Runner:
    """Runs chains of work through a pool.

    ``on_item`` gets each item's outcomes, once; ``on_tick`` is called now and then for progress
    and checkpoints. ``refused`` is set when the stores turn down every item, ``error`` when the
    supply of chains failed; ``settled`` counts items, ``unsettled`` holds the keys of those
    handed out that are not.
    """

    pool: Workers
    recipe: Recipe
    bounds: Bounds
    stop: Stop
    on_item: Callable[[tuple[Outcome, ...]], None]
    on_tick: Callable[[], None]
    refused: str | None = None
    error: ShardError | None = None
    settled: int = 0
    unsettled: dict[int, str] = field(default_factory=dict)
    _feed: Iterator[Chain | None] = field(default_factory=lambda: iter(()))
    _more: bool = False
    _again: deque[Work] = field(default_factory=deque)
    _alone: deque[Work] = field(default_factory=deque)
    _rest: dict[int, list[Work]] = field(default_factory=dict)
    _in_flight: int = 0
    _lonely: bool = False
    _next_at: float = 0.0
    _refusals: int = 0
    _answered: bool = False

    def run(self, chains: Iterable[Chain | None]) -> None:
        """Run until all is settled or the stop is requested.

        ``None`` among the chains means that there may be more in a moment.
        """
        self._feed = iter(chains)
        while not self.stop.requested and self.refused is None:
            self._fill()
            if self.pool.in_hand:
                self._step(0 if self._more else self._pause())
            elif self._waiting_for_cadence:
                self.stop.sleep(self._pause())
            elif self._more:
                self.on_tick()
            else:
                break
        if self.pool.in_hand:
            self._drain()

    @property
    def _has_room(self) -> bool:
        most = self.bounds.items
        if self.bounds.cadence and not self._answered:
            most = 1  # what gathers while the first worker starts would be rendered at once
        within = most is None or self.pool.in_hand < most
        return within and self.pool.has_room

    @property
    def _waiting_for_cadence(self) -> bool:
        return time.monotonic() < self._next_at

    def _pause(self) -> float:
        until = self._next_at - time.monotonic()
        return min(_TICK, until) if until > 0 else _TICK

    def _fill(self) -> None:
        """Hand out items while there is room; suspects and heavy ones go last, one by one."""
        self._more = False
        while self._has_room and not self._lonely and not self._waiting_for_cadence:
            work = self._next()
            if work is None:
                break
            self._submit(work)
        idle = not self.pool.in_hand and not self._more
        if self._alone and idle and not self._waiting_for_cadence:
            self._lonely = True
            self._submit(self._alone.popleft())

    def _next(self) -> Work | None:
        if not self._again:
            chain = self._pull()
            if chain is None:
                return None
            first, *rest = chain.works
            if rest:
                self._rest[first.number] = rest
            self.unsettled.update((work.number, work.item.key) for work in chain.works)
            self._again.append(first)
        work = self._again[0]
        full = self._in_flight + work.item.size > self.bounds.bytes_in_flight
        if full and self.pool.in_hand:
            return None
        return self._again.popleft()

    def _pull(self) -> Chain | None:
        """Take the next chain; after the last one, or an error, there are no more."""
        try:
            for chain in self._feed:
                self._more = chain is None
                return chain
        except ShardError as error:
            self.error = error
        return None

    def _submit(self, work: Work) -> None:
        self._in_flight += work.item.size
        self._next_at = time.monotonic() + self.bounds.cadence
        self.pool.submit(work)

    def _step(self, timeout: float) -> None:
        for event in self.pool.poll(timeout, self.stop.wake):
            if not self._answered:
                self._answered, self._next_at = True, time.monotonic() + self.bounds.cadence
            self._in_flight -= event.work.item.size
            self._lonely = False
            self._settle(event)
        self.on_tick()

    def _settle(self, event: PoolEvent) -> None:
        match event:
            case Finished():
                claims = event.outcomes.claims or self._predicted(event.work)
                self._finish(event.work, event.outcomes.outcomes, claims)
            case Returned():
                self._again.appendleft(event.work)
            case TooHeavy():
                _log.info(
                    "%r takes about %d MiB: later, alone", event.work.item.key, event.needs >> 20
                )
                self._alone.append(replace(event.work, alone=True))
            case Lost() if event.work.attempt == 1:
                _log.warning("%r: %s; it is tried again alone", event.work.item.key, event.detail)
                self._alone.append(replace(event.work, attempt=2, alone=True))
            case Lost():
                self._finish(event.work, lost(event), self._predicted(event.work))

    def _finish(self, work: Work, outcomes: tuple[Outcome, ...], claims: tuple[str, ...]) -> None:
        self.settled += 1
        self.unsettled.pop(work.number, None)
        self.on_item(outcomes)
        self._notice_refusal(outcomes)
        rest = self._rest.pop(work.number, None)
        if rest:
            claimed = dict(work.claimed)
            for key in claims:
                claimed.setdefault(key, work.item.key)
            follower = replace(rest[0], claimed=claimed)
            if rest[1:]:
                self._rest[follower.number] = rest[1:]
            self._again.append(follower)

    def _predicted(self, work: Work) -> tuple[str, ...]:
        """Return the output keys that an item's name suggests, when its content told nothing."""
        layout, renditions = self.recipe.layout, self.recipe.renditions
        return tuple(layout.candidates(work.item.key, rendition)[0] for rendition in renditions)

    def _notice_refusal(self, outcomes: tuple[Outcome, ...]) -> None:
        if self._refusals < 0:
            return
        if not all(map(_is_refusal, outcomes)):
            self._refusals = -1  # something went well, or ill in another way: items differ
            return
        self._refusals += 1
        if self._refusals >= _REFUSED:
            self.refused = outcomes[0].detail

    def _drain(self) -> None:
        """Finish what is being rendered and written, within the grace."""
        deadline = time.monotonic() + self.bounds.grace
        self.pool.drain()
        while self.pool.in_hand and not self.stop.urgent and time.monotonic() < deadline:
            self._step(min(_TICK, max(0.0, deadline - time.monotonic())))


def lost(event: Lost) -> tuple[Outcome, ...]:
    """Return the outcomes of an item that a worker died over twice, the second time alone."""
    return tuple(
        Outcome(
            key=event.work.item.key,
            rendition=rendition,
            status=Status.FAILED,
            reason=event.reason,
            detail=f"{event.detail}, also when tried again alone",
            bytes_in=event.work.item.size,
            attempts=event.work.attempt,
            fingerprint=event.work.item.fingerprint,
        )
        for rendition in event.work.renditions
    )


def _is_refusal(outcome: Outcome) -> bool:
    """Tell whether a store turned the task down, not one object: an object may be unreadable."""
    refused_write = outcome.reason == "access_denied" and outcome.output is not None
    return refused_write or outcome.reason == "bucket_missing"
