"""Slices: which items a task owns. Disjoint and together complete, whatever the listing's order.

==============  ========================================================================
rule            an item's owner
==============  ========================================================================
``hash``        by a hash of its key alone: right even while objects come and go
``stride``      sorted by key, every N-th
``contiguous``  sorted by key, blocks whose sizes differ by at most one
``balanced``    by bytes: heaviest first, each to the lightest task so far
==============  ========================================================================

Items that could be given the same output key always have one owner, so that it can settle which
of them is written. All rules but ``hash`` need the whole listing at once.
"""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.collisions import contested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shard.model import Item, Task
    from shard.planning.layout import Layout

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def owner(group: str, count: int) -> int:
    """Return the index, below ``count``, of the task that owns a layout's group of keys."""
    return digest(group) % count


def digest(group: str) -> int:
    """Return the number that says, modulo the count, which task owns a layout's group of keys.

    The unkeyed BLAKE2b (RFC 7693) of the group's UTF-8 bytes (undecodable bytes of file names as
    they are), 8 bytes long, read as a big-endian number: the same on every machine, in every
    version.
    """
    return int.from_bytes(
        blake2b(group.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big"
    )


def slice_items(rule: str, items: Iterable[Item], task: Task, layout: Layout) -> list[Item]:
    """Return the task's slice, sorted by key; a key that the listing repeats counts once.

    With ``hash`` the listing streams by and only the slice is kept. Raises ``SettingError`` for
    an unknown rule.
    """
    if rule == "hash":
        mine = (item for item in items if owner(layout.group(item.key), task.count) == task.index)
        return _unique(mine)
    if rule not in OWNERS:
        raise SettingError("SLICE", rule, ", ".join(("hash", *OWNERS)))
    units = list(units_of(_unique(items), layout))
    owners = OWNERS[rule](units, task.count)
    mine = (
        item for unit, own in zip(units, owners, strict=True) if own == task.index for item in unit
    )
    return sorted(mine, key=lambda item: item.key)


def _unique(items: Iterable[Item]) -> list[Item]:
    """Return the items sorted by key; of a repeated key the newest, whichever came first."""
    found: dict[str, Item] = {}
    for item in items:
        known = found.setdefault(item.key, item)
        if known is not item:
            found[item.key] = max(known, item, key=_age)
    return [found[key] for key in sorted(found)]


def _age(item: Item) -> tuple[datetime, int, str]:
    return (item.modified or _LONG_AGO, item.size, item.fingerprint)


def units_of(items: Sequence[Item], layout: Layout) -> Iterator[Sequence[Item]]:
    """Yield, in order of their first keys, what one task must own: items, contested sets."""
    sets = contested(items, layout, layout.renditions)
    first = {met[0].key: met for met in sets}
    later = {item.key for met in sets for item in met[1:]}
    for item in items:
        if item.key not in later:
            yield first.get(item.key, (item,))


def _stride(units: Sequence[Sequence[Item]], count: int) -> list[int]:
    return [index % count for index in range(len(units))]


def _contiguous(units: Sequence[Sequence[Item]], count: int) -> list[int]:
    """Cut at the items' positions ``total * t // count``; a unit goes where it begins."""
    total = sum(len(unit) for unit in units)
    owners, position = [], 0
    for unit in units:
        owners.append(((position + 1) * count - 1) // total)
        position += len(unit)
    return owners


def _balanced(units: Sequence[Sequence[Item]], count: int) -> list[int]:
    """Longest processing time first: at most 4/3 - 1/(3 * count) of the optimum (Graham, 1969)."""
    weights = [sum(item.size for item in unit) for unit in units]
    # Among equal loads the task with the fewest units, so that empty objects spread as well.
    loads = [(0, 0, index) for index in range(count)]
    owners = [0] * len(units)
    for at in sorted(range(len(units)), key=lambda at: (-weights[at], units[at][0].key)):
        load, taken, index = loads[0]
        heapq.heapreplace(loads, (load + weights[at], taken + 1, index))
        owners[at] = index
    return owners


OWNERS: Final[Mapping[str, Callable[[Sequence[Sequence[Item]], int], list[int]]]] = {
    "stride": _stride,
    "contiguous": _contiguous,
    "balanced": _balanced,
}
