"""The task's worker processes: start, hand out, listen, tell a crash from a hang, replace.

A pool of our own because image bytes must not cross the process boundary and each worker reads
ahead: the ready-made pools hand one call at a time to a process (docs/decisions/0003).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

import shard
from shard.errors import ShardError
from shard.execution.processes import hush, manner, resident_bytes
from shard.execution.work import (
    Broken,
    Done,
    Drain,
    Dropped,
    Heavy,
    Ready,
    Rendered,
    Rendering,
    Versions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection

    from shard.execution.work import Message, Recipe, Work

_ENTRY = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from shard.execution.worker import main; main(int(sys.argv[2]))"
)
# Of MEMORY_LIMIT, what task and workers may hold together before the greediest worker goes: the
# rest is for the kernel's page tables and for what grows between two looks.
_MEMORY_SHARE = 0.92
_LOOK_EVERY = 0.25
_FAILED_STARTS, _BOUNCES = 3, 2


class WorkersBroken(ShardError):
    """Worker processes cannot even start."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Finished:
    """An item came back with its outcomes."""

    work: Work
    outcomes: Done


@dataclass(frozen=True, slots=True)
class Returned:
    """An item came back untouched, through no fault of its own."""

    work: Work


@dataclass(frozen=True, slots=True)
class TooHeavy:
    """An item came back undecoded: beside others it would take too much memory."""

    work: Work
    needs: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker died over this item. ``reason`` is a ledger word, ``detail`` the sentence."""

    work: Work
    reason: str
    detail: str


PoolEvent = Finished | Returned | TooHeavy | Lost


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    heard: float
    slot: int = 0
    in_hand: dict[int, Work] = field(default_factory=dict)
    rendering: int | None = None
    since: float = 0.0
    ready: bool = False
    verdict: tuple[str, str] | None = None


class Pool:
    """Worker processes with up to ``depth`` items each in hand.

    Started with what is known at once, ``equip``ped with a recipe when it is known: so the
    interpreters import while the task lists. ``silence`` is how long (seconds) a worker may hold
    items without a word. ``memory_limit`` is in bytes, ``None``: unlimited.
    """

    def __init__(self, *, silence: float, memory_limit: int | None = None) -> None:
        self.peak_rss = self.peak_worker_rss = 0
        self.versions: Mapping[str, str] = {}
        self._recipe: Recipe | None = None
        self._size, self._depth, self._silence = 0, 1, silence
        self._item_timeout = 0.0
        self._memory_limit = memory_limit
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._bounced: Counter[int] = Counter()
        self._looked = 0.0

    def grow(self, size: int) -> None:
        """Bring the pool to ``size`` workers, if it has fewer; from now on it keeps that size."""
        self._size = max(self._size, size)
        while len(self._workers) < self._size:
            self._workers.append(self._spawn())

    def equip(self, recipe: Recipe) -> None:
        """Tell all workers, also those to come, what is to be done."""
        self._recipe, self._item_timeout = recipe, recipe.limits.item_timeout
        self._depth = recipe.depth or recipe.readers + recipe.writers + 2
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.connection.send(recipe.of_worker(worker.slot))

    @property
    def ready(self) -> bool:
        """Whether some worker is up."""
        return any(worker.ready for worker in self._workers)

    @property
    def in_hand(self) -> int:
        """How many items are with workers."""
        return sum(len(worker.in_hand) for worker in self._workers)

    @property
    def has_room(self) -> bool:
        """Whether some worker can take another item."""
        return any(len(worker.in_hand) < self._depth for worker in self._workers)

    def submit(self, work: Work) -> None:
        """Hand the item to the worker that holds the fewest."""
        worker = min(self._workers, key=lambda worker: len(worker.in_hand))
        worker.in_hand[work.number] = work
        worker.heard = max(worker.heard, time.monotonic())
        with contextlib.suppress(OSError):  # a dead worker is noticed, with its items, by poll()
            worker.connection.send(work)

    def poll(self, timeout: float, wake: int) -> Iterator[PoolEvent]:
        """Yield what happened within ``timeout`` seconds, or until ``wake`` becomes readable."""
        by_connection = {worker.connection: worker for worker in self._workers}
        for ready in wait([*by_connection, wake], timeout):
            if ready == wake:
                hush(wake)
                continue
            yield from self._hear(by_connection[ready])  # type: ignore[index]  # wait() is typed for sockets too
        self._look()

    def drain(self) -> None:
        """Ask every worker to give back what it has not begun to render."""
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.connection.send(Drain())

    def close(self) -> None:
        """End all workers now, whatever they do, and reap them."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            worker.connection.close()
        self._workers.clear()

    def _spawn(self) -> _Worker:
        ours, theirs = Pipe(duplex=True)
        root = str(Path(shard.__file__).parent.parent)
        command = [sys.executable, "-c", _ENTRY, root, str(theirs.fileno())]
        # A process group of its own: Ctrl-C in a terminal is for the task, which then decides.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0
        )
        theirs.close()
        # The place of a worker that died is its successor's.
        used = {worker.slot for worker in self._workers}
        slot = next(slot for slot in itertools.count() if slot not in used)
        if self._recipe is not None:
            with contextlib.suppress(OSError):
                ours.send(self._recipe.of_worker(slot))
        return _Worker(process, ours, time.monotonic(), slot)

    def _hear(self, worker: _Worker) -> Iterator[PoolEvent]:
        try:
            while True:
                if event := self._take(worker, worker.connection.recv()):
                    yield event
                if not worker.connection.poll(0):
                    return
        except (EOFError, OSError):
            yield from self._bury(worker)

    def _take(self, worker: _Worker, message: Message) -> PoolEvent | None:
        worker.heard = time.monotonic()
        match message:
            case Ready():
                worker.ready, self._failed_starts = True, 0
            case Versions():
                self.versions = message.versions
            case Rendering():
                worker.rendering, worker.since = message.number, worker.heard
            case Rendered():
                worker.rendering = None
            case Done():
                return Finished(worker.in_hand.pop(message.number), message)
            case Dropped():
                return Returned(worker.in_hand.pop(message.number))
            case Heavy():
                return TooHeavy(worker.in_hand.pop(message.number), message.needs)
            case Broken():
                raise WorkersBroken(message.text)
        return None

    def _bury(self, worker: _Worker) -> Iterator[PoolEvent]:
        """Replace a dead worker, and say what becomes of the items that it held."""
        worker.process.kill()
        code = worker.process.wait()
        worker.connection.close()
        self._workers.remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                raise WorkersBroken(f"worker processes end at once ({manner(code)})")
        reason, detail = worker.verdict or ("crashed", f"the worker process {manner(code)}")
        blamed = self._blamed(worker)
        self.grow(self._size)
        for number, work in worker.in_hand.items():
            yield Lost(work, reason, detail) if number in blamed else Returned(work)

    def _blamed(self, worker: _Worker) -> set[int]:
        """Return the numbers of the items that this worker's end is laid to."""
        if worker.rendering in worker.in_hand:
            return {worker.rendering}
        if worker.verdict:
            return set(worker.in_hand)
        # It died between two renders: none of what it held is the likely cause, unless it happens
        # to the same item again and again.
        self._bounced.update(worker.in_hand.keys())
        return {number for number in worker.in_hand if self._bounced[number] > _BOUNCES}

    def _look(self) -> None:
        """Kill what hangs or outgrows its memory; its end is then heard like any other."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        limit = self._item_timeout
        for worker in self._workers:
            if worker.rendering is not None and now - worker.since > limit:
                self._condemn(worker, "timeout", f"rendering took longer than {limit:g} s")
            elif worker.in_hand and worker.ready and now - worker.heard > self._silence + limit:
                detail = f"no progress in reading or writing for {self._silence + limit:g} s"
                self._condemn(worker, "timeout", detail)
        self._look_at_memory()

    def _look_at_memory(self) -> None:
        sizes = {id(worker): resident_bytes(worker.process.pid) for worker in self._workers}
        total = sum(sizes.values()) + resident_bytes(os.getpid())
        self.peak_rss = max(self.peak_rss, total)
        self.peak_worker_rss = max(self.peak_worker_rss, *sizes.values(), 0)
        if self._memory_limit is None or total <= self._memory_limit * _MEMORY_SHARE:
            return
        rendering = [w for w in self._workers if w.rendering is not None and w.verdict is None]
        if rendering:
            greediest = max(rendering, key=lambda worker: sizes[id(worker)])
            detail = (
                f"task and workers held {total >> 20} MiB of a limit of "
                f"{self._memory_limit >> 20} MiB, {sizes[id(greediest)] >> 20} MiB of it here"
            )
            self._condemn(greediest, "too_much_memory", detail)

    @staticmethod
    def _condemn(worker: _Worker, reason: str, detail: str) -> None:
        if worker.verdict is None:
            worker.verdict = (reason, detail)
            worker.process.kill()
