"""An upload as people follow it: a bar of bytes and files, a line for each file, a summary."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shard.model import Status
from shard.planning.upload import ORIGINAL
from shard.report import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console
    from rich.progress import Progress as Bars

    from shard.execution.account import Progress
    from shard.execution.totals import Totals
    from shard.model import Outcome, Task

FILES = logging.getLogger("shard.upload")
"""One line for each file; the console shows only what failed, unless asked for all."""

_log = logging.getLogger("shard")
_FIRST = 5
_LINE_EVERY = 30.0


@dataclass(slots=True)
class Tally:
    """Sums over an upload's outcomes. ``done`` and ``done_bytes``: of all files, skipped included.

    ``failed`` names the first files by reason; ``failures`` counts them.
    """

    done: int = 0
    done_bytes: int = 0
    originals: int = 0
    original_bytes: int = 0
    thumbnails: int = 0
    thumbnail_bytes: int = 0
    skipped: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    failed: dict[str, list[str]] = field(default_factory=dict)
    requests: int = 0

    def add(self, outcomes: tuple[Outcome, ...]) -> None:
        """Add all outcomes of one file."""
        self.done += 1
        self.done_bytes += outcomes[0].bytes_in
        self.requests += outcomes[0].requests
        for outcome in outcomes:
            if outcome.status is Status.WRITTEN and outcome.rendition == ORIGINAL:
                self.originals += 1
                self.original_bytes += outcome.bytes_out
            elif outcome.status is Status.WRITTEN:
                self.thumbnails += 1
                self.thumbnail_bytes += outcome.bytes_out
        self.skipped += all(outcome.status is Status.SKIPPED for outcome in outcomes)
        failed = next((one for one in outcomes if one.status is Status.FAILED), None)
        if failed is not None:
            reason = failed.reason or "error"
            self.failures[reason] += 1
            self.failed.setdefault(reason, [])
            if len(self.failed[reason]) < _FIRST:
                self.failed[reason].append(failed.key)


class Watch:
    """Follows an upload: the account's ``Progress``, and every file's outcomes as they come.

    ``console``: a terminal for a bar; without one there is a line every 30 seconds. ``within``:
    whoever else wants to know (an array's file).
    """

    def __init__(self, console: Console | None, within: Progress | None = None) -> None:
        self.tally = Tally()
        self._console, self._within = console, within
        self._files = self._bytes = 0
        self._bars: Bars | None = None
        self._began = self._next = time.monotonic()

    def ahead(self, files: int, size: int) -> None:
        """Say how much there is to look at."""
        self._files, self._bytes = files, size

    def heard(self, outcomes: tuple[Outcome, ...]) -> None:
        """Count one file, and say what became of it."""
        self.tally.add(outcomes)
        _say(outcomes)

    def begin(self, total: int | None, task: Task) -> None:
        """Put the bar up."""
        self._began, self._next = time.monotonic(), time.monotonic() + _LINE_EVERY
        if self._within is not None:
            self._within.begin(total, task)
        elif self._console is not None:
            self._bars = _bars(self._console)
            self._bars.add_task("upload", total=self._bytes or None, told="")
            self._bars.start()

    def update(self, totals: Totals) -> None:
        """Show how far it is."""
        if self._within is not None:
            self._within.update(totals)
        elif self._bars is not None:
            self._bars.update(
                self._bars.task_ids[0], completed=self.tally.done_bytes, told=self._told()
            )
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY
            done = f"{words.size(self.tally.done_bytes)} of {words.size(self._bytes)}"
            _log.info("%s, %s%s", done, self._told(), self._to_go())

    def end(self, totals: Totals) -> None:
        """Take the bar down."""
        self.update(totals)
        if self._within is not None:
            self._within.end(totals)
        if self._bars is not None:
            self._bars.stop()

    def _told(self) -> str:
        tally, seconds = self.tally, time.monotonic() - self._began
        told = f"{words.number(tally.done)} of {words.plural(self._files, 'file')}"
        if tally.done and seconds > 0:
            rate = words.size(tally.done_bytes / seconds)
            told += f", {tally.done / seconds:.3g} files and {rate} a second"
        failures = tally.failures.total()
        return told + (f", {failures} failed" if failures else "")

    def _to_go(self) -> str:
        done, seconds = self.tally.done_bytes, time.monotonic() - self._began
        if not done or done >= self._bytes:
            return ""
        return f", about {words.duration(seconds / done * (self._bytes - done))} to go"


def _bars(console: Console) -> Bars:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TextColumn("{task.fields[told]}"))
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)


def _say(outcomes: tuple[Outcome, ...]) -> None:
    """Log what became of one file."""
    key = outcomes[0].key
    failed = [one for one in outcomes if one.status is Status.FAILED]
    written = [one for one in outcomes if one.status is Status.WRITTEN]
    if failed:
        stays = any(one.rendition == ORIGINAL for one in failed)
        said = "" if stays else " (the original was uploaded)"
        detail = words.one_line(failed[0].detail or "")
        FILES.error("failed %r: %s: %s%s", key, failed[0].reason, detail, said)
    elif written:
        made = ", ".join(f"{one.output} ({words.size(one.bytes_out)})" for one in written)
        FILES.info("uploaded %r: %s", key, words.one_line(made))
    else:
        FILES.info("skipped %r: %s", key, outcomes[0].reason)


@dataclass(frozen=True, slots=True)
class Where:
    """What the summary names beside its figures; ``log`` is ``None`` where none is kept."""

    source: str
    output: str
    ledger: str
    log: str | None


def text(summary: Mapping[str, Any], tally: Tally, requests: int, where: Where) -> str:
    """Return the summary of an upload, or of one task's share of it."""
    images, seconds = summary["images"], summary["seconds"]
    ended, task = summary["ended_by"], summary["task"]
    share = f" (task {task['index']} of {task['count']})" if task["count"] > 1 else ""
    head = "Uploaded" if ended == "complete" else f"Stopped ({ended})"
    rate = f", {tally.done / seconds:.3g} files a second" if tally.done and seconds > 0 else ""
    lines = [f"{head} after {words.duration(seconds)}{rate}{share}", _row("from", where.source)]
    lines += _files(images)
    lines += _counts(tally)
    if requests:
        lines.append(_row("requests", words.number(requests)))
    left = images["left"]
    if left is None or left:
        files = "some files" if left is None else words.plural(left, "file")
        lines.append(_row("left", f"{files}: run the same command again, it goes on from here"))
    if images["beyond_limit"]:
        more = words.plural(images["beyond_limit"], "file")
        lines.append(_row("beyond", f"{more} after the limit, not looked at"))
    lines += [_row("to", where.output), _row("ledger", where.ledger)]
    if where.log:
        lines.append(_row("log", where.log))
    return "\n".join(lines)


def _files(images: Mapping[str, Any]) -> Iterator[str]:
    listed, mine = images["listed"], images["slice"]
    seen = words.plural(listed, "image") + ("" if mine == listed else f", {mine} mine")
    if ignored := sum(images["ignored"].values()):
        reasons = ", ".join(f"{why} {words.number(n)}" for why, n in images["ignored"].items())
        seen += f"; {words.plural(ignored, 'file')} left out ({reasons})"
    yield _row("files", seen)


def _counts(tally: Tally) -> Iterator[str]:
    sent = f"{words.plural(tally.originals, 'original')} ({words.size(tally.original_bytes)}), "
    sent += words.plural(tally.thumbnails, "thumbnail")
    sent += f" ({words.size(tally.thumbnail_bytes)})"
    yield _row("uploaded", sent)
    yield _row("skipped", f"{words.plural(tally.skipped, 'file')}, there already")
    yield _row("failed", words.plural(tally.failures.total(), "file"))
    for reason, count in tally.failures.most_common():
        keys = tally.failed[reason]
        more = ", ..." if count > len(keys) else ""
        yield f"    {reason}, {words.plural(count, 'file')}: {', '.join(map(repr, keys))}{more}"


def _row(name: str, what: str) -> str:
    return f"  {name:<11} {what}"


def moved(names: Mapping[str, str]) -> str:
    """Return the sentence about thumbnails that are called after the whole file name."""
    first = [f"{key!r} -> {name!r}" for key, name in itertools.islice(names.items(), _FIRST)]
    more = ", ..." if len(names) > len(first) else ""
    what = words.plural(len(names), "thumbnail")
    return f"{what} named after the whole file name, for another file has the short one: " + (
        ", ".join(first) + more
    )
