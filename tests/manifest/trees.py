"""Records and manifests for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shard.manifest.model import Header, Record, Stats, Thumbnail
from shard.manifest.writing import writer
from shard.planning import collections

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from shard.manifest import Manifest

MOMENT = datetime(2026, 1, 7, 1, 56, 26, tzinfo=UTC)
HEADER = Header(
    created_at=datetime(2026, 11, 21, 7, 0, 0, 123456, tzinfo=UTC),
    storage_type="s3",
    s3_endpoint="https://objects.example.org",
    s3_bucket="museum",
    s3_prefix="attachments",
)


def record(key: str, size: int = 1000, scales: Sequence[int] = ()) -> Record:
    """Return a record with fresh thumbnails of these scales."""
    place = collections.parse_original(key)
    assert place is not None
    later = MOMENT + timedelta(days=1, microseconds=5)
    return Record(
        key,
        size,
        MOMENT,
        place.base_thumbnail_key,
        place.collection,
        place.filename,
        {s: Thumbnail(s, collections.expected_key(place, s), 10 + s, later) for s in scales},
    )


def write(path: Path, records: Iterable[Record], header: Header = HEADER) -> dict[str, Stats]:
    """Write a manifest of the form that the suffix says; return its statistics."""
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith(".gz") else path.suffix
    file, stats = writer(suffix, path, header), dict[str, Stats]()
    for one in records:
        stats.setdefault(one.collection, Stats(one.collection)).count(one)
        file.add(one)
    facts = {f: getattr(header, f) for f in ("created_at", "storage_type", "local_root")}
    facts |= {f: getattr(header, f) for f in ("s3_endpoint", "s3_bucket", "s3_prefix")}
    file.close(
        Header(
            **facts,
            collections=tuple(sorted(stats)),
            collection_stats=stats,
            scan_duration_seconds=1.5,
        )
    )
    return stats


def keys(manifest: Manifest, *collections_: str) -> list[str]:
    """Return the originals' keys, in the manifest's order."""
    return [record.original_key for record in manifest.records(collections_)]
