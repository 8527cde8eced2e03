"""The batch's worker processes, for a server that wants one thing after the other.

A thread of its own feeds the pool and settles what comes back by the batch's rules: what a worker
died over is tried once more alone, then failed; what takes too much memory beside others waits
until it can have the workers to itself.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from shard.errors import ShardError
from shard.execution.pool import Finished, Lost, Returned, TooHeavy, WorkersBroken
from shard.execution.processes import hush
from shard.execution.runner import lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.execution.pool import PoolEvent
    from shard.execution.session import Crew
    from shard.execution.work import Recipe, Work
    from shard.model import Outcome

_log = logging.getLogger("shard")

# A pool at work is looked at so often (time-outs, memory); an idle one wakes by what it is told.
_TICK = 0.25
_IDLE = 5.0
# Workers that do not even start are started again after so many seconds, then twice as many.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class Full(ShardError):
    """As much is waiting as may wait."""

    exit_code = 1


class TooLate(ShardError):
    """It was not made within the time that it was wanted in."""

    exit_code = 1


class Closed(ShardError):
    """The server stops: nothing new is begun."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one item: its outcomes, and the output keys that it stands for."""

    outcomes: tuple[Outcome, ...]
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Staff:
    """Who does the work: ``start`` makes a pool, of ``workers`` processes, told the ``recipe``.

    ``waiting`` items may wait for a worker, ``bytes_in_flight`` bounds sources in workers' hands.
    """

    start: Callable[[], Crew]
    recipe: Recipe
    workers: int
    waiting: int
    bytes_in_flight: int


@dataclass(slots=True)
class _Ask:
    work: Work
    deadline: float
    future: Future[Made] = field(default_factory=Future)


