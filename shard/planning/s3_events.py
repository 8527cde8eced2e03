"""Amazon S3's own words for an upload: its notifications, and its events on EventBridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from shard.planning.upload_events import BadEvent, Entry, ObjectEvent, Passed, checked, found

if TYPE_CHECKING:
    from collections.abc import Mapping

_CREATED: Final = frozenset({"Put", "Post", "Copy", "CompleteMultipartUpload"})


def notification(record: Mapping[str, Any]) -> Entry:
    """Read a record of S3's own notifications, structure version 2.x; keys are encoded as in forms.

    Raises ``BadEvent``.
    """
    name = found(record, "eventName").removeprefix("s3:")
    kind, _, way = name.partition(":")
    if kind != "ObjectCreated" or way not in _CREATED:
        return Passed("not_created", name)
    encoded = found(record, "s3", "object", "key")
    try:
        key = unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise BadEvent(f"s3.object.key {encoded!r} of an event is not UTF-8") from error
    told = record["s3"]["object"]
    time = record.get("eventTime")
    return _uploaded(found(record, "s3", "bucket", "name"), key, told, time, told.get("eTag"))


def event_bridge(document: Mapping[str, Any]) -> Entry:
    """Read Amazon S3's event on EventBridge; keys are not encoded. Raises ``BadEvent``.

    Whatever its reason says, an object was created: one too many is better than one lost.
    """
    name = found(document, "detail-type")
    if name != "Object Created":
        return Passed("not_created", name)
    key = found(document, "detail", "object", "key")
    told = document["detail"]["object"]
    bucket = found(document, "detail", "bucket", "name")
    return _uploaded(bucket, key, told, document.get("time"), told.get("etag"))


def _uploaded(
    bucket: str, key: str, told: Mapping[str, Any], time: object, etag: object
) -> ObjectEvent:
    size, sequence = told.get("size"), told.get("sequencer")
    return checked(
        ObjectEvent(
            bucket=bucket,
            key=key,
            size=size if isinstance(size, int) and size >= 0 else None,
            etag=etag.strip('"') if isinstance(etag, str) else "",
            time=time if isinstance(time, str) else "",
            sequence=sequence if isinstance(sequence, str) else "",
        )
    )
