"""A run held against the plan that was made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shard.execution.plan_record import Subject
from shard.planning.sampling import Range
from shard.report import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shard.execution.plan_record import PlanRecord
    from shard.report.status import RunState

_HERE = ("local", "generic")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: planned, with its range, and actual, in words of ``say``."""

    name: str
    planned: Range
    actual: float
    say: Callable[[float], str]

    @property
    def ratio(self) -> float | None:
        """Actual over planned, ``None`` where nothing was planned."""
        return self.actual / self.planned.value if self.planned.value else None

    @property
    def within(self) -> bool:
        """Whether the range holds the actual figure, at the precision that is shown."""
        low, value, high = map(self.say, (self.planned.low, self.actual, self.planned.high))
        return self.planned.holds(self.actual) or value in (low, high)


def matches(plan: PlanRecord, state: RunState) -> bool:
    """Tell whether the plan was made for this run, before it, and the run had anything to do."""
    record = state.record
    tried = state.totals.written + state.totals.failed.total()
    return plan.subject == Subject.of(record) and plan.created <= record.started and tried > 0


def rows(plan: PlanRecord, state: RunState) -> Iterator[Row]:
    """Yield the figures; time and rate only of a run that came to its end."""
    expected, totals = plan.expected, state.totals
    if state.done:
        tasks = state.tasks.values()
        workers = min(task.workers for task in tasks)
        where = "here" if all(task.engine in _HERE for task in tasks) else "there"
        took = max(task.seconds for task in tasks)
        time = expected.seconds(state.record.count, workers, where)
        rate = Range(*(expected.images / s for s in (time.value, time.high, time.low)))
        speed = 1.0 if where == "here" else expected.speed
        yield Row("computing", expected.cpu * (1 / speed), totals.cpu_ms / 1000, words.duration)
        yield Row("time", time, took, words.duration)
        yield Row("rate", rate, totals.items_rendered / took if took else 0.0, _rate)
    yield Row("thumbnails", expected.thumbnails, totals.written, _number)
    yield Row("written", expected.bytes_out, totals.bytes_out, words.size)
    yield Row("failures", expected.failed, state.failed_items, _number)


def text(plan: PlanRecord, state: RunState) -> str:
    """Return the comparison as a table."""
    made = f"{plan.created:%Y-%m-%d %H:%M:%S} UTC"
    lines = [
        f"  plan        made {made}; time is the slowest task's, from its listing on",
        f"    {'':<11} {'planned':<36} {'actual':>12}  ratio",
    ]
    for row in rows(plan, state):
        value, low, high = map(row.say, (row.planned.value, row.planned.low, row.planned.high))
        planned = value if low == high else f"{value} ({low} to {high})"
        ratio = "    -" if row.ratio is None else f"{row.ratio:5.2f}"
        verdict = "within the range" if row.within else "outside the range"
        lines.append(
            f"    {row.name:<11} {planned:<36} {row.say(row.actual):>12}  {ratio}  {verdict}"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return words.number(round(value))


def _rate(value: float) -> str:
    return f"{value:.3g}/s"
