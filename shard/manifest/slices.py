"""A slice of a manifest: contiguous keys, balanced by the originals' bytes.

A unit, all originals of a folder whose names agree up to the first dot, has one owner: originals
that could share a thumbnail's name are settled by one task. (A name without any dot makes a unit
of its own even where another's stem is the same.) A unit's owner follows from the weight of all
units before it, so any reader that begins at a unit's first record comes to the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shard.manifest.model import Record


def weight(record: Record) -> int:
    """Return what a record weighs: its original's bytes, and one, so that empty ones spread too."""
    return record.original_size + 1


def unit(key: str) -> str:
    """Return what the keys of one unit have in common.

    ==============================  =========================
    key                             unit
    ==============================  =========================
    ``c/originals/a.b/x.jpg``       ``c/originals/a.b/x``
    ``c/originals/a.b/x.1.tif``     ``c/originals/a.b/x``
    ``c/originals/a.b/x-1.jpg``     ``c/originals/a.b/x-1``
    ==============================  =========================
    """
    folder, slash, name = key.rpartition("/")
    return folder + slash + name[:1] + name[1:].partition(".")[0]


def owner(before: int, total: int, count: int) -> int:
    """Return which slice owns a unit that has ``before`` of ``total`` weight before it."""
    return min(before * count // total, count - 1) if total else 0


def owned(
    records: Iterable[Record], before: int, total: int, task: tuple[int, int]
) -> Iterator[Record]:
    """Yield the records of one slice. ``task`` is (index, count).

    ``records`` are in key order, beginning with a unit's first; ``before`` is the weight of all
    earlier ones, ``total`` of all.
    """
    index, count = task
    here, mine = None, -1
    for record in records:
        if (name := unit(record.original_key)) != here:
            here, mine = name, owner(before, total, count)
            if mine > index:
                return
        before += weight(record)
        if mine == index:
            yield record
