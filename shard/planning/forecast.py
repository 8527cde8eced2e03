"""From what a sample took to what the whole will: time, tasks, memory, requests, dollars.

The model of a task: ``start-up + listing + work of its slice / workers``, where an item's work is
what it computes, divided by the speed of the core, and what a worker waits for its bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from shard.planning import prices, sampling
from shard.planning.sampling import Range

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shard.planning.sampling import Stratum

MOST_TASKS: Final = 10_000
"""What Cloud Run Jobs and AWS Batch take."""

MODEL_ERROR: Final = 0.10
"""Half-width, as a share, of what the sample cannot tell: a machine's mood, slower neighbours."""

_PAGE: Final = 1000
_CHECKPOINT: Final = 30.0
_TAIL: Final = 64
_PARTS: Final = 3
_PROCESS: Final = 80 << 20
_ITEM: Final = 1200
"""Bytes that an item of a slice takes in the task's process, about (not measured)."""
_USABLE: Final = 0.9
_GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Observation:
    """One unit of the sample.

    ``cpu``, ``own``, ``crowded`` and ``waiting`` are seconds here: of the worker's computing, of
    the task's own process's, of a worker kept from it by other programs, or waiting for bytes.
    """

    cpu: float
    own: float
    crowded: float
    waiting: float
    thumbnails: int
    bytes_out: int
    bytes_read: int
    reads: int
    failed: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A task on an engine.

    ``speed`` is what a vCPU does in the time that a core here does 1; ``startup`` the seconds that
    the engine takes to bring the container up; ``cadence`` the least seconds between two images.
    """

    cpus: int
    speed: float
    startup: float
    cadence: float = 0.0

    def work(self, seen: Observation) -> float:
        """Return the worker-seconds that the unit takes in this shape."""
        return max((seen.cpu + seen.own) / self.speed + seen.waiting, self.cadence * self.cpus)


@dataclass(frozen=True, slots=True)
class Sums:
    """The whole's figures; ``work``: seconds of a core here; ``cpu``: the workers' computing."""

    work: Range
    cpu: Range
    thumbnails: Range
    bytes_out: Range
    bytes_read: Range
    reads: Range
    failed: Range

    @classmethod
    def of(cls, strata: Sequence[Stratum], seen: Mapping[int, Observation]) -> Sums:
        """Estimate all sums from the units observed."""

        def total(what: Callable[[Observation], float]) -> Range:
            return sampling.total(strata, {at: what(one) for at, one in seen.items()})

        return cls(
            work=total(lambda one: one.cpu + one.own + one.crowded + one.waiting).wider(
                MODEL_ERROR
            ),
            cpu=total(lambda one: one.cpu).wider(MODEL_ERROR),
            thumbnails=total(lambda one: one.thumbnails),
            bytes_out=total(lambda one: one.bytes_out),
            bytes_read=total(lambda one: one.bytes_read),
            reads=total(lambda one: one.reads),
            failed=sampling.share(strata, {at: one.failed > 0 for at, one in seen.items()}),
        )

    def at_most(self, images: int, renditions: int, size: int) -> Sums:
        """Return the sums cut off at what is possible for so many images of ``size`` bytes.

        A large remote object is read in three parts at most, one of them its last 64 bytes again.
        """
        return replace(
            self,
            thumbnails=self.thumbnails.at_most(renditions),
            bytes_read=self.bytes_read.at_most(size + images * _TAIL),
            reads=self.reads.at_most(images * _PARTS),
        )


@dataclass(frozen=True, slots=True)
class Tasks:
    """How many tasks meet a deadline; ``reason`` says why none do (``count`` is then the best)."""

    count: int
    reason: str | None = None


def tasks_for(room: float, longest: float, seconds: Callable[[int], float]) -> Tasks:
    """Return the fewest tasks of which even the heaviest does its work in ``room`` seconds.

    ``longest`` are the seconds of the longest single image, ``seconds`` gives, for a number of
    tasks, those of the heaviest one's work.
    """
    if room <= 0:
        return Tasks(1, "start-up and listing alone take longer")
    if longest > room:
        return Tasks(1, "the longest single image takes longer")
    count = 1
    while (needed := seconds(count)) > room:
        if count == MOST_TASKS:
            return Tasks(MOST_TASKS, f"even {MOST_TASKS:,} tasks, the most an engine takes, do not")
        count = min(MOST_TASKS, max(count + 1, math.floor(count * needed / room)))
    return Tasks(_fewest(count, room, seconds))


def _fewest(count: int, room: float, seconds: Callable[[int], float]) -> int:
    """Return the fewest tasks that still fit, looking down from ``count`` while they do."""
    while count > 1 and seconds(count - 1) <= room:
        count -= 1
    return count


def memory(worker: int, cpus: int, items: int) -> Range:
    """Return the GiB that a task needs: its own process, its slice, and a worker for each vCPU.

    ``worker`` are the most bytes that a worker held in the sample, its peak image included. The
    range's high end leaves each worker half as much again, for images that were not sampled.
    """
    own = _PROCESS + items * _ITEM
    worker = max(worker, _PROCESS)
    low, value, high = (
        (own + cpus * worker * spare) / _USABLE / _GIB for spare in (1.0, 1.25, 1.5)
    )
    return Range(value, low, high)


@dataclass(frozen=True, slots=True)
class Bill:
    """Requests of the whole job, by kind, and the bytes that it moves.

    ``lists`` are pages of the source's and of the output's listing.
    """

    lists: tuple[int, int]
    gets: Range
    puts: Range
    bytes_read: Range
    bytes_out: Range


def bill(sums: Sums, objects: tuple[int, int], tasks: int, seconds: float) -> Bill:
    """Count requests as the pipeline makes them.

    Every task lists the source and the output (``objects``: how many each holds), 1,000 a page;
    it pins or reads the run's record, reads an earlier ledger, and writes its ledger, two objects,
    at its begin, its end and every 30 of its ``seconds`` between.
    """
    source, output = (tasks * max(1, math.ceil(count / _PAGE)) for count in objects)
    ledger = 2 * (2 + int(seconds // _CHECKPOINT))
    return Bill(
        lists=(source, output),
        gets=sums.reads + 3 * tasks,
        puts=sums.thumbnails + tasks * (1 + ledger),
        bytes_read=sums.bytes_read,
        bytes_out=sums.bytes_out,
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars on one engine, by what they pay for; ``gib`` is the memory that is billed."""

    compute: Range
    requests: Range
    egress: Range
    gib: float

    @property
    def total(self) -> Range:
        """Return all of it; the parts' ranges are added end to end."""
        parts = (self.compute, self.requests, self.egress)
        return Range(
            sum(part.value for part in parts),
            sum(part.low for part in parts),
            sum(part.high for part in parts),
        )


