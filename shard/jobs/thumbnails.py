"""The main job's verb: one task, from its settings to its exit code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shard.errors import StorageError
from shard.execution import intake, resources
from shard.execution.account import Account
from shard.execution.inline import InlinePool
from shard.execution.ledger import Ledger
from shard.execution.opening import Opening
from shard.execution.pool import Pool
from shard.execution.runner import Bounds, Runner
from shard.execution.signals import Interrupted, Stop
from shard.report import summary as text

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.execution.account import Progress
    from shard.execution.run_record import RunRecord
    from shard.execution.work import Recipe
    from shard.planning.settings import TaskSettings

_log = logging.getLogger("shard")

# Sources in workers' hands where no memory limit is known; else a quarter of the limit.
_BYTES_IN_FLIGHT = 256_000_000


def run_task(settings: TaskSettings, progress: Progress, say: Callable[[str], None]) -> int:
    """Run one task and return its exit code: 0, 1, 130 or 143.

    ``say`` gets the summary for a person. Raises ``ShardError`` (exit 2) where a setting or an
    input is wrong, before anything is made.
    """
    with Stop(settings.task_timeout) as stop:
        opening = Opening(settings)
        listing, record = opening.begin()
        recipe = opening.recipe(record)
        inputs = intake.Listing(
            stop.watch(listing),
            exclude=opening.excluded(record),
            exclude_runs=not settings.source.prefix,
        )
        if settings.dry_run:
            plan = _plan(opening, inputs, recipe, stop)
            say(text.dry_run(plan, inputs, recipe.output))
            return 0
        return _work(opening, inputs, record, (progress, stop, say))


def _work(
    opening: Opening,
    inputs: intake.Listing,
    record: RunRecord,
    around: tuple[Progress, Stop, Callable[[str], None]],
) -> int:
    settings, recipe = opening.settings, opening.recipe(record)
    progress, stop, say = around
    folder = opening.open_folder(record.run)
    pool = _pool(opening, recipe)
    try:
        with Ledger(folder, settings.task) as ledger:
            account = Account(settings, opening.started, ledger, progress, inputs, pool)
            runner = Runner(pool, recipe, _bounds(settings), stop, account.settle, account.tick)
            try:
                account.begin(_plan(opening, inputs, recipe, stop))
                left = runner.run(account.plan.chains)
            except Interrupted as error:
                _log.warning("%s", error)
                left = None
            finally:
                progress.end(account.totals)
            ended_by, code = _ended(account, stop, left, refused=runner.refused is not None)
            summary = account.close(ended_by, code, left)
    finally:
        pool.close()
    say(text.task(summary, text.Where(record.run, recipe.output, folder.url)))
    if runner.refused:
        raise StorageError(recipe.source, "every object was refused", runner.refused)
    return int(summary["exit"])


def _plan(opening: Opening, inputs: intake.Listing, recipe: Recipe, stop: Stop) -> intake.Plan:
    settings = opening.settings
    rules = intake.Rules(
        settings.task,
        settings.slice,
        recipe.layout,
        settings.renditions,
        settings.overwrite,
        settings.limit,
    )
    plan = intake.plan(inputs, lambda: stop.watch(opening.existing(recipe)), rules)
    if not inputs.inputs:
        _log.warning("no images below %s: nothing to do", settings.source.url)
    elif not plan.items:
        _log.info("none of the %d images falls to this task's slice", inputs.inputs)
    return plan


def _pool(opening: Opening, recipe: Recipe) -> Pool | InlinePool:
    if any(url.startswith("memory:") for url in (recipe.source, recipe.output)):
        return InlinePool(recipe)  # such a store lives in one process only
    pool = Pool(
        recipe,
        opening.workers,
        depth=recipe.readers + recipe.writers + 2,
        silence=2 * opening.settings.retry_budget + 60.0,
        memory_limit=_memory_limit(opening.settings),
    )
    pool.start()  # they import while the task lists
    return pool


def _memory_limit(settings: TaskSettings) -> int | None:
    return settings.memory_limit or resources.memory_limit()


def _bounds(settings: TaskSettings) -> Bounds:
    limit = _memory_limit(settings)
    in_flight = _BYTES_IN_FLIGHT if limit is None else limit // 4
    return Bounds(in_flight, cadence=settings.cadence, grace=settings.grace)


def _ended(account: Account, stop: Stop, left: int | None, *, refused: bool) -> tuple[str, int]:
    """How the attempt ended, in a word, and its exit code. ``left`` is ``None`` if unknown."""
    if refused:
        return "refused", 2
    if left != 0 and stop.reason:
        return stop.reason, stop.exit_code
    allowed = account.settings.max_failures
    too_many = allowed.exceeded(account.failed_items, account.plan.items)
    return "complete", 1 if too_many else 0
