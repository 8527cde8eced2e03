"""Events over HTTP: CloudEvents (Eventarc), Pub/Sub push, SNS. A plain function, to be mounted."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from shard.events.recording import settle
from shard.events.stores import open_markers
from shard.planning.events import requested
from shard.planning.marking import EventSettings
from shard.planning.upload_events import BadEvent, ObjectEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.events.recording import Settled
    from shard.events.stores import MarkerStore


class EventReceiver:
    """Takes requests, whoever serves them. Open it once: it holds the store's client."""

    def __init__(self, settings: EventSettings, store: MarkerStore) -> None:
        self._settings, self._store = settings, store

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> EventReceiver:
        """Open it by the variables of ``EventSettings.of``. Raises ``SettingError``."""
        settings = EventSettings.of(environ)
        return cls(settings, open_markers(settings.process))

    def receive(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Write the markers of one request; return HTTP's status and a JSON answer.

        =======  =============================================  ==============================
        status   when                                           Pub/Sub and Eventarc then
        =======  =============================================  ==============================
        200      every record is done, or wants nothing         forget it
        400      a record cannot be read                        send it again, at last to the
                                                                dead-letter topic
        503      the store failed                               as above
        =======  =============================================  ==============================

        Records beside one that failed are done; sent again they change nothing.
        """
        done = settle(requested(headers, body), self._settings, self._store)
        errors = [one.error for one in done if one.error is not None]
        status = HTTPStatus.OK
        if errors:
            bad = all(isinstance(error, BadEvent) for error in errors)
            status = HTTPStatus.BAD_REQUEST if bad else HTTPStatus.SERVICE_UNAVAILABLE
        return status.value, json.dumps({"records": [_said(one) for one in done]}).encode()


def _said(done: Settled) -> dict[str, Any]:
    said: dict[str, Any] = {"written": done.judgement.accepted, "reason": done.judgement.reason}
    if isinstance(done.entry, ObjectEvent):
        said |= {"bucket": done.entry.bucket, "key": done.entry.key}
    if done.error is not None:
        said["error"] = str(done.error)
    return said
