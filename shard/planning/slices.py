"""What each task of an array would have to do, for any number of tasks, of one listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shard.planning.partition import OWNERS, digest, units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shard.model import Item
    from shard.planning.layout import Layout


@dataclass(frozen=True, slots=True)
class Loads:
    """The heaviest and the lightest task's share of a sum over all items, and the mean."""

    heaviest: float
    lightest: float
    mean: float

    @property
    def skew(self) -> float:
        """How much more than the mean the heaviest task has to do; 1 where all do the same."""
        return self.heaviest / self.mean if self.mean else 1.0


class Slicer:
    """One slice rule over one listing; what does not depend on the count is worked out once.

    ``items`` are unique and sorted by key, those that need no work included: they are sliced too.
    """

    def __init__(self, rule: str, items: Sequence[Item], layout: Layout) -> None:
        self._owners: Callable[[int], list[int]]
        if rule == "hash":
            digests = [digest(layout.group(item.key)) for item in items]
            self._owners = lambda count: [number % count for number in digests]
            self._keys: list[tuple[str, ...]] = [(item.key,) for item in items]
        else:
            units = list(units_of(items, layout))
            self._owners = lambda count: OWNERS[rule](units, count)
            self._keys = [tuple(item.key for item in unit) for unit in units]

    def loads(self, count: int, work: Mapping[str, float]) -> Loads:
        """Return the tasks' shares of ``work`` (by key; what is not in it needs none)."""
        tasks = [0.0] * count
        for owner, keys in zip(self._owners(count), self._keys, strict=True):
            for key in keys:
                tasks[owner] += work.get(key, 0.0)
        return Loads(max(tasks), min(tasks), sum(tasks) / count)
