"""A whole scan as one stream: collections taken apart, listed side by side, merged in key order."""

from __future__ import annotations

import heapq
import logging
import operator
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from shard.manifest.discovery import open_collection
from shard.manifest.gathering import Gathering
from shard.manifest.parallel import ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from shard.manifest.discovery import Part
    from shard.manifest.leftovers import Leftover
    from shard.manifest.model import Record
    from shard.storage.base import Store

_log = logging.getLogger("shard")
_BY_KEY = operator.attrgetter("original_key")
_OPENERS = 4
"""So many collections are taken apart at a time, each by several threads."""


@dataclass(slots=True)
class Scan:
    """One pass over the collections below ``store``. ``spool`` is a local folder for large parts.

    ``seen`` is told how many more objects were listed, from any thread; ``leftover`` gets what is
    neither original nor thumbnail of one. ``ignored`` counts all else, by reason, and is complete
    when the records are through.
    """

    store: Store
    names: Sequence[str]
    threads: int
    spool: Path
    seen: Callable[[int], None]
    leftover: Callable[[Leftover], None]
    ignored: Counter[str] = field(default_factory=Counter)

    def records(self) -> Iterator[Record]:
        """Yield every original's record, in key order; ``names`` are in the order of their keys."""
        gathered = ordered(self._gather, self._pieces(), self.threads)
        for _, pieces in groupby(gathered, operator.attrgetter("collection")):
            loose = next(pieces)
            parted = self._parted(pieces)  # noqa: B031 - the rest of the same pass
            yield from heapq.merge(loose.records(), parted, key=_BY_KEY)
            self._finish(loose)

    def _pieces(self) -> Iterator[Gathering | Part]:
        """Yield, collection by collection, the files above its parts, then its parts."""
        for loose, parts in ordered(self._open, self.names, _OPENERS):
            yield loose
            yield from parts

    def _open(self, name: str) -> tuple[Gathering, list[Part]]:
        loose = Gathering(name, self.spool, self.seen, loose=True)
        parts = open_collection(self.store, name, max(1, self.threads // 2), loose.take)
        _log.debug("%s: %d parts to list", name, len(parts))
        return loose, parts

    def _gather(self, piece: Gathering | Part) -> Gathering:
        if isinstance(piece, Gathering):
            gathering = piece
        else:
            gathering = Gathering(piece.collection, self.spool, self.seen)
            gathering.read(self.store, piece)
        gathering.match()
        return gathering

    def _parted(self, pieces: Iterator[Gathering]) -> Iterator[Record]:
        for gathering in pieces:
            yield from gathering.records()
            self._finish(gathering)

    def _finish(self, gathering: Gathering) -> None:
        self.ignored.update(gathering.ignored)
        for leftover in gathering.leftovers:
            self.leftover(leftover)
        gathering.close()
