"""The function of AWS Lambda: `shard.events.aws.handler`, configured by its variables alone."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING

from shard.errors import ShardError
from shard.events.recording import settle
from shard.events.stores import open_markers
from shard.planning.events import messages
from shard.planning.marking import EventSettings

if TYPE_CHECKING:
    from shard.events.stores import MarkerStore

_LOG = logging.getLogger("shard.events")


class EventsFailed(ShardError):
    """Records of an event got no marker, and the event came where no part can be sent back."""

    exit_code = 1


def handler(event: object, _context: object = None) -> dict[str, list[dict[str, str]]]:
    """Write a marker for each upload of an event.

    Returns SQS's partial batch response: the ids of the messages that hold a record which failed;
    all others are done. Of an event that did not come by SQS all that can be done is done, then
    ``EventsFailed`` is raised, so that Lambda tries again and keeps it at last where it was told to
    (a dead-letter queue, a destination). Raises ``SettingError`` for wrong variables.
    """
    settings, store = _opened()
    failed: list[str] = []
    whole: list[str] = []
    for message in messages(event):
        errors = [
            str(done.error)
            for done in settle(message.entries, settings, store)
            if done.error is not None
        ]
        if errors and message.id:
            _LOG.error("message %r goes back to its queue: %s", message.id, "; ".join(errors[:3]))
            failed.append(message.id)
        elif errors:
            whole += errors
    if whole:
        raise EventsFailed(f"{len(whole)} records got no marker: " + "; ".join(whole[:3]))
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


@cache
def _opened() -> tuple[EventSettings, MarkerStore]:
    """Read the settings once for all events of this instance."""
    _LOG.setLevel(logging.INFO)
    settings = EventSettings.of(os.environ)
    return settings, open_markers(settings.process)
