"""A manifest's fields as text: records and header to JSON objects and back, forgivingly.

Writing follows the documented fields in their order. Reading takes what is missing or ``null``,
times with and without a zone (without: UTC, but ``created_at`` is the local time of who scanned),
and the older field ``thumbnail_key``.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shard.manifest.model import Header, Record, Thumbnail
from shard.planning import collections

if TYPE_CHECKING:
    from collections.abc import Mapping

Fields = dict[str, Any]


def record_fields(record: Record, prefix: str) -> Fields:
    """Return the JSON object of a record; ``prefix`` is put in front of its keys."""
    return {
        "original_key": prefix + record.original_key,
        "original_size": record.original_size,
        "original_modified": _text(record.original_modified),
        "base_thumbnail_key": prefix + record.base_thumbnail_key,
        "collection": record.collection,
        "filename": record.filename,
        "thumbnails": {
            str(scale): {
                "scale": scale,
                "key": prefix + thumbnail.key,
                "size": thumbnail.size,
                "modified": _text(thumbnail.modified),
            }
            for scale, thumbnail in sorted(record.thumbnails.items())
        },
    }


def header_fields(header: Header, *, local_time: bool = False) -> Fields:
    """Return the JSON object of a header without its statistics.

    ``local_time``: ``created_at`` without a zone, as the older tool writes and compares it.
    """
    created = header.created_at
    if local_time:
        created = created.astimezone().replace(tzinfo=None)
    return {
        "created_at": created.isoformat(),
        "storage_type": header.storage_type,
        "local_root": header.local_root,
        "s3_endpoint": header.s3_endpoint,
        "s3_bucket": header.s3_bucket,
        "s3_prefix": header.s3_prefix,
        "collections": list(header.collections),
    }


def stats_fields(header: Header) -> Fields:
    """Return ``collection_stats``: one object a collection, by name."""
    return {name: asdict(stats) for name, stats in header.collection_stats.items()}


def read_header(fields: Mapping[str, Any]) -> Header:
    """Read a header; without its statistics. Raises ``ValueError`` in a sentence."""
    created = _time(fields.get("created_at"), local=True)
    if created is None:
        raise ValueError("created_at is missing or no ISO time")
    bucket = fields.get("s3_bucket") or None
    kind = fields.get("storage_type") or ("s3" if bucket else "local")
    if kind != "local" and not bucket:
        raise ValueError(f"storage_type is {kind!r}, but s3_bucket is not set")
    if kind == "local" and not fields.get("local_root"):
        raise ValueError("storage_type is 'local', but local_root is not set")
    return Header(
        created_at=created,
        storage_type=str(kind),
        local_root=fields.get("local_root") or None,
        s3_endpoint=fields.get("s3_endpoint") or None,
        s3_bucket=bucket,
        s3_prefix=str(fields.get("s3_prefix") or "").strip("/"),
        collections=tuple(fields.get("collections") or ()),
        scan_duration_seconds=float(fields.get("scan_duration_seconds") or 0.0),
    )


def read_record(fields: Mapping[str, Any], prefix: str) -> Record:
    """Read a record, taking ``prefix`` off its keys. Raises ``ValueError`` in a sentence."""
    key = fields.get("original_key")
    if not isinstance(key, str) or not key:
        raise ValueError("original_key is missing")
    key = key.removeprefix(prefix)
    place = collections.parse_original(key)
    if place is None:
        raise ValueError(f"original_key {key!r} is not collection/originals/...")
    thumbnails = _thumbnails(fields, place, prefix)
    return Record(
        original_key=key,
        original_size=int(fields.get("original_size") or 0),
        original_modified=_time(fields.get("original_modified")),
        base_thumbnail_key=place.base_thumbnail_key,
        collection=place.collection,
        filename=place.filename,
        thumbnails=thumbnails,
    )


def prefix_of(fields: Mapping[str, Any], said: str) -> str:
    """Return what a record's keys begin with: the prefix the header says, or what stands there.

    An older manifest may leave the header's prefix out.
    """
    key = str(fields.get("original_key") or "")
    if collections.parse_original(key.removeprefix(f"{said}/" if said else "")):
        return said
    begin = key.find(f"/{fields.get('collection')}/{collections.ORIGINALS}/")
    return key[:begin] if begin > 0 else said


def _thumbnails(
    fields: Mapping[str, Any], place: collections.Place, prefix: str
) -> dict[int, Thumbnail]:
    found = fields.get("thumbnails")
    if found is None and fields.get("thumbnail_exists"):
        # The oldest form knew one thumbnail and not its scale; 200 was the only one then made.
        facts = {"size": fields.get("thumbnail_size"), "modified": fields.get("thumbnail_modified")}
        found = {"200": facts}
    thumbnails = {}
    for scale, facts in (found or {}).items():
        number = int(facts.get("scale") or scale)
        key = facts.get("key") or prefix + collections.expected_key(place, number)
        size, modified = int(facts.get("size") or 0), _time(facts.get("modified"))
        thumbnails[number] = Thumbnail(number, key.removeprefix(prefix), size, modified)
    return thumbnails


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _time(value: object, *, local: bool = False) -> datetime | None:
    if not value:
        return None
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        return moment.astimezone(UTC) if local else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)
