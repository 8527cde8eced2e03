"""Events of uploads: every envelope is opened, every record stands for itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.planning.events import messages, read, requested
from shard.planning.upload_events import BadEvent, ObjectEvent, Passed
from tests import event_shapes as shapes

KEY = "a b/ü+1 100%25.tif"
S3_EVENT = ObjectEvent("in", KEY, 1024, shapes.ETAG, shapes.TIME, shapes.SEQUENCE)
GCS_EVENT = ObjectEvent(
    "in", KEY, 1024, shapes.GENERATION, shapes.TIME, shapes.GENERATION.zfill(20)
)
NOTICE = shapes.notification(shapes.s3_record("in", KEY))
BRIDGE = shapes.event_bridge("in", KEY)
RESOURCE = shapes.gcs_object("in", KEY)


def entries(event: object) -> list[Any]:
    """Return all entries of all messages."""
    return [entry for message in messages(event) for entry in message.entries]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(NOTICE, id="S3"),
        pytest.param(shapes.sns(NOTICE), id="SNS"),
        pytest.param(shapes.sqs(m=NOTICE), id="SQS"),
        pytest.param(shapes.sqs(m=shapes.sns_text(NOTICE)), id="SNS-SQS wrapped"),
        pytest.param(shapes.sqs(m=json.dumps(NOTICE)), id="SNS-SQS raw"),
    ],
)
def test_a_notification_in_any_envelope(event: object) -> None:
    """S3's notification is the same alone, by SQS, by SNS, and by SNS and SQS, its key decoded."""
    assert entries(event) == [S3_EVENT]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(BRIDGE, id="EventBridge"),
        pytest.param(shapes.sqs(m=BRIDGE), id="EventBridge-SQS"),
        pytest.param(shapes.sns(BRIDGE), id="EventBridge-SNS"),
    ],
)
def test_event_bridge_does_not_encode_keys(event: object) -> None:
    """EventBridge tells the key as it is, and its time in seconds."""
    (found,) = entries(event)

    assert (found.key, found.time) == (KEY, "2026-11-21T08:00:00Z")
    assert (found.etag, found.size, found.sequence) == (shapes.ETAG, 1024, shapes.SEQUENCE)


@pytest.mark.parametrize(
    "reason", ["PutObject", "POST Object", "CopyObject", "CompleteMultipartUpload", "SomethingNew"]
)
def test_ways_to_write_on_event_bridge(reason: str) -> None:
    """Each way to write an object counts, also one that nobody knows yet."""
    assert [entry.key for entry in entries(shapes.event_bridge("in", "a.tif", reason))] == ["a.tif"]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ObjectCreated:Put", True),
        ("ObjectCreated:Post", True),
        ("ObjectCreated:Copy", True),
        ("ObjectCreated:CompleteMultipartUpload", True),
        ("s3:ObjectCreated:Put", True),
        ("ObjectRemoved:Delete", False),
        ("ObjectRemoved:DeleteMarkerCreated", False),
        ("ObjectRestore:Completed", False),
        ("ObjectTagging:Put", False),
        ("ObjectCreated:SomethingNew", False),
    ],
)
def test_names_of_s3_events(name: str, counts: bool) -> None:
    """Put, Post, Copy and CompleteMultipartUpload count; of others the name is told."""
    (found,) = entries(shapes.notification(shapes.s3_record("in", "a.tif", name)))

    if counts:
        assert isinstance(found, ObjectEvent)
    else:
        assert found == Passed("not_created", name)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "in"}, "test"),
        (shapes.sqs(m={"Service": "Amazon S3", "Event": "s3:TestEvent"}), "test"),
        ({"Type": "SubscriptionConfirmation", "TopicArn": "t"}, "subscription"),
        ({"source": "aws.s3", "detail-type": "Object Deleted"}, "not_created"),
        (shapes.cloud_event(RESOURCE, "deleted"), "not_created"),
        (shapes.cloud_event(RESOURCE, "metadataUpdated"), "not_created"),
        (shapes.pub_sub(RESOURCE, "OBJECT_DELETE"), "not_created"),
    ],
)
def test_what_wants_nothing(event: object, reason: str) -> None:
    """S3's greeting, deletions and the like pass with a reason."""
    (found,) = entries(event)

    assert isinstance(found, Passed)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("headers", "document"),
    [
        pytest.param(shapes.binary_headers(), RESOURCE, id="binary"),
        pytest.param({}, shapes.cloud_event(RESOURCE), id="structured"),
        pytest.param({}, [shapes.cloud_event(RESOURCE)], id="batch"),
        pytest.param(
            {},
            {
                **{k: v for k, v in shapes.cloud_event(None).items() if k != "data"},
                "data_base64": shapes.encoded(RESOURCE),
            },
            id="structured base64",
        ),
        pytest.param({}, shapes.pub_sub(RESOURCE), id="Pub/Sub"),
        pytest.param(
            shapes.binary_headers("google.cloud.pubsub.topic.v1.messagePublished"),
            shapes.pub_sub(RESOURCE),
            id="Pub/Sub by Eventarc",
        ),
        pytest.param(
            {}, {"message": {"data": shapes.encoded(shapes.cloud_event(RESOURCE))}}, id="any event"
        ),
    ],
)
def test_events_of_cloud_storage(headers: dict[str, str], document: object) -> None:
    """CloudEvents and Pub/Sub tell the same object; nothing is decoded; numbers are texts."""
    assert requested(headers, json.dumps(document).encode()) == (GCS_EVENT,)


