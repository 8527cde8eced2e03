"""One record of an event at a time: judged, and its marker written."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from shard.errors import ShardError, Unavailable
from shard.planning.inputs import Judgement
from shard.planning.markers import MarkerError, read_marker
from shard.planning.marking import supersedes
from shard.planning.upload_events import BadEvent, ObjectEvent, Passed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shard.events.stores import MarkerStore
    from shard.planning.marking import EventSettings
    from shard.planning.upload_events import Entry

_ROUNDS: Final = 5
"""How often a write may be overtaken by another function's, for one marker."""

_LOG: Final = logging.getLogger("shard.events")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one record: written if ``judgement`` accepts, failed if there is an error."""

    entry: Entry
    judgement: Judgement
    error: ShardError | None = None


def settle(entries: Iterable[Entry], settings: EventSettings, store: MarkerStore) -> list[Settled]:
    """Write the markers of all records; one that fails never stops the others."""
    return [_settled(entry, settings, store) for entry in entries]


def record(event: ObjectEvent, settings: EventSettings, store: MarkerStore) -> Judgement:
    """Write the marker of one upload, unless it wants none or a later one's is there.

    The same event again changes nothing: whoever writes a marker names the version it replaces,
    so of two functions at once one is overtaken, and looks again. Raises ``ShardError``.
    """
    judgement = settings.judge(event)
    if not judgement.accepted:
        return judgement
    place, marker = settings.marker(event)
    for _ in range(_ROUNDS):
        if store.write(place, marker.to_json(), None):
            return Judgement(True, "new")
        there = store.read(place)
        if there is None:
            continue
        data, version = there
        try:
            old = read_marker(data)
        except MarkerError:
            verdict = Judgement(True, "no_marker")
        else:
            verdict = supersedes(marker, old)
            # Who may only be shown small stays so, until somebody says otherwise.
            marker = replace(marker, copyright=old.copyright)
        if not verdict.accepted or store.write(place, marker.to_json(), version):
            return verdict
    raise Unavailable(place, f"the marker was overtaken {_ROUNDS} times")


def _settled(entry: Entry, settings: EventSettings, store: MarkerStore) -> Settled:
    try:
        if isinstance(entry, BadEvent):
            raise entry
        if isinstance(entry, Passed):
            done = Settled(entry, Judgement(False, entry.reason))
        else:
            done = Settled(entry, record(entry, settings, store))
    except ShardError as error:
        done = Settled(entry, Judgement(False, "failed"), error)
    _tell(done)
    return done


def _tell(done: Settled) -> None:
    level = logging.INFO if done.error is None else logging.ERROR
    word = "marker written" if done.judgement.accepted else "no marker"
    facts = {"reason": done.judgement.reason}
    if isinstance(done.entry, ObjectEvent):
        facts |= {"bucket": done.entry.bucket, "key": done.entry.key}
    if isinstance(done.entry, Passed):
        facts["detail"] = done.entry.detail
    if done.error is not None:
        facts["error"] = str(done.error)
    text = ", ".join(f"{name}={value!r}" for name, value in facts.items())
    _LOG.log(level, "%s: %s", word, text, extra=facts)
