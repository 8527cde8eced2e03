"""What is right and wrong with the outputs of a job: items, listing and ledgers put side by side.

All is decided for one set of groups at a time (``Layout.group``): nothing that lies in one group
can say anything about another, so whoever holds the listings may cut them up by group.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from shard.planning.collisions import contested
from shard.planning.freshness import decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shard.model import Item, Rendition
    from shard.planning.layout import Reversible


class Kind(StrEnum):
    """What an output is, or is not. All but ``FRESH`` and ``OTHER`` are wrong."""

    FRESH = "fresh"
    MISSING = "missing"
    STALE = "stale"
    EMPTY = "empty"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    ORPHAN = "orphan"
    UNDECODABLE = "undecodable"
    OTHER = "other"


EXPECTED: Final = (Kind.FRESH, Kind.MISSING, Kind.STALE, Kind.EMPTY, Kind.FAILED)
"""One of these is said of each rendition of each image."""
WRONG: Final = tuple(kind for kind in Kind if kind not in (Kind.FRESH, Kind.OTHER))


@dataclass(frozen=True, slots=True)
class LastWord:
    """What the ledger said last of one rendition of one item; see ``model.Outcome``."""

    status: str
    reason: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding. ``key`` is the source's, ``output`` the key of what exists; either may lack.

    ``detail`` is a word: the ledger's reason for ``FAILED``, ``written`` where the ledger says
    that what is missing was written, for ``DUPLICATE`` the key of the output that counts.
    """

    kind: Kind
    key: str | None = None
    rendition: str | None = None
    output: Item | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a job was to make of every item, and how it names it."""

    layout: Reversible
    renditions: tuple[Rendition, ...]


Words = dict[tuple[str, str], LastWord]
"""(key, rendition's name) -> the ledger's last word."""


def judge_groups(
    items: Sequence[Item],
    outputs: Mapping[str, Item],
    words: Words,
    rules: Rules,
    others: Iterable[str] = (),
) -> Iterator[Verdict]:
    """Yield a verdict on each rendition of each item, and on each output that is nobody's.

    ``items`` and ``outputs`` hold whole groups; ``others`` are keys of originals of which nothing
    is expected. The first row that fits counts:

    ============================================  ===========================================
    of an item's candidates                       verdict
    ============================================  ===========================================
    one is fresh (``freshness.decide``)           fresh
    the ledger's last word is a failure           failed, with its reason
    the likeliest belongs to an earlier item      failed: collision
    none exists                                   missing
    all that exist are empty                      empty
    any other                                     stale
    ============================================  ===========================================

    Of several that exist for one rendition the others are duplicates.

    ============================================  ===========================================
    of an output that no item claims              verdict
    ============================================  ===========================================
    the layout never names an output so           other
    it belongs to an item, at a size not asked    other
    it belongs to one of the ``others``           other
    any other                                     orphan
    ============================================  ===========================================
    """
    claims = _claims(items, outputs, words, rules)
    owners = {found.key for mine in claims.values() for found in mine}
    for item in items:
        for rendition in rules.renditions:
            mine = claims[item.key, rendition.name]
            word = words.get((item.key, rendition.name))
            taken = not mine and rules.layout.candidates(item.key, rendition)[0] in owners
            yield from _of_item(item, rendition, mine, word, taken=taken)
    unclaimed = [output for output in outputs.values() if output.key not in owners]
    if unclaimed:
        yield from _of_nobody(unclaimed, {*others, *(item.key for item in items)}, rules)


def _of_nobody(unclaimed: Iterable[Item], keys: Iterable[str], rules: Rules) -> Iterator[Verdict]:
    layout = rules.layout
    members: dict[str, list[str]] = {}
    for key in sorted(keys):
        members.setdefault(layout.group(key), []).append(key)
    for output in unclaimed:
        keys = members.get(layout.output_group(output.key), [])
        is_leftover = layout.is_leftover(output.key, keys)
        yield Verdict(Kind.ORPHAN if is_leftover else Kind.OTHER, output=output)


def _of_item(
    item: Item, rendition: Rendition, mine: Sequence[Item], word: LastWord | None, *, taken: bool
) -> Iterator[Verdict]:
    decision = decide(item, mine)
    said = (item.key, rendition.name)
    best = next((o for o in mine if o.key == decision.output), mine[0] if mine else None)
    if not decision.needed:
        yield Verdict(Kind.FRESH, *said, best)
    elif word is not None and word.status == "failed":
        yield Verdict(Kind.FAILED, *said, best, word.reason)
    elif taken:
        yield Verdict(Kind.FAILED, *said, detail="collision")
    else:
        lost = word is not None and word.status == "written" and best is None
        yield Verdict(Kind(decision.reason), *said, best, "written" if lost else None)
    for output in mine:
        if output is not best:
            yield Verdict(Kind.DUPLICATE, *said, output, best.key if best else None)


def _claims(
    items: Sequence[Item], outputs: Mapping[str, Item], words: Words, rules: Rules
) -> dict[tuple[str, str], list[Item]]:
    """Return what exists of each (key, rendition), the best first; no output has two owners.

    Among items that could share an output, what the ledger says comes first, then the names that
    each would have if it is what its extension says, in key order, then the rest in key order.
    """
    claims: dict[tuple[str, str], list[Item]] = {}
    met = contested(items, rules.layout, rules.renditions)
    shared = {item.key for group in met for item in group}
    for item in items:
        for rendition in rules.renditions:
            named = _named(words.get((item.key, rendition.name)))
            keys = dict.fromkeys((*named, *rules.layout.candidates(item.key, rendition)))
            found = [outputs[key] for key in keys if key in outputs]
            claims[item.key, rendition.name] = [] if item.key in shared else found
    for group in met:
        _settle(group, outputs, words, rules, claims)
    return claims


def _settle(
    group: Sequence[Item],
    outputs: Mapping[str, Item],
    words: Words,
    rules: Rules,
    claims: dict[tuple[str, str], list[Item]],
) -> None:
    """Give each output that several items could claim to one of them."""
    taken: set[str] = set()
    wanted = [(item, rendition) for item in group for rendition in rules.renditions]

    def claim(item: Item, rendition: Rendition, keys: Iterable[str]) -> None:
        for key in keys:
            if key in outputs and key not in taken:
                taken.add(key)
                claims[item.key, rendition.name].append(outputs[key])

    for item, rendition in wanted:
        claim(item, rendition, _named(words.get((item.key, rendition.name))))
    for item, rendition in wanted:
        if not claims[item.key, rendition.name]:
            claim(item, rendition, rules.layout.candidates(item.key, rendition)[:1])
    for item, rendition in wanted:
        if not claims[item.key, rendition.name]:
            claim(item, rendition, rules.layout.candidates(item.key, rendition)[1:])


def _named(word: LastWord | None) -> tuple[str, ...]:
    """Return the output that the ledger names, where it says that there is one."""
    return (word.output,) if word and word.output and word.status != "failed" else ()


def _name(verdict: Verdict) -> tuple[str, str]:
    return verdict.key or (verdict.output.key if verdict.output else ""), verdict.rendition or ""


@dataclass(slots=True)
class Tally:
    """Verdicts, counted; ``first`` keeps the first few of each kind, by key.

    ``reasons`` tell why items failed; ``lost`` is missing though the ledger says it was written.
    """

    keep: int = 5
    items: int = 0
    outputs: int = 0
    counts: Counter[Kind] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    first: dict[Kind, list[Verdict]] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.counts[verdict.kind] += 1
        if verdict.kind is Kind.FAILED:
            self.reasons[verdict.detail or "error"] += 1
        self.lost += verdict.kind is Kind.MISSING and verdict.detail == "written"
        first = self.first.setdefault(verdict.kind, [])
        insort(first, verdict, key=_name)
        del first[self.keep :]

    @property
    def expected(self) -> int:
        """How many renditions of images there should be."""
        return sum(self.counts[kind] for kind in EXPECTED)