class OnDemand:
    """Makes what is asked for. ``make`` may be called from any thread; close it in the end.

    ``broken`` says why no workers can be had, ``None`` where they can.
    """

    def __init__(self, staff: Staff) -> None:
        self.broken: str | None = None
        self._staff = staff
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._waiting: deque[_Ask] = deque()
        self._alone: deque[_Ask] = deque()
        self._in_hand: dict[int, _Ask] = {}
        self._lonely, self._credit, self._in_flight = False, 0, 0
        self._pool: Crew | None = None
        self._pause, self._start_at = _FIRST_PAUSE, 0.0
        self._closing_by: float | None = None
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        self._thread = threading.Thread(target=self._run, name="on demand", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether some worker has begun to work."""
        pool = self._pool
        return pool is not None and pool.ready

    @property
    def waiting(self) -> int:
        """How many items wait for a worker."""
        return len(self._waiting) + len(self._alone)

    @property
    def in_hand(self) -> int:
        """How many items are with workers."""
        return len(self._in_hand)

    def make(self, work: Work, within: float) -> Future[Made]:
        """Have an item made; the number that it has is replaced.

        The future fails with ``TooLate`` after ``within`` seconds (what a worker has in hand is
        finished all the same), with ``WorkersBroken``, or with ``Closed``; cancel it while it waits
        if nobody wants it any more. What went wrong with the item itself is in the outcomes.
        Raises ``Full`` and ``Closed``.
        """
        ask = _Ask(replace(work, number=next(self._numbers)), time.monotonic() + within)
        with self._lock:
            if self._closing_by is not None:
                raise Closed("the server is stopping")
            if self.waiting >= self._staff.waiting:
                raise Full(f"{self.waiting} images are waiting already; try again in a moment")
            self._waiting.append(ask)
            self._ring()
        return ask.future

    def close(self, grace: float) -> None:
        """Refuse what is new, finish within ``grace`` seconds what was asked for, end the rest."""
        if self._closing_by is not None:
            return
        with self._lock:
            self._closing_by = time.monotonic() + grace
            self._ring()
        self._thread.join()
        os.close(self._wake)
        os.close(self._waker)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._waker, b"!")

    def _run(self) -> None:
        while not self._is_over():
            try:
                self._turn()
            except WorkersBroken as error:
                self._break(error)
            except Exception as error:  # noqa: BLE001 - who waits must be answered, whatever happens
                _log.exception("rendering on demand")
                self._break(WorkersBroken(f"{type(error).__name__}: {error}"))
        self._fail_all(Closed("the server is stopping"))
        if self._pool is not None:
            self._pool.close()

    def _is_over(self) -> bool:
        if self._closing_by is None:
            return False
        return not (self.waiting or self._in_hand) or time.monotonic() >= self._closing_by

    def _turn(self) -> None:
        self._expire()
        if self._pool is None:
            if (pause := self._start_at - time.monotonic()) > 0:
                self._rest(pause)
                return
            self._pool = self._staff.start()
            self._pool.equip(self._staff.recipe)
            self._pool.grow(self._staff.workers)
        self._fill(self._pool)
        busy = self._in_hand or self.waiting or self._closing_by is not None
        for event in self._pool.poll(_TICK if busy else _IDLE, self._wake):
            self._settle(event)
        if self._pool.ready:
            self.broken, self._pause = None, _FIRST_PAUSE

    def _rest(self, pause: float) -> None:
        """Refuse, while no workers can be had, what is asked for."""
        self._fail_all(WorkersBroken(self.broken or "no workers"))
        if wait([self._wake], min(pause, _IDLE)):
            hush(self._wake)

    def _expire(self) -> None:
        """Refuse what is late; what nobody waits for any more takes no place in the queue."""
        now = time.monotonic()
        for ask in (*self._waiting, *self._alone, *self._in_hand.values()):
            if now >= ask.deadline and not ask.future.done():
                _refuse(ask, TooLate("it took longer than it was waited for"))
        if any(ask.future.done() for ask in (*self._waiting, *self._alone)):
            with self._lock:
                self._waiting = deque(ask for ask in self._waiting if not ask.future.done())
            self._alone = deque(ask for ask in self._alone if not ask.future.done())

    def _fill(self, pool: Crew) -> None:
        """Hand out what waits; heavy ones and suspects when nothing else is in hand.

        They hold up the others for as long as that takes, so those that waited meanwhile have
        their turn before the next one of them.
        """
        while self._waiting and not self._lonely and pool.has_room and not self._is_held_up():
            ask = self._waiting[0]
            full = self._in_flight + ask.work.item.size > self._staff.bytes_in_flight
            if full and self._in_hand:
                return
            with self._lock:
                self._waiting.popleft()
            self._credit -= 1
            self._submit(pool, ask)
        if self._alone and not self._in_hand and not self._lonely:
            self._lonely = self._submit(pool, self._alone.popleft())

    def _is_held_up(self) -> bool:
        return bool(self._alone) and self._credit <= 0

    def _submit(self, pool: Crew, ask: _Ask) -> bool:
        """Hand it out; not if it is no longer wanted. ``False``: it was not."""
        is_new = not ask.future.running()
        if ask.future.done() or (is_new and not ask.future.set_running_or_notify_cancel()):
            return False
        self._in_hand[ask.work.number] = ask
        self._in_flight += ask.work.item.size
        pool.submit(ask.work)
        return True

    def _settle(self, event: PoolEvent) -> None:
        ask = self._in_hand.pop(event.work.number)
        self._in_flight -= ask.work.item.size
        if self._lonely:
            self._lonely, self._credit = False, len(self._waiting)
        match event:
            case Finished():
                _answer(ask, Made(event.outcomes.outcomes, event.outcomes.claims))
            case Returned():
                with self._lock:
                    self._waiting.appendleft(ask)
            case TooHeavy():
                ask.work = replace(ask.work, alone=True)
                self._alone.append(ask)
            case Lost() if ask.work.attempt == 1:
                _log.warning("%r: %s; it is tried again alone", ask.work.item.key, event.detail)
                ask.work = replace(ask.work, attempt=2, alone=True)
                self._alone.append(ask)
            case Lost():
                _answer(ask, Made(lost(event)))

    def _break(self, error: WorkersBroken) -> None:
        _log.error("no render processes: %s; next try in %g s", error, self._pause)
        self.broken = str(error)
        if self._pool is not None:
            self._pool.close()
        self._pool, self._lonely, self._in_flight = None, False, 0
        self._start_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._fail_all(error)

    def _fail_all(self, error: ShardError) -> None:
        with self._lock:
            asks = [*self._waiting, *self._alone, *self._in_hand.values()]
            self._waiting.clear()
        self._alone.clear()
        self._in_hand.clear()
        for ask in asks:
            _refuse(ask, error)


def _refuse(ask: _Ask, error: ShardError) -> None:
    with contextlib.suppress(InvalidStateError):  # too late already, or cancelled by who asked
        ask.future.set_exception(error)


def _answer(ask: _Ask, made: Made) -> None:
    if not ask.future.done():  # it was too late
        ask.future.set_result(made)