def test_a_notification_without_payload() -> None:
    """Pub/Sub's attributes alone tell bucket, key, generation and time."""
    push = shapes.pub_sub(RESOURCE)
    del push["message"]["data"]
    push["message"]["attributes"]["payloadFormat"] = "NONE"

    (found,) = requested({}, json.dumps(push).encode())

    assert found == replace(GCS_EVENT, size=None)


def test_headers_in_any_case() -> None:
    """Servers differ in how they write the names of headers."""
    headers = {name.lower(): value for name, value in shapes.binary_headers().items()}

    assert requested(headers, json.dumps(RESOURCE).encode()) == (GCS_EVENT,)


def test_all_records_are_read() -> None:
    """Each record of an event counts, and a bad one is told without the others being lost."""
    broken = shapes.s3_record("in", "b.tif")
    del broken["s3"]["object"]["key"]
    event = shapes.notification(
        shapes.s3_record("in", "a.tif"), broken, shapes.s3_record("in", "c.tif")
    )

    first, bad, third = entries(event)

    assert (first.key, third.key) == ("a.tif", "c.tif")
    assert str(bad) == "s3.object.key of an event is None; accepted: text"


def test_each_sqs_message_keeps_its_id() -> None:
    """What is read of a message is told under its id, several records of one message together."""
    two = shapes.notification(shapes.s3_record("in", "a.tif"), shapes.s3_record("in", "b.tif"))
    found = messages(shapes.sqs(one=two, broken="no JSON", three=BRIDGE))

    assert [message.id for message in found] == ["one", "broken", "three"]
    assert [len(message.entries) for message in found] == [2, 1, 1]
    assert str(found[1].entries[0]) == "a message is not JSON"


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (None, "an event is NoneType; accepted: an S3 notification"),
        ({"hello": 1}, r"an event has only \['hello'\]"),
        ({"Records": [7]}, "a record is int"),
        ({"Records": [{"eventSource": "aws:kinesis"}]}, "a record comes from 'aws:kinesis'"),
        (shapes.notification(shapes.s3_record("", "a.tif")), r"s3\.bucket\.name of an event is ''"),
        (shapes.notification(shapes.s3_record("in", "x", key="%ff.tif")), "is not UTF-8"),
        ({"source": "aws.s3"}, "detail-type of an event is None"),
        (shapes.event_bridge("in", "\ud800.tif"), "is not Unicode"),
        ({"source": "aws.s3", "detail-type": "Object Created", "detail": 7}, "detail.object.key"),
        (
            {"specversion": "1.0", "type": "com.example.x"},
            "the type of an event is 'com.example.x'",
        ),
        (shapes.cloud_event({"bucket": "in"}), "name of an event is None"),
        ({"message": {}}, "a message has no data; accepted: base64"),
        ({"message": {"data": "?"}}, "not base64"),
        (shapes.sqs(m="[" * 100_000), "not JSON"),
        ({"Type": "Notification", "Message": 7}, "a message is int; accepted: JSON text"),
    ],
)
def test_bad_events(event: object, sentence: str) -> None:
    """What cannot be read is told in a sentence that names what is wrong."""
    (bad,) = entries(event)

    assert isinstance(bad, BadEvent)
    with pytest.raises(BadEvent, match=sentence):
        raise bad


def test_envelopes_without_end() -> None:
    """A message that is wrapped without end is refused, not followed."""
    event: object = NOTICE
    for _ in range(9):
        event = shapes.sns_text(event)
    (bad,) = entries(event)

    assert str(bad) == "an event is wrapped more than 5 times"


def test_a_body_that_is_no_json() -> None:
    """A request that holds no JSON is one bad event."""
    (bad,) = requested({}, b"\xff")

    assert isinstance(bad, BadEvent)


WORDS = (
    *("Records", "Type", "Message", "Sns", "Event", "EventSource", "eventSource", "eventName"),
    *("messageId", "body", "s3", "object", "bucket", "key", "name", "source", "detail"),
    *("detail-type", "specversion", "type", "data", "data_base64", "message", "attributes"),
    *("eventType", "payloadFormat"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS) | st.text(max_size=3),
            inner | st.sampled_from(["aws:sqs", "aws:s3", "aws:sns", "aws.s3", "Notification"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_nothing_is_raised(event: object) -> None:
    """Whatever comes in, what comes out is entries; nothing is raised."""
    for entry in [*entries(event), *read(event), *requested({}, json.dumps(event).encode())]:
        assert isinstance(entry, ObjectEvent | Passed | BadEvent)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_key_survives(key: str) -> None:
    """A key of any characters is the same by S3's notification and by EventBridge."""
    notice = shapes.notification(shapes.s3_record("in", key))

    assert [entry.key for entry in entries(notice)] == [key]
    assert [entry.key for entry in entries(shapes.event_bridge("in", key))] == [key]
