"""What this task has to do: list, keep the slice, subtract what is fresh."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.execution.supply import Chain
from shard.execution.work import Work
from shard.model import Outcome, Status
from shard.planning import freshness
from shard.planning.collisions import contested
from shard.planning.inputs import judge
from shard.planning.partition import slice_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shard.execution.signals import Stop
    from shard.model import Item, Rendition, Task
    from shard.planning.layout import Layout

_log = logging.getLogger("shard")

_RUN_FOLDER = re.compile(r"\d{8}T\d{4}Z/")


@dataclass(slots=True)
class Listing:
    """The source's inputs, streamed; ``ignored`` counts what is no input, by reason.

    ``exclude`` are prefixes that hold outputs; ``exclude_runs`` leaves out the folders that the
    default output of earlier runs made (``YYYYMMDDTHHMMZ/``), when the source is a whole bucket;
    ``accepts`` is the layout's word on keys (``None``: all).
    """

    items: Iterable[Item]
    exclude: Sequence[str]
    exclude_runs: bool = False
    accepts: Callable[[str], bool] | None = None
    inputs: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Item]:
        for item in self.items:
            if self.exclude_runs and _RUN_FOLDER.match(item.key):
                self.ignored["earlier output"] += 1
                continue
            if self.accepts is not None and not self.accepts(item.key):
                self.ignored["no original"] += 1
                continue
            judgement = judge(item, self.exclude)
            if judgement.accepted:
                self.inputs += 1
                yield item
            else:
                self.ignored[judgement.reason] += 1


@dataclass(slots=True)
class Plan:
    """A task's slice, decided: ``chains`` to do and the ``skipped`` outcomes already known."""

    items: int = 0
    chains: list[Chain] = field(default_factory=list)
    skipped: list[tuple[Outcome, ...]] = field(default_factory=list)
    beyond_limit: int = 0

    @property
    def works(self) -> int:
        """How many items need work."""
        return sum(len(chain.works) for chain in self.chains)

    @property
    def outcomes(self) -> int:
        """How many outcomes the slice will have."""
        works = sum(len(work.renditions) for chain in self.chains for work in chain.works)
        return works + sum(len(outcomes) for outcomes in self.skipped)


@dataclass(frozen=True, slots=True)
class Rules:
    """The pure rules of a run that decide what a task has to do."""

    task: Task
    slice: str
    layout: Layout
    renditions: tuple[Rendition, ...]
    overwrite: bool
    limit: int | None


@dataclass(slots=True)
class Slice:
    """A listed source's supply: everything is decided before the work begins.

    ``source`` is its URL. ``existing`` lists what the output holds already.
    """

    source: str
    listing: Listing
    existing: Callable[[], Iterable[Item]]
    rules: Rules
    plan: Plan = field(default_factory=Plan)

    @property
    def listed(self) -> int:
        """Images seen in the source."""
        return self.listing.inputs

    @property
    def ignored(self) -> Mapping[str, int]:
        """Objects that are no inputs, by reason."""
        return self.listing.ignored

    @property
    def items(self) -> int:
        """Images in this task's slice."""
        return self.plan.items

    @property
    def beyond_limit(self) -> int:
        """Images that need work but are over LIMIT."""
        return self.plan.beyond_limit

    @property
    def works(self) -> int:
        """Images that need work."""
        return self.plan.works

    @property
    def outcomes(self) -> int:
        """Outcomes that the slice will have."""
        return self.plan.outcomes

    def prepare(self, stop: Stop) -> Iterable[tuple[Outcome, ...]]:
        """List source and output, decide; return what is fresh."""
        with stop.at_once():
            self.plan = plan(self.listing, lambda: stop.watch(self.existing()), self.rules)
        if not self.listed:
            _log.warning("no images below %s: nothing to do", self.source)
        elif not self.items:
            _log.info("none of the %d images falls to this task's slice", self.listed)
        return self.plan.skipped

    def steps(self) -> Iterator[Chain]:
        """Yield what needs work."""
        yield from self.plan.chains


def plan(listing: Iterable[Item], output: Callable[[], Iterable[Item]], rules: Rules) -> Plan:
    """Decide every item of the task's slice. ``output`` lists what the output holds already.

    Memory grows with the slice, not with the listings (with ``slice`` other than ``hash`` the
    rule itself needs the whole listing once).
    """
    items = slice_items(rules.slice, listing, rules.task, rules.layout)
    result = Plan(items=len(items))
    known = {} if rules.overwrite or not items else _existing(items, output(), rules.layout)
    groups = contested(items, rules.layout, rules.renditions)
    in_groups = {item.key for group in groups for item in group}
    first_of = {group[0].key: group for group in groups}
    numbers = iter(range(len(items)))
    taken = 0
    for item in items:
        if item.key in in_groups:
            group = first_of.get(item.key)
            chain = None if group is None else _contested_chain(group, known, rules, numbers)
        else:
            chain = _single(item, known, rules, numbers, result)
        if chain is None:
            continue
        if rules.limit is not None and taken + len(chain.works) > rules.limit:
            result.beyond_limit += len(chain.works)
            continue
        taken += len(chain.works)
        result.chains.append(chain)
    return result


def _existing(items: Iterable[Item], output: Iterable[Item], layout: Layout) -> dict[str, Item]:
    groups = {layout.group(item.key) for item in items}
    return {item.key: item for item in output if layout.output_group(item.key) in groups}


def _single(
    item: Item,
    existing: Mapping[str, Item],
    rules: Rules,
    numbers: Iterator[int],
    result: Plan,
) -> Chain | None:
    needed: list[str] = []
    fresh: list[Outcome] = []
    for rendition in rules.renditions:
        found = [
            existing[key] for key in rules.layout.candidates(item.key, rendition) if key in existing
        ]
        decision = freshness.decide(item, found, overwrite=rules.overwrite)
        if decision.needed:
            needed.append(rendition.name)
        else:
            fresh.append(_skip(item, rendition, decision.reason, decision.output))
    if fresh:
        result.skipped.append(tuple(fresh))
    return Chain((Work(next(numbers), item, tuple(needed)),)) if needed else None


def _skip(item: Item, rendition: Rendition, reason: str, output: str | None) -> Outcome:
    return Outcome(
        key=item.key,
        rendition=rendition.name,
        status=Status.SKIPPED,
        output=output,
        reason=reason,
        bytes_in=item.size,
        fingerprint=item.fingerprint,
    )


def _contested_chain(
    group: Sequence[Item], existing: Mapping[str, Item], rules: Rules, numbers: Iterator[int]
) -> Chain:
    names = tuple(rendition.name for rendition in rules.renditions)
    works = []
    for item in group:
        candidates = {k for r in rules.renditions for k in rules.layout.candidates(item.key, r)}
        found = {key: existing[key] for key in candidates if key in existing}
        works.append(Work(next(numbers), item, names, contested=True, existing=found))
    return Chain(tuple(works))
