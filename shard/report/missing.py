"""The report `missing`: which originals need work, one by one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from shard.planning.collections import expected_key, parse_original

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shard.manifest import Manifest, Record
    from shard.report.inventory import Row

FIRST = 100


def missing(
    manifest: Manifest, wanted: Collection[str], size: int, *, every: bool
) -> Iterator[Row]:
    """Yield the originals that need a thumbnail of ``size`` pixels, in key order.

    The first 100, or ``every`` one.
    """
    rows = (
        _row(record, decision.reason, size)
        for record in manifest.records(wanted)
        if (decision := record.decide(size)).needed
    )
    return itertools.islice(rows, None if every else FIRST)


def _row(record: Record, reason: str, size: int) -> Row:
    place = parse_original(record.original_key)
    return {
        "collection": record.collection,
        "key": record.original_key,
        "reason": reason,
        "bytes": record.original_size,
        "thumbnail": expected_key(place, size) if place else None,
    }
