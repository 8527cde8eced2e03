"""One part of a collection: its originals and thumbnails listed, matched, put in key order.

A part is sorted here, since stores list in orders of their own (SeaweedFS not by bytes, folders on
disk by their names). What is small stays in memory, what is large goes through runs on local disk.
"""

from __future__ import annotations

import operator
import threading
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from shard.manifest.leftovers import Leftover
from shard.manifest.model import Record, Thumbnail
from shard.manifest.sorting import Sorter
from shard.model import Item
from shard.planning.collections import (
    ORIGINALS,
    THUMBNAILS,
    match,
    parse_original,
    parse_thumbnail,
)
from shard.planning.inputs import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from shard.manifest.discovery import Part
    from shard.planning.collections import Matched
    from shard.storage.base import Store

Entry = tuple[str, str, int, "datetime | None"]
"""A file on its way: the group by which originals and thumbnails meet, key, size, time.

A plain tuple: where there are too many to hold, it is written and read five times faster.
"""

Packed = tuple[str, int, "datetime | None", tuple[tuple[int, str, int, "datetime | None"], ...]]
"""A record on its way, without what follows from its key: half its size, and quick to spill."""

_HELD = 8_000
_HELD_LOOSE = 25_000
_BY_GROUP = operator.itemgetter(0, 1)
_GROUP = operator.itemgetter(0)
_COUNT_EVERY = 500


class Gathering:
    """What one part, or the loose files of a collection, come to.

    ``leftovers`` are in key order; ``ignored`` counts what is neither record nor leftover, by
    reason.
    ``seen`` is told, from time to time, how many more objects were listed.
    """

    def __init__(
        self, collection: str, spool: Path, seen: Callable[[int], None], *, loose: bool = False
    ) -> None:
        held = _HELD_LOOSE if loose else _HELD  # of parts many are in hand at once
        self.collection = collection
        self.ignored: Counter[str] = Counter()
        self._packed: Sorter[Packed] = Sorter(operator.itemgetter(0), spool, held)
        self.leftovers: Sorter[Leftover] = Sorter(operator.attrgetter("key"), spool, held)
        self._originals: Sorter[Entry] = Sorter(_BY_GROUP, spool, held)
        self._thumbnails: Sorter[Entry] = Sorter(_BY_GROUP, spool, held)
        self._seen, self._unsaid = seen, 0
        self._lock = threading.Lock()

    def read(self, store: Store, part: Part) -> None:
        """List one part, both sides."""
        for side in (ORIGINALS, THUMBNAILS):
            begin = f"{part.collection}/{side}/"
            slashes = begin.count("/") + part.depth
            for item in store.list(prefix=begin + part.prefix):
                if item.key.count("/") >= slashes:  # those above were taken one by one
                    self._take(item)

    def take(self, item: Item) -> None:
        """Take one file; from any thread."""
        with self._lock:
            self._take(item)

    def match(self) -> None:
        """Match what was taken."""
        for found in _joined(iter(self._originals), iter(self._thumbnails)):
            self._settle(*found)
        self._originals.close()
        self._thumbnails.close()
        self._seen(self._unsaid)
        self._unsaid = 0

    def records(self) -> Iterator[Record]:
        """Yield the records, in key order."""
        return map(_record, self._packed)

    def close(self) -> None:
        """Let go of everything."""
        self._packed.close()
        self.leftovers.close()

    def _take(self, item: Item) -> None:
        self._unsaid += 1
        if self._unsaid >= _COUNT_EVERY:
            self._seen(self._unsaid)
            self._unsaid = 0
        place = parse_original(item.key)
        if place is not None:
            judgement = judge(item)
            if judgement.accepted:
                self._originals.add((place.group, item.key, item.size, item.modified))
            else:
                self.ignored[judgement.reason] += 1
            return
        name = parse_thumbnail(item.key)
        if name is not None:
            self._thumbnails.add((name.group, item.key, item.size, item.modified))
        elif (reason := judge(item).reason) in ("folder", "state"):
            self.ignored[reason] += 1
        else:
            self.leftovers.add(self._leftover("orphan", item))

    def _settle(self, originals: list[Item], thumbnails: list[Item]) -> None:
        matched = match(originals, thumbnails)
        for item in originals:
            self._packed.add(_packed(item, matched))
        for orphan in matched.orphans:
            self.leftovers.add(self._leftover("orphan", orphan))
        for extra in matched.extras:
            self.leftovers.add(self._leftover("extra", extra))
        for duplicate, winner in matched.duplicates:
            self.leftovers.add(self._leftover("duplicate", duplicate, winner))

    def _leftover(self, kind: str, item: Item, of: str | None = None) -> Leftover:
        return Leftover(kind, self.collection, item.key, item.size, of)


def _joined(
    originals: Iterator[Entry], thumbnails: Iterator[Entry]
) -> Iterator[tuple[list[Item], list[Item]]]:
    """Yield each group's originals and thumbnails; both come sorted by group and key."""
    ours, theirs = groupby(originals, _GROUP), groupby(thumbnails, _GROUP)
    here, there = next(ours, None), next(theirs, None)
    while here or there:
        group = min(side[0] for side in (here, there) if side)
        left: list[Item] = []
        right: list[Item] = []
        if here and here[0] == group:
            left = _items(here[1])
            here = next(ours, None)
        if there and there[0] == group:
            right = _items(there[1])
            there = next(theirs, None)
        yield left, right


def _items(entries: Iterator[Entry]) -> list[Item]:
    """Return the items; one that the listing repeats counts once, the later one."""
    return [*{key: Item(key, size, modified) for _, key, size, modified in entries}.values()]


def _packed(item: Item, matched: Matched) -> Packed:
    thumbnails = matched.thumbnails[item.key].items()
    nested = tuple((scale, found.key, found.size, found.modified) for scale, found in thumbnails)
    return item.key, item.size, item.modified, nested


def _record(packed: Packed) -> Record:
    key, size, modified, nested = packed
    place = parse_original(key)
    if place is None:
        raise AssertionError(key)  # only originals were taken as such
    return Record(
        key,
        size,
        modified,
        place.base_thumbnail_key,
        place.collection,
        place.filename,
        {thumbnail[0]: Thumbnail(*thumbnail) for thumbnail in nested},
    )
