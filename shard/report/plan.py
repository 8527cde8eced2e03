"""A plan, as text for a person and as JSON; and a run held against it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shard.execution.plan_record import Expected, PlanRecord
from shard.planning import prices
from shard.planning.sampling import CONFIDENCE
from shard.report import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from shard.execution.outlook import Array, Here
    from shard.execution.plan_record import Subject
    from shard.planning.forecast import Cost
    from shard.planning.sampling import Range


_WORTH_SAYING = 0.1
_LEAST_DOLLARS = 0.0001


@dataclass(frozen=True, slots=True)
class Listed:
    """What the listings held: ``fresh`` and ``renditions`` count thumbnails, ``size`` is in bytes.

    ``needed`` images of ``size`` have ``renditions`` to be made; ``outputs`` objects exist.
    """

    objects: int
    images: int
    ignored: Mapping[str, int]
    fresh: int
    needed: int
    renditions: int
    size: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What was rendered, and what failed of it: images, bytes, seconds, images by reason."""

    images: int
    size: int
    seconds: float
    failed: Mapping[str, int]
    failed_keys: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a plan says; ``saved`` is where it was saved, ``None`` if it was not."""

    version: str
    created: datetime
    subject: Subject
    output: str
    slice: str
    overwrite: bool
    listed: Listed
    sample: Sample
    here: Here
    array: Array
    deadline: float
    command: str | None
    saved: str | None = None

    @property
    def record(self) -> PlanRecord:
        """Return what is saved of it."""
        sums = self.here.sums
        expected = Expected(
            work={"here": sums.work, "there": self.array.work},
            fixed=self.here.listing,
            skew=self.array.skew,
            cpu=sums.cpu,
            speed=self.array.shape.speed,
            images=self.listed.needed,
            thumbnails=sums.thumbnails,
            bytes_out=sums.bytes_out,
            failed=sums.failed,
        )
        return PlanRecord(self.version, self.created, self.subject, expected, self._details())

    def _details(self) -> dict[str, Any]:
        facts = {name: asdict(getattr(self, name)) for name in ("listed", "sample", "array")}
        for name, cost in self.array.costs.items():
            if cost:
                facts["array"]["costs"][name]["total"] = asdict(cost.total)
        facts["here"] = asdict(self.here)
        return {
            "confidence": CONFIDENCE,
            "deadline": self.deadline,
            "command": self.command,
            "slice": self.slice,
            "overwrite": self.overwrite,
            "prices": {"as_of": prices.AS_OF, "currency": "USD"},
            **facts,
        }

    def to_json(self) -> str:
        """Return the plan as an indented JSON document, the one that is saved."""
        return self.record.to_json().rstrip("\n")


def text(plan: Plan) -> str:
    """Return the plan for a person."""
    lines = [
        f"Plan for {plan.subject.source} -> {plan.output}, renditions {plan.subject.renditions}",
        *_listed(plan),
    ]
    if plan.listed.needed:
        lines += [*_here(plan), *_array(plan), *_slices(plan), *_costs(plan)]
        if not plan.array.tasks.reason:
            lines.append(_row("start it", plan.command or "choose another --cpu: see the cost"))
    if plan.saved and plan.listed.needed:
        lines.append(_row("saved", f"{plan.saved}: `shard status` will hold the run against it"))
    return "\n".join(lines)


def _listed(plan: Plan) -> Iterator[str]:
    listed = plan.listed
    seen = f"{words.plural(listed.objects, 'object')}, {words.plural(listed.images, 'image')}"
    if listed.ignored:
        why = ", ".join(f"{reason} {words.number(n)}" for reason, n in listed.ignored.items())
        seen += f"; no input: {why}"
    yield _row("source", seen)
    if plan.overwrite:
        yield _row("fresh", "not asked: EXISTING is overwrite")
    else:
        yield _row("fresh", words.plural(listed.fresh, "thumbnail"))
    if not listed.needed:
        yield _row("to do", "nothing" if listed.images else "nothing: there are no images")
        return
    yield _row(
        "to do",
        f"{words.plural(listed.renditions, 'thumbnail')} of "
        f"{words.plural(listed.needed, 'image')}, {words.size(listed.size)}",
    )


def _here(plan: Plan) -> Iterator[str]:
    sample, here, sums = plan.sample, plan.here, plan.here.sums
    how = "all of them" if sample.images == plan.listed.needed else "by size and kind"
    yield _row(
        "sample",
        f"{words.plural(sample.images, 'image')} ({how}), {words.size(sample.size)}, rendered in "
        f"{words.duration(sample.seconds)} by {words.plural(here.workers, 'worker')}",
    )
    yield _row("failures", _failures(plan))
    yield _row("thumbnails", f"{_count(sums.thumbnails)}, {_size(sums.bytes_out)}")
    yield _row("to read", f"{_size(sums.bytes_read)} in {_count(sums.reads)} GETs")
    yield _row(
        "here",
        f"{_time(here.seconds)} as one task: {words.duration(here.startup)} to start, "
        f"{words.duration(here.listing)} to list, {_time(sums.cpu)} of computing",
    )
    if here.waiting > _WORTH_SAYING:
        yield _row("", f"workers waited for bytes {here.waiting:.0%} of the time")
    if here.others > _WORTH_SAYING:
        yield _row("", f"other programs took {here.others:.0%} of the cores meanwhile")


def _failures(plan: Plan) -> str:
    sample = plan.sample
    said = f"{_count(plan.here.sums.failed)} expected"
    for reason, count in sample.failed.items():
        keys = sample.failed_keys.get(reason, [])
        more = ", ..." if count > len(keys) else ""
        said += f"\n    {reason}, {words.number(count)} of the sample: "
        said += ", ".join(map(repr, sorted(keys))) + more
    return said


def _array(plan: Plan) -> Iterator[str]:
    array, shape = plan.array, plan.array.shape
    yield (
        f"As an array, to end within {words.duration(plan.deadline)} (--deadline); "
        f"{words.plural(shape.cpus, 'vCPU')} a task (--cpu), each doing {shape.speed:g} of a core "
        f"here (--speed), {words.duration(shape.startup)} to start (--startup)"
    )
    if array.tasks.reason:
        yield _row("deadline", f"cannot be met: {array.tasks.reason}")
    yield _row(
        "tasks", f"{words.number(array.tasks.count)}, the heaviest takes {_time(array.seconds)}"
    )
    yield _row(
        "memory",
        f"{array.gib:g} GiB a task; {array.memory.value:.2f} GiB needed "
        f"({array.memory.low:.2f} to {array.memory.high:.2f})",
    )
    bill = array.bill
    yield _row(
        "requests",
        f"{words.plural(sum(bill.lists), 'list page')}, {_count(bill.gets)} GETs, "
        f"{_count(bill.puts)} PUTs",
    )


def _slices(plan: Plan) -> Iterator[str]:
    array = plan.array
    if array.tasks.count == 1:
        return  # one task has it all, whatever the rule
    yield _row("slice", f"{'heaviest':>14} {'lightest':>14}")
    for rule, loads in array.slices.items():
        heaviest, lightest = array.ends(loads.heaviest), array.ends(loads.lightest)
        mine = "  (SLICE)" if rule == plan.slice else ""
        yield (f"    {rule:<11}{words.duration(heaviest):>14} {words.duration(lightest):>14}{mine}")


def _costs(plan: Plan) -> Iterator[str]:
    yield _row("cost", f"list prices of {prices.AS_OF} in US dollars, free tiers ignored")
    regions = {price.name: price.region for price in prices.COMPUTE}
    for name, cost in plan.array.costs.items():
        if cost is None:
            yield f"    {name:<13} {_none_such(plan)}"
            continue
        parts = f"compute {_dollars(cost.compute.value)}, requests {_dollars(cost.requests.value)}"
        parts += f", egress {_dollars(cost.egress.value)}"
        yield f"    {name:<13} {_money(cost)} ({parts}; {cost.gib:g} GiB a task, {regions[name]})"


def _none_such(plan: Plan) -> str:
    cpus = words.plural(plan.array.shape.cpus, "vCPU")
    return f"has no machine with {cpus} and {plan.array.gib:g} GiB"


def _money(cost: Cost) -> str:
    total = cost.total
    return f"{_dollars(total.value)}, {_dollars(total.low)} to {_dollars(total.high)}"


def _dollars(amount: float) -> str:
    if 0 < amount < _LEAST_DOLLARS:
        return f"<${_LEAST_DOLLARS}"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.4f}" if amount else "$0"


def _time(seconds: Range) -> str:
    value, low, high = map(words.duration, (seconds.value, seconds.low, seconds.high))
    return f"{value} ({low} to {high})" if low != high else value


def _size(count: Range) -> str:
    value, low, high = map(words.size, (count.value, count.low, count.high))
    return f"{value} ({low} to {high})" if low != high else value


def _count(count: Range) -> str:
    value, low, high = (words.number(round(n)) for n in (count.value, count.low, count.high))
    return f"{value} ({low} to {high})" if low != high else value


def _row(name: str, what: str) -> str:
    return f"  {name:<11} {what}"
