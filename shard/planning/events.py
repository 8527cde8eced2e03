"""Events of uploads, in whatever envelope: opened, and read into one form record by record.

Pure, and light: an event function in the cloud is made of this and little else.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shard.planning import gcs_events, s3_events
from shard.planning.upload_events import BadEvent, Entry, Passed, found, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_DEEPEST: Final = 5
_PUBLISHED: Final = "google.cloud.pubsub.topic.v1.messagePublished"
_SHAPES: Final = (
    "an S3 notification, alone or in SQS, SNS or EventBridge, a CloudEvent of Cloud Storage, "
    "or a Pub/Sub push"
)


@dataclass(frozen=True, slots=True)
class Message:
    """What one SQS message holds.

    ``id`` is how SQS is told that it failed: empty where SQS did not say, ``None`` for an event
    that came another way.
    """

    id: str | None
    entries: tuple[Entry, ...]


def messages(event: object) -> tuple[Message, ...]:
    """Read what a function was invoked with; never raises, a bad record is a ``BadEvent``."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list) or not any(_source(record) == "aws:sqs" for record in records):
        return (Message(None, tuple(read(event))),)
    return tuple(
        Message(_message_id(record), tuple(_guarded(_record, record, 0))) for record in records
    )


def requested(headers: Mapping[str, str], body: bytes) -> tuple[Entry, ...]:
    """Read an HTTP request; never raises, what cannot be read is a ``BadEvent``.

    CloudEvents 1.0 by the HTTP binding: binary (attributes in ``ce-`` headers, in any case),
    structured, or a batch (a list of structured ones); else what ``read`` knows.
    """
    kind = next((value for name, value in headers.items() if name.lower() == "ce-type"), None)
    try:
        document = parsed(body)
    except BadEvent as error:
        return (error,)
    if kind is not None:
        document = {"specversion": "1.0", "type": kind, "data": document}
    several = document if isinstance(document, list) else [document]
    return tuple(entry for one in several for entry in read(one))


def read(document: object, depth: int = 0) -> Iterator[Entry]:
    """Yield what a document tells of uploads, whatever it is wrapped in; never raises.

    ==========================================  ==========================================
    document                                    read as
    ==========================================  ==========================================
    ``Records``                                 each record: S3, or the envelope SQS or SNS
    ``Event: s3:TestEvent``                     passed: ``test``
    ``Type: Notification``, ``Message``         SNS by SQS or HTTP: what ``Message`` holds
    ``Type: SubscriptionConfirmation``          passed: ``subscription``
    ``source: aws.s3``, ``detail``              EventBridge
    ``specversion``, ``type``, ``data``         a CloudEvent of Cloud Storage or Pub/Sub
    ``message``                                 Pub/Sub push
    ==========================================  ==========================================

    Only S3's own notifications encode keys (as forms do: ``+`` is a space); EventBridge,
    CloudEvents and Pub/Sub do not, so nothing is decoded there.
    """
    yield from _guarded(_document, document, depth)


def _guarded(
    reader: Callable[[Any, int], Iterator[Entry]], document: object, depth: int
) -> Iterator[Entry]:
    try:
        yield from reader(document, depth)
    except BadEvent as error:
        yield error


def _document(document: object, depth: int) -> Iterator[Entry]:
    if depth > _DEEPEST:
        raise BadEvent(f"an event is wrapped more than {_DEEPEST} times")
    if not isinstance(document, dict):
        raise BadEvent(f"an event is {type(document).__name__}; accepted: {_SHAPES}")
    if isinstance(document.get("Records"), list):
        for record in document["Records"]:
            yield from _guarded(_record, record, depth)
    elif (greeting := _greeting(document)) is not None:
        yield greeting
    elif document.get("Type") == "Notification":
        yield from read(parsed(document.get("Message")), depth + 1)
    elif document.get("source") == "aws.s3":
        yield s3_events.event_bridge(document)
    elif "specversion" in document:
        yield from _cloud_event(document, depth)
    elif isinstance(document.get("message"), dict):
        yield from _pushed(document["message"], depth)
    else:
        raise BadEvent(f"an event has only {sorted(map(str, document))}; accepted: {_SHAPES}")


def _greeting(document: Mapping[str, Any]) -> Passed | None:
    """Return what a service says once, when it is connected; ``None`` for all else."""
    if document.get("Event") == "s3:TestEvent":
        return Passed("test", "s3:TestEvent")
    if document.get("Type") == "SubscriptionConfirmation":
        return Passed("subscription", str(document.get("TopicArn", "")))
    return None


def _record(record: object, depth: int) -> Iterator[Entry]:
    if not isinstance(record, dict):
        raise BadEvent(f"a record is {type(record).__name__}; accepted: an object")
    source = _source(record)
    if source == "aws:sqs":
        yield from read(parsed(record.get("body")), depth + 1)
    elif source == "aws:sns":
        yield from read(parsed(found(record, "Sns", "Message")), depth + 1)
    elif isinstance(record.get("s3"), dict):  # also of other servers than AWS: minio:s3, ...
        yield s3_events.notification(record)
    else:
        raise BadEvent(f"a record comes from {source!r}; accepted: aws:s3, aws:sqs, aws:sns")


def _source(record: object) -> object:
    if not isinstance(record, dict):
        return None
    return record.get("eventSource", record.get("EventSource"))


def _message_id(record: object) -> str:
    said = record.get("messageId") if isinstance(record, dict) else None
    return said if isinstance(said, str) else ""


def _cloud_event(document: Mapping[str, Any], depth: int) -> Iterator[Entry]:
    kind, data = found(document, "type"), document.get("data")
    if data is None and "data_base64" in document:
        data = parsed(_decoded(document["data_base64"]))
    if kind != _PUBLISHED:
        yield gcs_events.cloud_event(kind, data)
    elif isinstance(data, dict) and isinstance(data.get("message"), dict):
        yield from _pushed(data["message"], depth)
    else:
        raise BadEvent("data.message of an event is not there; accepted: Pub/Sub's message")


def _pushed(message: Mapping[str, Any], depth: int) -> Iterator[Entry]:
    """Yield what a message of Pub/Sub tells: Cloud Storage's notification, or any event."""
    attributes, data = message.get("attributes"), message.get("data")
    if isinstance(attributes, dict) and "eventType" in attributes:
        yield gcs_events.notification(attributes, parsed(_decoded(data)) if data else None)
    else:
        yield from read(parsed(_decoded(data)), depth + 1)


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise BadEvent("a message has no data; accepted: base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadEvent("the data of a message is not base64") from error
