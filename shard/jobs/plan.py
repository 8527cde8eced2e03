"""The verb `plan`: list, render a sample for real, and say what the whole job will take."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

import shard
from shard.execution import intake, plan_record, processes
from shard.execution.opening import Opening
from shard.execution.outlook import View, array, here
from shard.execution.plan_record import Subject
from shard.execution.signals import Interrupted, Stop
from shard.execution.trial import Trial, run_trial
from shard.model import Task
from shard.planning import sampling
from shard.planning.location import output_base
from shard.planning.partition import slice_items
from shard.planning.sampling import Unit
from shard.report import launch
from shard.report import plan as report
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shard.execution.inline import InlinePool
    from shard.execution.outlook import Array, Here
    from shard.execution.pool import Pool
    from shard.execution.run_record import RunRecord
    from shard.execution.supply import Chain
    from shard.execution.totals import Totals
    from shard.execution.work import Recipe
    from shard.model import Item
    from shard.planning.forecast import Shape
    from shard.planning.sampling import Stratum
    from shard.planning.settings import TaskSettings


class Show(Protocol):
    """Whoever shows how far the sample is."""

    def start(self, total: int | None, title: str) -> None:
        """Show up."""

    def update(self, totals: Totals, total: int | None = None) -> None:
        """Show the sums so far."""

    def end(self, totals: Totals) -> None:
        """Go away."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a ``deadline`` (seconds), how many images to sample, tasks of which shape."""

    deadline: float
    sample: int
    shape: Shape
    save: bool = True


@dataclass(slots=True)
class _Seen:
    """What the listings told. ``items`` are all inputs, ``plan`` what of them needs work."""

    items: list[Item]
    plan: intake.Plan
    inputs: intake.Listing
    objects: _Counted
    outputs: _Counted
    seconds: float


@dataclass(slots=True)
class _Counted:
    """Items passed through and counted."""

    items: Iterable[Item] = ()
    count: int = 0

    def __iter__(self) -> Iterator[Item]:
        for item in self.items:
            self.count += 1
            yield item


def run_plan(
    settings: TaskSettings, question: Question, show: Show, say: Callable[[report.Plan], None]
) -> int:
    """Plan the job and return the exit code: 0, or 1 where no number of tasks meets the deadline.

    ``settings`` are a dry run's of one task. ``say`` gets the plan. Raises ``ShardError``, or
    ``Interrupted`` where a signal ends the sample.
    """
    started, computed = processes.age(), time.process_time()
    with Stop() as stop:
        opening = Opening(settings)
        pool = opening.start_pool()
        try:
            with stop.at_once():
                record, recipe, seen = _look(opening, stop)
            strata, chains = _choose(seen.plan, question.sample)
            trial = _try(opening, pool, (recipe, chains), (stop, show))
        finally:
            pool.close()
    view = View(
        items=seen.items,
        chains=seen.plan.chains,
        objects=(seen.objects.count, seen.outputs.count),
        settings=settings,
        layout=recipe.layout,
        startup=started + trial.warm_up,
        startup_cpu=computed,
        listing=seen.seconds,
    )
    ours = here(view, strata, trial)
    wanted = (question.shape, question.deadline, ours.sums)
    outlook = (ours, array(view, strata, trial, wanted))
    plan = _conclude(opening, record, question, (outlook, seen, trial))
    if question.save:
        base = output_base(settings.source, settings.output, settings.output_bucket)
        plan_record.save(open_store(base.url, opening.options), plan.record)
        plan = replace(plan, saved=f"{base.url}/{plan_record.NAME}")
    say(plan)
    return 1 if plan.array.tasks.reason else 0


def _look(opening: Opening, stop: Stop) -> tuple[RunRecord, Recipe, _Seen]:
    """List source and output as a task does, for one task that owns everything."""
    settings, started = opening.settings, time.monotonic()
    listing, record = opening.begin()
    recipe = opening.recipe(record)
    objects = _Counted(stop.watch(listing))
    inputs = intake.Listing(
        objects,
        exclude=opening.excluded(record),
        exclude_runs=not settings.source.prefix,
        accepts=recipe.layout.accepts,
    )
    items = slice_items("hash", inputs, Task(), recipe.layout)
    outputs = _Counted(stop.watch(opening.existing(recipe)))
    rules = intake.Rules(
        Task(), "hash", recipe.layout, settings.renditions, settings.overwrite, None
    )
    plan = intake.plan(items, lambda: outputs, rules)
    return record, recipe, _Seen(items, plan, inputs, objects, outputs, time.monotonic() - started)


def _choose(plan: intake.Plan, wanted: int) -> tuple[list[Stratum], list[Chain]]:
    """Return the strata of what needs work, and their sample in the order it is to be rendered."""
    strata = sampling.stratify([_unit(chain) for chain in plan.chains], wanted)
    return strata, [plan.chains[at] for at in sampling.order(strata)]


def _unit(chain: Chain) -> Unit:
    item = chain.works[0].item
    name = f"{item.key}\0{item.size}".encode("utf-8", "surrogateescape")
    return Unit(
        kind=PurePosixPath(item.key).suffix.lower(),
        size=sum(work.item.size for work in chain.works),
        chance=blake2b(name, digest_size=8).hexdigest(),
    )


def _try(
    opening: Opening,
    pool: Pool | InlinePool,
    what: tuple[Recipe, Sequence[Chain]],
    around: tuple[Stop, Show],
) -> Trial:
    (recipe, chains), (stop, show) = what, around
    if not chains:
        return Trial()
    show.start(sum(len(w.renditions) for c in chains for w in c.works), "rendering the sample")
    trial = run_trial(opening, pool, recipe, chains, (stop, show.update))
    show.end(trial.totals)
    if trial.left:
        raise Interrupted(stop.reason, stop.exit_code)
    return trial


def _conclude(
    opening: Opening,
    record: RunRecord,
    question: Question,
    facts: tuple[tuple[Here, Array], _Seen, Trial],
) -> report.Plan:
    """Put together what is said and saved."""
    outlook, seen, trial = facts
    works = [work for chain in seen.plan.chains for work in chain.works]
    listed = report.Listed(
        objects=seen.objects.count,
        images=len(seen.items),
        ignored=dict(seen.inputs.ignored),
        fresh=sum(map(len, seen.plan.skipped)),
        needed=len(works),
        renditions=sum(len(work.renditions) for work in works),
        size=sum(work.item.size for work in works),
        outputs=seen.outputs.count,
    )
    sample = report.Sample(
        images=len(trial.finishes),
        size=trial.totals.bytes_in,
        seconds=trial.seconds,
        failed=dict(trial.totals.failed_images),
        failed_keys=dict(trial.totals.failed_keys),
    )
    return report.Plan(
        version=shard.__version__,
        created=datetime.now(UTC),
        subject=Subject.of(record),
        output=opening.output_of(record).url,
        slice=opening.settings.slice,
        overwrite=opening.settings.overwrite,
        listed=listed,
        sample=sample,
        here=outlook[0],
        array=outlook[1],
        deadline=question.deadline,
        command=launch.command(opening.settings, outlook[1]),
    )
