"""One upload as any cloud tells it, and what else a record can be. Pure and light."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from shard.errors import ShardError


class BadEvent(ShardError):
    """A record from which no upload can be read; the others of its event are not concerned."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """An object was written.

    ``key`` is the object's own, decoded. ``size`` is in bytes. ``etag`` (without quotes; on GCS the
    generation) changes with the content. ``time`` is ISO 8601. Of two uploads of one key the later
    has the larger ``sequence`` (see ``planning.marking``). What was not told is ``None`` or empty.
    """

    bucket: str
    key: str
    size: int | None = None
    etag: str = ""
    time: str = ""
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class Passed:
    """A record that wants nothing: ``test``, ``subscription`` or ``not_created``; its own name."""

    reason: str
    detail: str


Entry = ObjectEvent | Passed | BadEvent


def parsed(text: object) -> Any:
    """Return what JSON text or bytes hold. Raises ``BadEvent``."""
    if not isinstance(text, str | bytes):
        raise BadEvent(f"a message is {type(text).__name__}; accepted: JSON text")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadEvent("a message is not JSON") from error


def found(mapping: object, *path: str) -> str:
    """Return the text at a path. Raises ``BadEvent`` where there is none."""
    value = mapping
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise BadEvent(f"{'.'.join(path)} of an event is {value!r:.200}; accepted: text")
    return value


def checked(event: ObjectEvent) -> ObjectEvent:
    """Return the event. Raises ``BadEvent`` if its key is none that a store could hold."""
    try:
        event.key.encode()
    except UnicodeEncodeError as error:
        raise BadEvent(f"the key {event.key!r} of an event is not Unicode") from error
    return event
