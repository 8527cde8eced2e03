"""Which items could be given the same output key: they belong to one task, one after another."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shard.model import Item, Rendition
    from shard.planning.layout import Layout


def contested(
    items: Iterable[Item], layout: Layout, renditions: Sequence[Rendition]
) -> list[list[Item]]:
    """Return the sets of items whose possible output keys meet, each of two or more items.

    Two items are in one set if a chain of shared candidates leads from one to the other. Each set
    and the list of sets are in key order. Keys are unique. Takes time in proportion to the number
    of items: candidates are made only where a layout's group has several members.
    """
    first: dict[str, Item] = {}
    crowded: dict[str, list[Item]] = {}
    for item in items:
        group = layout.group(item.key)
        if group not in first:
            first[group] = item
        else:
            crowded.setdefault(group, [first[group]]).append(item)
    sets = [
        met
        for members in crowded.values()
        for met in _components(sorted(members, key=lambda item: item.key), layout, renditions)
        if len(met) > 1
    ]
    return sorted(sets, key=lambda met: met[0].key)


def _components(
    members: Sequence[Item], layout: Layout, renditions: Sequence[Rendition]
) -> list[list[Item]]:
    """Partition one group's members, in key order, by shared candidates (union-find)."""
    parent = list(range(len(members)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    claimants: dict[str, list[int]] = {}
    for index, item in enumerate(members):
        for rendition in renditions:
            for candidate in layout.candidates(item.key, rendition):
                claimants.setdefault(candidate, []).append(index)
    for met in claimants.values():
        for a, b in pairwise(met):
            parent[root(b)] = root(a)
    sets: dict[int, list[Item]] = {}
    for index, item in enumerate(members):
        sets.setdefault(root(index), []).append(item)
    return list(sets.values())
