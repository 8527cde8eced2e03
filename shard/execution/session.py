"""One attempt of one task: what is to do goes through the pool into the ledger.

The core that every job shares. A job brings four things of its own: a ``Supply`` (what is to do),
a ``Recipe`` (what the workers need to know once), ``Terms`` (what its settings say about an
attempt) and an open pool (``open_pool``). ``run_session`` does the rest, the same for all: ledger,
account, retries, draining on a signal, exit code.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shard.errors import ShardError, StorageError
from shard.execution.account import Account, Measured
from shard.execution.ledger import Ledger
from shard.execution.pool import Pool, WorkersBroken
from shard.execution.runner import Runner, Workers
from shard.execution.signals import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from shard.execution.account import Progress
    from shard.execution.inline import InlinePool
    from shard.execution.runner import Bounds
    from shard.execution.signals import Stop
    from shard.execution.supply import Chain, Supply
    from shard.execution.work import Recipe
    from shard.model import Outcome, Task
    from shard.planning.limits import Allowance
    from shard.storage.base import Store

_log = logging.getLogger("shard")

# So many workers are started before it is known how much there is to do: they import meanwhile.
_EARLY = 4
# After so many outcomes that took no work the loop looks at its workers and at the clock again.
_BREATH = 256


class OpenFolder(Protocol):
    """Opens the run's folder, where its record and ledgers live."""

    def __call__(self, *, hurried: bool = False) -> Store:
        """``hurried``: for last words; a store that is down is given up soon."""


class Crew(Workers, Measured, Protocol):
    """A pool as a session uses it: ``Pool`` or ``InlinePool``."""

    @property
    def ready(self) -> bool:
        """Whether some worker is up."""

    def grow(self, size: int) -> None:
        """Have at least ``size`` workers."""

    def equip(self, recipe: Recipe) -> None:
        """Tell all workers what is to be done."""

    def close(self) -> None:
        """End all workers now."""


def _nobody(outcomes: tuple[Outcome, ...]) -> None:
    """Listen to no outcomes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job's settings say about an attempt. ``texts`` tell them in the ledger, no secrets.

    ``heard`` gets each item's outcomes, beside the ledger. ``job`` is the verb.
    """

    task: Task
    started: datetime
    workers: int
    bounds: Bounds
    max_failures: Allowance
    texts: Mapping[str, str]
    open_folder: OpenFolder
    heard: Callable[[tuple[Outcome, ...]], None] = _nobody
    job: str = "thumbnails"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: its summary, as in the ledger, and the error that broke it off.

    ``unsettled``: the keys of items that were handed out and came to no end.
    """

    summary: dict[str, Any]
    error: ShardError | None = None
    unsettled: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The attempt's exit code; raises the error, if there is one, to be said."""
        if self.error is not None:
            raise self.error
        return int(self.summary["exit"])


def open_pool(
    schemes: Iterable[str], workers: int, silence: float, memory: int | None
) -> Pool | InlinePool:
    """Return a pool whose first workers start at once. Close it in the end.

    ``schemes`` are those of the stores: ``memory`` lives in one process only. ``silence`` is the
    longest that a worker may say nothing while it reads or writes (seconds), ``memory`` the bytes
    that task and workers may hold together.
    """
    if "memory" in schemes:
        from shard.execution.inline import InlinePool

        return InlinePool()
    pool = Pool(silence=silence, memory_limit=memory)
    pool.grow(min(workers, _EARLY))
    return pool


def run_session(
    terms: Terms, supply: Supply, recipe: Recipe, pool: Crew, around: tuple[Progress, Stop]
) -> Ending:
    """Do what ``supply`` has; return how it ended. ``stop`` is in place already.

    Raises ``ShardError`` where the supply cannot be prepared: nothing was made then.
    """
    progress, stop = around
    pool.equip(recipe)
    with Ledger(terms.open_folder(), terms.task) as ledger:
        account = Account(terms, ledger, progress, supply, pool)
        runner = Runner(pool, recipe, terms.bounds, stop, account.settle, account.tick)
        try:
            account.begin(supply.prepare(stop))
            pool.grow(terms.workers if supply.works is None else min(terms.workers, supply.works))
            runner.run(_feed(supply, account.settle))
            left = None if supply.works is None else supply.works - runner.settled
            error = _broken(runner, recipe)
            ended_by, code = _ended(account, stop, left, error)
        except (Interrupted, WorkersBroken) as broken:
            _log.warning("%s", broken)
            left, ended_by, code = None, stop.reason or "broken", broken.exit_code
            error = None
        finally:
            progress.end(account.totals)
        if stop.reason:
            ledger.reopen(terms.open_folder(hurried=True))
        with stop.last_words():
            summary = account.close(ended_by, code, left)
            return Ending(summary, error, tuple(runner.unsettled.values()))


def _feed(supply: Supply, settle: Callable[[tuple[Any, ...]], None]) -> Iterator[Chain | None]:
    """Pass on the work; settle, now and then with a pause, what takes none."""
    settled = 0
    for step in supply.steps():
        if not isinstance(step, tuple):
            yield step
            continue
        settle(step)
        settled += 1
        if settled % _BREATH == 0:
            yield None


def _broken(runner: Runner, recipe: Recipe) -> ShardError | None:
    """Return why the attempt broke off by itself."""
    if runner.refused is not None:
        return StorageError(recipe.output, "the first images were all refused", runner.refused)
    return runner.error


def _ended(
    account: Account, stop: Stop, left: int | None, error: ShardError | None
) -> tuple[str, int]:
    """How the attempt ended, in a word, and its exit code."""
    if error is not None:
        return "refused" if isinstance(error, StorageError) else "broken", error.exit_code
    if left != 0 and stop.reason:
        return stop.reason, stop.exit_code
    too_many = account.terms.max_failures.exceeded(account.failed_items, account.supply.items)
    return "complete", 1 if too_many else 0
