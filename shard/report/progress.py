"""Consumers of a task's progress: a line now and then, a bar, a file for `shard run`."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from shard.execution.totals import Totals
from shard.report import words

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress as Bars

    from shard.model import Task

_log = logging.getLogger("shard")

PROGRESS_FILE = "SHARD_PROGRESS_FILE"
"""The variable by which `shard run` tells a task where to note how far it is."""

_LINE_EVERY = 30.0
_FILE_EVERY = 0.3


class Lines:
    """A log line every 30 seconds: for logs and wherever there is no terminal."""

    def __init__(self, noun: str = "thumbnail") -> None:
        self._noun = noun
        self._total: int | None = None
        self._started = self._next = time.monotonic()

    def begin(self, total: int | None, task: Task) -> None:
        """Say what one task has ahead."""
        ahead = "" if total is None else f": {words.plural(total, self._noun)}"
        self.start(total, f"task {task.index} of {task.count}{ahead}")

    def start(self, total: int | None, title: str) -> None:
        """Say what is ahead; ``total`` may not be known yet."""
        self._total, self._started = total, time.monotonic()
        self._next = self._started + _LINE_EVERY
        _log.info("%s", title)

    def update(self, totals: Totals, total: int | None = None) -> None:
        """Say how far it is, when it is time to."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _LINE_EVERY
            _log.info("%s", line(totals, total or self._total, now - self._started))

    def end(self, totals: Totals) -> None:
        """Leave the last word to the summary."""


class Silent:
    """Nothing: for who wants none."""

    def begin(self, total: int | None, task: Task) -> None:
        """Say nothing."""

    def start(self, total: int | None, title: str) -> None:
        """Say nothing."""

    def update(self, totals: Totals, total: int | None = None) -> None:
        """Say nothing."""

    def end(self, totals: Totals) -> None:
        """Say nothing."""


class Bar:
    """A bar with rate, time to go and failures, on a terminal."""

    def __init__(self, console: Console, noun: str = "thumbnail") -> None:
        self._console, self._noun = console, noun
        self._bars: Bars | None = None
        self._began = time.monotonic()

    def begin(self, total: int | None, task: Task) -> None:
        """Put the bar up."""
        self.start(
            total, f"task {task.index} of {task.count}" if task.count > 1 else f"{self._noun}s"
        )

    def start(self, total: int | None, title: str) -> None:
        """Put the bar up under a title; ``total`` may not be known yet."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Eta

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            Eta(),
            TextColumn("{task.fields[failed]}"),
        )
        self._bars = Progress(*columns, console=self._console, transient=True)
        self._bars.add_task(title, total=total, rate="", failed="")
        self._bars.start()
        self._began = time.monotonic()

    def update(self, totals: Totals, total: int | None = None) -> None:
        """Move the bar."""
        if self._bars is None:
            return
        failed = totals.failed.total()
        change: dict[str, Any] = {} if total is None else {"total": total}
        self._bars.update(
            self._bars.task_ids[0],
            completed=totals.count,
            rate=words.rate(totals.items_rendered, time.monotonic() - self._began),
            failed=f"[red]{words.plural(failed, 'failure')}" if failed else "",
            **change,
        )

    def end(self, totals: Totals) -> None:
        """Take the bar down."""
        self.update(totals)
        if self._bars is not None:
            self._bars.stop()


class File:
    """A small file that `shard run` reads to show one joint bar for all its tasks."""

    def __init__(self, path: Path) -> None:
        self._path, self._next = path, 0.0
        self._total: int | None = None

    def begin(self, total: int | None, task: Task) -> None:  # noqa: ARG002 - the file is the task's own
        """Note what is ahead."""
        self._total = total
        self._write(Totals())

    def update(self, totals: Totals) -> None:
        """Note how far it is, when it is time to."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _FILE_EVERY
            self._write(totals)

    def end(self, totals: Totals) -> None:
        """Note the last word."""
        self._write(totals)

    def _write(self, totals: Totals) -> None:
        new = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk must not end a task over its progress
            new.write_text(json.dumps({"total": self._total, "totals": totals.to_json()}))
            new.replace(self._path)

    @staticmethod
    def read(path: Path) -> tuple[int | None, Totals] | None:
        """Return a task's total (``None``: not known) and totals; ``None`` before it has begun."""
        try:
            facts = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return facts["total"], Totals.from_json(facts["totals"])


def line(totals: Totals, total: int | None, seconds: float) -> str:
    """Return progress as one line of a log."""
    done = totals.count
    parts = [f"{words.number(done)} of {'?' if total is None else words.number(total)}"]
    parts.append(words.rate(totals.items_rendered, seconds))
    if total and 0 < done < total:
        parts.append(f"about {words.duration(seconds / done * (total - done))} to go")
    if failed := totals.failed.total():
        parts.append(words.plural(failed, "failure"))
    return ", ".join(parts)