@dataclass(frozen=True, slots=True)
class Size:
    """An array to pay for: seconds of the mean task, number of tasks, vCPUs and GiB of each."""

    seconds: Range
    tasks: int
    cpus: int
    gib: float


def cost(price: prices.Compute, schemes: tuple[str, str], need: Bill, size: Size) -> Cost | None:
    """Return what the job costs on an engine, ``None`` if that has no such machine.

    ``schemes`` are those of source and output; a store without a price (a local disk) costs
    nothing here.
    """
    seconds, cpus, gib = size.seconds, size.cpus, price.memory(size.gib, size.cpus)
    if gib is None:
        return None
    source, output = (prices.store(scheme) for scheme in schemes)
    none = Range.exact(0.0)
    compute = Range(
        *(size.tasks * price.task(s, cpus, gib) for s in (seconds.value, seconds.low, seconds.high))
    )
    reading = (
        need.gets * (source.gets / 1000) + need.lists[0] * source.lists / 1000 if source else none
    )
    writing = (
        need.puts * (output.puts / 1000) + need.lists[1] * output.lists / 1000 if output else none
    )
    comes = source.egress_gb / 1e9 if source and source.cloud != price.cloud else 0.0
    goes = prices.leaving(price.cloud) / 1e9 if output and output.cloud != price.cloud else 0.0
    requests = Range(
        reading.value + writing.value, reading.low + writing.low, reading.high + writing.high
    )
    egress = Range(
        need.bytes_read.value * comes + need.bytes_out.value * goes,
        need.bytes_read.low * comes + need.bytes_out.low * goes,
        need.bytes_read.high * comes + need.bytes_out.high * goes,
    )
    return Cost(compute, requests, egress, gib)
