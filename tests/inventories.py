"""Manifests of small trees, made in the plainest way: everything listed, matched, written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shard.manifest.model import Header, Record, Stats, Thumbnail
from shard.manifest.writing import writer
from shard.planning.collections import match, parse_original, parse_thumbnail
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from pathlib import Path

    from shard.model import Item
    from shard.planning.location import Location


def take(source: Location, path: Path, created: datetime | None = None) -> None:
    """Write the manifest of what lies below ``source`` now; ``path``'s suffix is its form."""
    originals: dict[str, list[Item]] = {}
    thumbnails: dict[str, list[Item]] = {}
    for item in open_store(source.url, StorageOptions()).list():
        if place := parse_original(item.key):
            originals.setdefault(place.group, []).append(item)
        elif name := parse_thumbnail(item.key):
            thumbnails.setdefault(name.group, []).append(item)
    header = _header(source, created or datetime.now(UTC))
    out = writer("." + path.name.partition(".")[2], path, header)
    stats: dict[str, Stats] = {}
    records = [
        record
        for group, items in originals.items()
        for record in _records(sorted(items, key=lambda i: i.key), thumbnails.get(group, []))
    ]
    for record in sorted(records, key=lambda record: record.original_key):
        stats.setdefault(record.collection, Stats(record.collection)).count(record)
        out.add(record)
    out.close(_header(source, header.created_at, stats))


def _header(source: Location, created: datetime, stats: dict[str, Stats] | None = None) -> Header:
    local = source.scheme == "file"
    return Header(
        created_at=created,
        storage_type="local" if local else source.scheme,
        local_root=source.prefix if local else None,
        s3_bucket=source.bucket or None,
        s3_prefix="" if local else source.prefix,
        collections=tuple(stats or ()),
        collection_stats=stats or {},
    )


def _records(originals: list[Item], thumbnails: list[Item]) -> list[Record]:
    matched = match(originals, thumbnails).thumbnails
    found = []
    for item in originals:
        place = parse_original(item.key)
        assert place is not None
        found.append(
            Record(
                item.key,
                item.size,
                item.modified,
                place.base_thumbnail_key,
                place.collection,
                place.filename,
                {
                    scale: Thumbnail(scale, t.key, t.size, t.modified)
                    for scale, t in sorted(matched[item.key].items())
                },
            )
        )
    return found
