"""All tasks' ledgers of a run, added up: what is done, what is missing, what failed."""

from __future__ import annotations

import json
import operator
import re
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from shard.execution import runs
from shard.execution.spill import local_disk
from shard.execution.totals import Totals
from shard.manifest.sorting import Sorter
from shard.model import Outcome, Status
from shard.report import summary, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shard.execution.run_record import RunRecord
    from shard.storage.base import Store

_LEDGER = re.compile(r"task-(\d{5,})-of-(\d{5,})\.json")
_HELD = 20_000


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task: its attempts so far, and how the last one ended (``None``: not by itself)."""

    index: int
    attempts: int
    ended_by: str | None
    exit: int | None
    seconds: float
    left: int | None
    engine: str = "local"
    workers: int = 1

    @property
    def done(self) -> bool:
        """Whether the last attempt went through its whole slice."""
        return self.ended_by == "complete"


@dataclass(slots=True)
class RunState:
    """A run, read from its folder. ``failed_items`` and ``items`` count images."""

    record: RunRecord
    tasks: dict[int, TaskState] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    items: int = 0
    failed_items: int = 0

    @property
    def missing(self) -> list[int]:
        """Indexes of the tasks that left no ledger."""
        return [index for index in range(self.record.count) if index not in self.tasks]

    @property
    def unfinished(self) -> list[int]:
        """Indexes of the tasks whose last attempt did not come to its end."""
        return [task.index for task in self.tasks.values() if not task.done]

    @property
    def done(self) -> bool:
        """Whether every task went through its slice."""
        return not self.missing and not self.unfinished


def read(folder: Store, record: RunRecord) -> RunState:
    """Add up the ledgers in a run's folder, one task after the other."""
    state = RunState(record)
    there = {item.key: item for item in folder.list(prefix="task-")}
    for key in sorted(there):
        match = _LEDGER.fullmatch(key)
        if match is None:
            continue
        attempts: list[dict[str, Any]] = json.loads(folder.read(key))["attempts"]
        last, index = attempts[-1], int(match[1])
        state.tasks[index] = TaskState(
            index=index,
            attempts=len(attempts),
            ended_by=last["ended_by"],
            exit=last["exit"],
            seconds=sum(attempt["seconds"] for attempt in attempts),
            left=last["images"]["left"],
            engine=last["engine"],
            workers=last.get("workers", 1),
        )
        totals, items, failed = fold(runs.lines_of(folder, there[f"{key}l"]))
        for attempt in attempts:
            totals.add_ms(attempt["totals"]["ms"])
        state.totals.merge(totals)
        state.items += items
        state.failed_items += failed
    return state


def fold(lines: Iterable[dict[str, Any]]) -> tuple[Totals, int, int]:
    """Return the totals over a ledger's lines, the number of items and of items that failed.

    The last word on each (key, rendition) counts; but what an earlier attempt wrote and a later
    one skipped as fresh is written. Lines beyond the first are sorted on local disk.
    """
    totals, items, failed = Totals(), 0, 0
    lines_by_key: Sorter[Outcome] = Sorter(operator.attrgetter("key"), None, _HELD)
    with closing(lines_by_key), local_disk():
        lines_by_key.extend(map(_outcome, lines))
        for _, said in groupby(lines_by_key, operator.attrgetter("key")):
            outcomes = _last_words(said)
            totals.add_item(outcomes)
            items += 1
            failed += any(outcome.status is Status.FAILED for outcome in outcomes)
    return totals, items, failed


def _last_words(said: Iterable[Outcome]) -> list[Outcome]:
    """Return what counts of all that was said about one item, one a rendition."""
    last: dict[str, Outcome] = {}
    for outcome in said:
        known = last.get(outcome.rendition)
        if known and known.status is Status.WRITTEN and outcome.status is Status.SKIPPED:
            continue
        last[outcome.rendition] = outcome
    return list(last.values())


def _outcome(line: dict[str, Any]) -> Outcome:
    """Return what the sums need of a ledger's line; its times are summed up by attempt."""
    return Outcome(
        key=line["key"],
        rendition=line["rendition"],
        status=Status(line["status"]),
        reason=line.get("reason"),
        bytes_in=line["bytes_in"],
        bytes_out=line["bytes_out"],
        cpu_ms=line.get("cpu_ms", 0.0),
        retryable=line["retryable"],
    )


def text(state: RunState, where: summary.Where, seconds: float | None = None) -> str:
    """Return the run's status for a person. ``seconds``: the run's own, where they are known."""
    done = sum(task.done for task in state.tasks.values())
    started = f"{state.record.started:%Y-%m-%d %H:%M:%S} UTC"
    tasks = words.plural(state.record.count, "task")
    head = [f"Run {state.record.run}, started {started}: {done} of {tasks} done"]
    head += [f"  task {task.index}: {_how(task)}" for task in state.tasks.values() if not task.done]
    stopped = [task for task in state.tasks.values() if task.ended_by and not task.done]
    if any(task.engine == "local" for task in stopped):  # any other starts them again by itself
        head.append("  run the same command again: it goes on from here")
    if state.missing:
        head.append(
            f"  no ledger of {words.plural(len(state.missing), 'task')}: {_ranges(state.missing)}"
        )
    if seconds is None:  # tasks run side by side: the slowest is the least the run can have taken
        seconds = max((task.seconds for task in state.tasks.values()), default=0.0)
    return summary.run(state.totals, seconds, "\n".join(head), where, kind=_kind(state.record))


def _kind(record: RunRecord) -> str:
    if record.manifest is not None:
        return "manifest"
    if record.pyramids is not None:
        return "pyramids"
    return "upload" if record.upload else "job"


def _how(task: TaskState) -> str:
    if task.ended_by is None:
        return f"running, or killed (attempt {task.attempts})"
    left = "an unknown number of images" if task.left is None else words.plural(task.left, "image")
    return f"{task.ended_by}, {left} left (attempt {task.attempts})"


def _ranges(indexes: list[int]) -> str:
    """Return ``0-3, 7`` for [0, 1, 2, 3, 7]."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
