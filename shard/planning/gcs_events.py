"""Cloud Storage's own words for an upload: types of CloudEvents, attributes of Pub/Sub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shard.planning.upload_events import BadEvent, Entry, ObjectEvent, Passed, checked, found

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: Final = "google.cloud.storage.object.v1."
_FINALIZED: Final = _TYPES + "finalized"
_DIGITS: Final = 20
"""More than an int64 has."""


def cloud_event(kind: str, data: object) -> Entry:
    """Read a CloudEvent of this type; ``data`` is its object. Raises ``BadEvent``."""
    if not kind.startswith(_TYPES):
        raise BadEvent(f"the type of an event is {kind!r}; accepted: {_FINALIZED}")
    return _stored(data) if kind == _FINALIZED else Passed("not_created", kind)


def notification(attributes: Mapping[str, Any], resource: object) -> Entry:
    """Read a notification by Pub/Sub. Raises ``BadEvent``.

    ``resource`` is its payload; ``None`` for notifications without: what matters is in the
    attributes, but the size.
    """
    kind = attributes.get("eventType")
    if kind != "OBJECT_FINALIZE":
        return Passed("not_created", str(kind))
    names = {"bucket": "bucketId", "name": "objectId", "generation": "objectGeneration"}
    told = {name: attributes.get(said) for name, said in names.items()}
    return _stored(
        {**told, "timeCreated": attributes.get("eventTime")} if resource is None else resource
    )


def _stored(told: object) -> ObjectEvent:
    """Read an object resource of the JSON API; numbers are texts there.

    The generation stands for the ETag: it is what Shard's listing of Cloud Storage tells. With
    leading zeros it orders the uploads of a key as text does.
    """
    bucket, key = found(told, "bucket"), found(told, "name")
    facts: Mapping[str, Any] = told if isinstance(told, dict) else {}
    generation = _whole(facts.get("generation"))
    time = facts.get("timeCreated") or facts.get("updated")
    return checked(
        ObjectEvent(
            bucket=bucket,
            key=key,
            size=_whole(facts.get("size")),
            etag="" if generation is None else str(generation),
            time=time if isinstance(time, str) else "",
            sequence="" if generation is None else f"{generation:0{_DIGITS}d}",
        )
    )


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None
