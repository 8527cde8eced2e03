"""What a trial tells of the whole job: its time, its tasks, its slices, its bill."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.planning import forecast, prices, sampling
from shard.planning.forecast import Observation, Sums
from shard.planning.location import output_base
from shard.planning.sampling import Range
from shard.planning.settings import SLICES
from shard.planning.slices import Slicer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shard.execution.supply import Chain
    from shard.execution.trial import Trial
    from shard.model import Item
    from shard.planning.forecast import Bill, Cost, Shape, Tasks
    from shard.planning.layout import Layout
    from shard.planning.sampling import Stratum
    from shard.planning.settings import TaskSettings
    from shard.planning.slices import Loads

_COUNTS: Final = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096)
"""Numbers of tasks whose skew is told, for runs with another number than the one planned."""


@dataclass(frozen=True, slots=True)
class View:
    """What the listings told, and how long they took.

    ``items`` are all inputs, ``chains`` those that need work, ``objects`` how many the source and
    the output hold. ``startup`` and ``listing`` are seconds of a task on this machine,
    ``startup_cpu`` what of the first was computing.
    """

    items: Sequence[Item]
    chains: Sequence[Chain]
    objects: tuple[int, int]
    settings: TaskSettings
    layout: Layout
    startup: float
    startup_cpu: float
    listing: float


@dataclass(frozen=True, slots=True)
class Here:
    """One task on this machine. ``seconds``: from its start to its end; the others are parts of it.

    ``waiting`` is the share of the workers' time that they waited for bytes, ``others`` the share
    of the cores that other programs took meanwhile.
    """

    sums: Sums
    strata: int
    workers: int
    startup: float
    listing: float
    seconds: Range
    waiting: float
    others: float


@dataclass(frozen=True, slots=True)
class Array:
    """The job on an engine. ``work`` are worker-seconds there, ``fixed`` a task's before its work.

    ``seconds`` are those of the heaviest task, ``slices`` the tasks' shares of the work by rule,
    ``memory`` what a task needs and ``gib`` what to ask for; ``costs`` by engine, ``None`` for one
    that has no such machine.
    """

    shape: Shape
    work: Range
    fixed: float
    tasks: Tasks
    seconds: Range
    slices: Mapping[str, Loads]
    skew: Mapping[int, float]
    memory: Range
    gib: float
    bill: Bill
    costs: Mapping[str, Cost | None]

    def ends(self, work: float) -> float:
        """Return how many seconds a task takes that has so much work."""
        return self.fixed + work / self.shape.cpus


@dataclass(slots=True)
class _Work:
    """Worker-seconds of every image on the engine, by key; ``longest`` are the longest image's."""

    total: Range
    cpus: int
    by_key: dict[str, float] = field(default_factory=dict)
    longest: float = 0.0

    @classmethod
    def of(
        cls,
        chains: Sequence[Chain],
        strata: Sequence[Stratum],
        observed: Mapping[int, float],
        cpus: int,
    ) -> _Work:
        """Give every unit what was observed of it, or else its stratum's mean."""
        found = cls(sampling.total(strata, observed).wider(forecast.MODEL_ERROR), cpus)
        for stratum, mean in zip(strata, sampling.means(strata, observed), strict=True):
            for at in stratum.members:
                works = chains[at].works
                each = observed.get(at, mean) / len(works)
                found.longest = max(found.longest, each)
                found.by_key.update((work.item.key, each) for work in works)
        return found

    @property
    def relative(self) -> Range:
        """The range as factors of the value."""
        value = self.total.value
        return self.total * (1 / value) if value else Range.exact(1.0)

    def heaviest(self, loads: Loads) -> float:
        """Return the seconds of the heaviest task's work: one image is one worker's."""
        return max(loads.heaviest / self.cpus, self.longest)


