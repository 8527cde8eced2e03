"""A manifest's supply: records stream in, what needs work by them is checked with the store.

Two questions decide about a record. The manifest's own thumbnails tell what needs no work, at no
cost. What seems to need some is looked up again, with its neighbours, before it is handed out: the
manifest may be old, somebody may have made the thumbnail since, the original may have changed or
gone. Both questions have one predicate, ``planning.freshness.decide``.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.execution.recheck import Answer, Found, look
from shard.execution.supply import Chain
from shard.execution.work import Work
from shard.manifest.slices import unit
from shard.model import Outcome, Status
from shard.planning import freshness
from shard.planning.collections import match, parse_original
from shard.planning.stretches import stretches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shard.execution.signals import Stop
    from shard.execution.supply import Step
    from shard.manifest import Record
    from shard.model import Item, Rendition
    from shard.planning.freshness import Decision
    from shard.planning.stretches import Stretch
    from shard.storage.base import Store

# ``collection/originals/``: a listing never spans more.
_DEPTH = 2
_PATIENCE = 0.05
# So long may an answer of the store wait, in seconds, until the last of its images is begun.
_ANSWER_LASTS = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """How far the supply looks ahead of the work: stretches at once, units in each."""

    stretches: int = 4
    units: int = 2000

    @classmethod
    def of(cls, *, local: bool, cadence: float) -> Window:
        """Return the window for a store that is on a disk here or far away.

        A local folder is always listed whole, so there should be few stretches of a huge one. With
        a cadence (seconds an image) the store's answers must not grow old.
        """
        units = 10_000 if local else 2000
        if cadence:
            return cls(1, max(1, min(units, int(_ANSWER_LASTS / cadence))))
        return cls(4, units)


@dataclass(slots=True)
class _Ahead:
    """A stretch of units and what the store says about it, where that is of interest."""

    stretch: Stretch[tuple[Record, ...]]
    needed: frozenset[str]
    answer: Answer | None


@dataclass(slots=True)
class Inventory:
    """The supply of ``shard generate``. ``records`` are this task's, in key order.

    ``expected``: how many records there will be, ``None`` where that is not known. ``images`` is
    the whole manifest's number. ``reasons`` counts the thumbnails handed out, by why; ``at`` is
    the key that the stream has come to.
    """

    records: Iterable[Record]
    store: Store
    renditions: tuple[Rendition, ...]
    window: Window
    limit: int | None = None
    images: int = 0
    expected: int | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)
    items: int = 0
    at: str | None = None
    limited: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    _handed: int = 0
    _spared: int = 0
    _through: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    beyond_limit = 0

    @property
    def listed(self) -> int:
        """Images in the manifest."""
        return self.images

    @property
    def works(self) -> int | None:
        """Images that need work; before the end at most so many."""
        if self._through:
            return self._handed
        return None if self.expected is None else self.expected - self._spared

    @property
    def outcomes(self) -> int | None:
        """Outcomes that the slice will have."""
        return None if self.expected is None else self.expected * len(self.renditions)

    def prepare(self, stop: Stop) -> Iterable[tuple[Outcome, ...]]:  # noqa: ARG002 - as Supply's
        """Have nothing to wait for: all is decided on the way."""
        return ()

    def steps(self) -> Iterator[Step]:
        """Yield work and what needs none, in key order."""
        units = (tuple(g) for _, g in itertools.groupby(self.records, key=_unit_of))
        cut = stretches(units, lambda unit: unit[0].original_key, self.window.units, _DEPTH)
        ahead: deque[_Ahead] = deque()
        more = True
        while more or ahead:
            if more and len(ahead) < self.window.stretches:
                stretch = next(cut, None)
                more = stretch is not None
                if stretch is not None:
                    ahead.append(self._ask(stretch))
            full = not more or len(ahead) == self.window.stretches
            if not ahead or not _is_there(ahead[0].answer, _PATIENCE if full else 0.0):
                yield None
                continue
            yield from self._decide(ahead.popleft())
            if self.limited:
                break
        self._through = True
        self.at = None

    def _ask(self, stretch: Stretch[tuple[Record, ...]]) -> _Ahead:
        """Begin to look up those units of a stretch that need work by the manifest's word."""
        needed = {
            _group_of(record)
            for members in stretch.things
            if any(self._is_needed(record) for record in members)
            for record in members
        }
        folder = None
        if not stretch.whole:
            place = parse_original(stretch.folder + "x")
            folder = place.group[:-1] if place else None
        ask = functools.partial(look, self.store, frozenset(needed), folder)
        return _Ahead(stretch, frozenset(needed), Answer(ask) if needed else None)

    def _is_needed(self, record: Record) -> bool:
        return any(record.decide(rendition.width).needed for rendition in self.renditions)

    def _decide(self, ahead: _Ahead) -> Iterator[Step]:
        found = Found() if ahead.answer is None else ahead.answer.get()
        for members in ahead.stretch.things:
            self.at = members[0].original_key
            for group, of_group in itertools.groupby(sorted(members, key=_group_of), _group_of):
                if group in ahead.needed:
                    steps = self._check(group, list(of_group), found)
                else:
                    steps = (self._fresh(record) for record in of_group)
                yield from steps
                if self.limited:
                    return

    def _check(self, group: str, records: Sequence[Record], found: Found) -> Iterator[Step]:
        """Decide about a group's records by what the store holds now."""
        live = {item.key: item for item in found.originals.get(group, ())}
        for record in records:
            if record.original_key not in live:
                yield self._vanished(record)
        there = [live[record.original_key] for record in records if record.original_key in live]
        thumbnails = found.thumbnails.get(group, [])
        matched = match([live[key] for key in sorted(live)], thumbnails).thumbnails
        decisions = {item.key: self._decisions(item, matched[item.key]) for item in there}
        needed = [item for item in there if any(d.needed for d in decisions[item.key].values())]
        if needed and len(live) > 1:
            yield from self._take(self._contested(there, thumbnails), decisions.values())
            return
        for item in there:
            yield from self._single(item, decisions[item.key])

    def _take(self, chain: Chain, decisions: Iterable[Mapping[str, Decision]]) -> Iterator[Chain]:
        """Hand out work and count it, or note that the limit is reached."""
        if self.limit is not None and self._handed + len(chain.works) > self.limit:
            self.limited = True
            return
        self._handed += len(chain.works)
        self.items += len(chain.works)
        for of_item in decisions:
            self.reasons.update(d.reason for d in of_item.values() if d.needed)
        yield chain

    def _decisions(self, item: Item, thumbnails: Mapping[int, Item]) -> dict[str, Decision]:
        """Decide about each rendition by name."""
        return {
            rendition.name: freshness.decide(
                item, [thumbnails[rendition.width]] if rendition.width in thumbnails else []
            )
            for rendition in self.renditions
        }

    def _single(self, item: Item, decisions: Mapping[str, Decision]) -> Iterator[Step]:
        needed = tuple(name for name, decision in decisions.items() if decision.needed)
        skipped = tuple(
            _skip(item, name, decision.reason, decision.output)
            for name, decision in decisions.items()
            if not decision.needed
        )
        if needed:
            chain = Chain((Work(next(self._numbers), item, needed),))
            yield from self._take(chain, [decisions])
        else:
            self._spare()
        if skipped and not self.limited:
            yield skipped

    def _contested(self, items: Sequence[Item], thumbnails: Sequence[Item]) -> Chain:
        """Have originals of one stem settled in key order, by what their contents are."""
        names = tuple(rendition.name for rendition in self.renditions)
        existing = {thumbnail.key: thumbnail for thumbnail in thumbnails}
        return Chain(
            tuple(
                Work(next(self._numbers), item, names, contested=True, existing=existing)
                for item in items
            )
        )

    def _fresh(self, record: Record) -> tuple[Outcome, ...]:
        """Return the outcomes of a record that needs no work by the manifest's word."""
        self._spare()
        decided = ((r.name, record.decide(r.width)) for r in self.renditions)
        return tuple(_skip(record.item, name, d.reason, d.output) for name, d in decided)

    def _vanished(self, record: Record) -> tuple[Outcome, ...]:
        self._spare()
        return tuple(_skip(record.item, r.name, "vanished", None) for r in self.renditions)

    def _spare(self) -> None:
        self._spared += 1
        self.items += 1


def _is_there(answer: Answer | None, patience: float) -> bool:
    return answer is None or answer.wait(patience)


def _unit_of(record: Record) -> str:
    return unit(record.original_key)


def _group_of(record: Record) -> str:
    place = parse_original(record.original_key)
    return record.base_thumbnail_key if place is None else place.group


def _skip(item: Item, rendition: str, reason: str, output: str | None) -> Outcome:
    return Outcome(
        key=item.key,
        rendition=rendition,
        status=Status.SKIPPED,
        output=output,
        reason=reason,
        bytes_in=item.size,
        fingerprint=item.fingerprint,
    )
