"""The main job's verb: one task, from its settings to its exit code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shard.errors import StorageError
from shard.execution import intake
from shard.execution.account import Account
from shard.execution.ledger import Ledger
from shard.execution.opening import Opening
from shard.execution.pool import WorkersBroken
from shard.execution.runner import Runner
from shard.execution.signals import Interrupted, Stop
from shard.report import summary as text

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.execution.account import Progress
    from shard.execution.inline import InlinePool
    from shard.execution.pool import Pool
    from shard.execution.run_record import RunRecord
    from shard.execution.work import Recipe
    from shard.planning.settings import TaskSettings

_log = logging.getLogger("shard")


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
            inputs = intake.Listing(
                stop.watch(listing),
                exclude=opening.excluded(record),
                exclude_runs=not settings.source.prefix,
            )
            if pool is None:
                plan = _plan(opening, inputs, opening.recipe(record), stop)
                say(text.dry_run(plan, inputs, opening.output_of(record).url))
                return 0
            return _work(opening, inputs, record, pool, (progress, stop, say))
        finally:
            if pool is not None:
                pool.close()


def _work(
    opening: Opening,
    inputs: intake.Listing,
    record: RunRecord,
    pool: Pool | InlinePool,
    around: tuple[Progress, Stop, Callable[[str], None]],
) -> int:
    settings, recipe = opening.settings, opening.recipe(record)
    progress, stop, say = around
    folder = opening.open_folder(record.run)
    pool.equip(recipe)
    with Ledger(folder, settings.task) as ledger:
        account = Account(
            settings, opening.started, ledger, progress, inputs, pool, opening.workers
        )
        runner = Runner(pool, recipe, opening.bounds, stop, account.settle, account.tick)
        try:
            account.begin(_plan(opening, inputs, recipe, stop))
            pool.grow(min(opening.workers, len(account.plan.chains)))
            left = runner.run(account.plan.chains)
            ended_by, code = _ended(account, stop, left, refused=runner.refused is not None)
        except (Interrupted, WorkersBroken) as error:
            _log.warning("%s", error)
            left, ended_by, code = None, stop.reason or "broken", error.exit_code
        finally:
            progress.end(account.totals)
        if stop.reason:
            ledger.reopen(opening.open_folder(record.run, hurried=True))
        with stop.last_words():
            summary = account.close(ended_by, code, left)
    say(text.task(summary, text.Where(record.run, recipe.output, folder.url)))
    if runner.refused:
        raise StorageError(recipe.output, "the first images were all refused", runner.refused)
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
    with stop.at_once():
        plan = intake.plan(inputs, lambda: stop.watch(opening.existing(recipe)), rules)
    if not inputs.inputs:
        _log.warning("no images below %s: nothing to do", settings.source.url)
    elif not plan.items:
        _log.info("none of the %d images falls to this task's slice", inputs.inputs)
    return plan


def _ended(account: Account, stop: Stop, left: int, *, refused: bool) -> tuple[str, int]:
    """How the attempt ended, in a word, and its exit code."""
    if refused:
        return "refused", 2
    if left and stop.reason:
        return stop.reason, stop.exit_code
    allowed = account.settings.max_failures
    too_many = allowed.exceeded(account.failed_items, account.plan.items)
    return "complete", 1 if too_many else 0
