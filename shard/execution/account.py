"""A task's account of itself: outcomes counted, recorded, shown, and summed up at the end."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import shard
from shard.errors import StorageError
from shard.execution.totals import Totals
from shard.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shard.execution.ledger import Ledger
    from shard.execution.session import Terms
    from shard.execution.supply import Supply
    from shard.model import Outcome, Task

_log = logging.getLogger("shard")


class Progress(Protocol):
    """Whoever wants to show how far the task is. All counts are of outcomes."""

    def begin(self, total: int | None, task: Task) -> None:
        """Work starts: ``total`` outcomes are to be settled, skipped ones included."""

    def update(self, totals: Totals) -> None:
        """Show how far it is; several calls a second at most."""

    def end(self, totals: Totals) -> None:
        """Work has ended, one way or another."""


class Measured(Protocol):
    """What a pool tells of its processes."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the imaging engines, by name."""

    @property
    def peak_rss(self) -> int:
        """Most bytes that task and workers held together."""


@dataclass(slots=True)
class Account:
    """Consumes a task's outcomes. ``failed_items`` counts images, not renditions."""

    terms: Terms
    ledger: Ledger
    progress: Progress
    supply: Supply
    pool: Measured
    totals: Totals = field(default_factory=Totals)
    failed_items: int = 0
    clock: float = field(default_factory=time.monotonic)

    def begin(self, skipped: Iterable[tuple[Outcome, ...]]) -> None:
        """Show what is ahead and record what needs no work."""
        self.progress.begin(self.supply.outcomes, self.terms.task)
        for outcomes in skipped:
            self.settle(outcomes)
        # So that a SIGKILL in the first seconds leaves word of this attempt.
        self._write(self.summary(None, None, None))

    def settle(self, outcomes: tuple[Outcome, ...]) -> None:
        """Record one item's outcomes."""
        self.ledger.add(outcomes)
        self.totals.add_item(outcomes)
        self.terms.heard(outcomes)
        self.failed_items += any(outcome.status is Status.FAILED for outcome in outcomes)

    def tick(self) -> None:
        """Show progress; now and then write the ledger, so that a SIGKILL loses little of it."""
        self.progress.update(self.totals)
        if self.ledger.checkpoint_due:
            self._write(self.summary(None, None, None))

    def close(self, ended_by: str, code: int, left: int | None) -> dict[str, Any]:
        """Write the ledger for the last time; return the summary that it holds."""
        summary = self.summary(ended_by, code, left)
        if not self._write(summary):
            summary["exit"] = code or 1
        return summary

    def summary(self, ended_by: str | None, code: int | None, left: int | None) -> dict[str, Any]:
        """Return this attempt's facts; ``None`` for what is not known before the end."""
        task, supply = self.terms.task, self.supply
        return {
            "job": self.terms.job,
            "engine": task.engine,
            "workers": self.terms.workers,
            "task": {"index": task.index, "count": task.count},
            "started": self.terms.started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.clock, 2),
            "ended_by": ended_by,
            "exit": code,
            "images": {
                "listed": supply.listed,
                "ignored": dict(supply.ignored),
                "slice": supply.items,
                "failed": self.failed_items,
                "left": left,
                "beyond_limit": supply.beyond_limit,
            },
            "totals": self.totals.to_json(),
            "peak_memory_bytes": self.pool.peak_rss,
            "versions": {"shard": shard.__version__, **self.pool.versions},
            "settings": dict(self.terms.texts),
        }

    def _write(self, summary: dict[str, Any]) -> bool:
        try:
            self.ledger.write(summary)
        except StorageError as error:
            _log.error("the ledger could not be written: %s", error)
            return False
        return True