def here(view: View, strata: Sequence[Stratum], trial: Trial) -> Here:
    """Return the forecast for this machine."""
    seen = observations(view.chains, strata, trial)
    works = [work for chain in view.chains for work in chain.works]
    renditions, size = (
        sum(len(work.renditions) for work in works),
        sum(work.item.size for work in works),
    )
    sums = Sums.of(strata, seen).at_most(len(works), renditions, size)
    waiting = sum(one.waiting for one in seen.values())
    busy = waiting + sum(one.cpu + one.own + one.crowded for one in seen.values())
    return Here(
        sums=sums,
        strata=len(strata),
        workers=trial.workers,
        startup=view.startup,
        listing=view.listing,
        seconds=sums.work * (1 / trial.workers) + (view.startup + view.listing),
        waiting=waiting / busy if busy else 0.0,
        others=trial.others,
    )


def array(
    view: View, strata: Sequence[Stratum], trial: Trial, wanted: tuple[Shape, float, Sums]
) -> Array:
    """Return the forecast for an engine.

    ``wanted``: a task's shape, the deadline in seconds, the sums as forecast for this machine.
    """
    shape, deadline, sums = wanted
    seen = observations(view.chains, strata, trial)
    times = {at: shape.work(one) for at, one in seen.items()}
    work = _Work.of(view.chains, strata, times, shape.cpus)
    fixed = shape.startup + view.startup_cpu / shape.speed + view.listing
    slicer = Slicer(view.settings.slice, view.items, view.layout)
    worst = work.relative.high
    tasks = forecast.tasks_for(
        deadline - fixed,
        work.longest * worst,
        lambda count: work.heaviest(slicer.loads(count, work.by_key)) * worst,
    )
    slices = {
        rule: Slicer(rule, view.items, view.layout).loads(tasks.count, work.by_key)
        for rule in SLICES
    }
    seconds = work.relative * work.heaviest(slices[view.settings.slice]) + fixed
    held = max(1, len(view.items) // tasks.count)
    memory = forecast.memory(trial.worker_memory, shape.cpus, held)
    bill = forecast.bill(sums, view.objects, tasks.count, seconds.value)
    gib = max(0.5, math.ceil(memory.value / 0.5) * 0.5)
    mean = work.total * (1 / (tasks.count * shape.cpus)) + fixed
    size = forecast.Size(mean, tasks.count, shape.cpus, gib)
    schemes = _schemes(view.settings)
    return Array(
        shape=shape,
        work=work.total,
        fixed=fixed,
        tasks=tasks,
        seconds=seconds,
        slices=slices,
        skew={count: slicer.loads(count, work.by_key).skew for count in _counts(work, tasks)},
        memory=memory,
        gib=gib,
        bill=bill,
        costs={price.name: forecast.cost(price, schemes, bill, size) for price in prices.COMPUTE},
    )


def observations(
    chains: Sequence[Chain], strata: Sequence[Stratum], trial: Trial
) -> dict[int, Observation]:
    """Return what was seen of each unit of the sample, by its position."""
    efforts, found = trial.efforts(), {}
    for at in itertools.chain.from_iterable(stratum.chosen for stratum in strata):
        keys = [work.item.key for work in chains[at].works]
        finishes = [trial.finishes[key] for key in keys]
        found[at] = Observation(
            cpu=sum(efforts[key].cpu for key in keys),
            own=sum(efforts[key].own for key in keys),
            crowded=sum(efforts[key].crowded for key in keys),
            waiting=sum(efforts[key].waiting for key in keys),
            thumbnails=sum(finish.written for finish in finishes),
            bytes_out=sum(o.bytes_out for finish in finishes for o in finish.outcomes),
            bytes_read=sum(finish.outcomes[0].bytes_read for finish in finishes),
            reads=sum(finish.outcomes[0].reads for finish in finishes),
            failed=sum(finish.failed for finish in finishes),
        )
    return found


def _counts(work: _Work, tasks: Tasks) -> list[int]:
    return [count for count in sorted({*_COUNTS, tasks.count}) if 1 < count <= len(work.by_key)]


def _schemes(settings: TaskSettings) -> tuple[str, str]:
    """Return the schemes of source and output, the default output included."""
    output = settings.output or output_base(
        settings.source, settings.output, settings.output_bucket
    )
    return settings.source.scheme, output.scheme
