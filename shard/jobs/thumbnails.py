"""The main job's verb: one task, from its settings to its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard.execution import intake
from shard.execution.opening import Opening
from shard.execution.session import run_session
from shard.execution.signals import Stop
from shard.report import summary as text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shard.execution.account import Progress
    from shard.execution.run_record import RunRecord
    from shard.execution.work import Recipe
    from shard.model import Item
    from shard.planning.settings import TaskSettings


def run_task(settings: TaskSettings, progress: Progress, say: Callable[[str], None]) -> int:
    """Run one task and return its exit code: 0, 1, 130 or 143.

    ``say`` gets the summary for a person. Raises ``ShardError`` (exit 2) where a setting or an
    input is wrong, before anything is made.
    """
    with Stop(settings.task_timeout) as stop:
        opening = Opening(settings)
        pool = None if settings.dry_run else opening.start_pool()
        try:
            with stop.at_once():
                listing, record = opening.begin()
            recipe = opening.recipe(record)
            supply = _supply(opening, stop.watch(listing), record, recipe)
            if pool is None:
                supply.prepare(stop)
                say(text.dry_run(supply.plan, supply.listing, recipe.output))
                return 0
            ending = run_session(opening.terms(record), supply, recipe, pool, (progress, stop))
            folder = opening.open_folder(record.run)
            say(text.task(ending.summary, text.Where(record.run, recipe.output, folder.url)))
            return ending.exit_code
        finally:
            if pool is not None:
                pool.close()


def _supply(
    opening: Opening, listing: Iterator[Item], record: RunRecord, recipe: Recipe
) -> intake.Slice:
    settings = opening.settings
    inputs = intake.Listing(
        listing,
        exclude=opening.excluded(record),
        exclude_runs=not settings.source.prefix,
        accepts=recipe.layout.accepts,
    )
    rules = intake.Rules(
        settings.task,
        settings.slice,
        recipe.layout,
        settings.renditions,
        settings.overwrite,
        settings.limit,
    )
    return intake.Slice(settings.source.url, inputs, lambda: opening.existing(recipe), rules)
