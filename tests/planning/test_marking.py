"""Which uploads get a marker, which of two markers stays, and the settings of both."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.planning.markers import Marker
from shard.planning.marking import EventSettings, supersedes
from shard.planning.upload_events import BadEvent, ObjectEvent

ENVIRON = {"PROCESS_BUCKET": "work", "RBSC_BUCKET": "in", "IMAGE_BUCKET": "web"}


@pytest.mark.parametrize(
    ("bucket", "key", "reason"),
    [
        ("in", "a/b.tif", "image"),
        ("in", "a/B.TIFF", "image"),
        ("in", "a/", "folder"),
        ("in", "a/.b.tif", "hidden"),
        ("in", "a/b.txt", "other_file"),
        ("other", "a/b.tif", "other_bucket"),
        ("web", "a/b.tif", "output"),
        ("work", "rbsc/a/b.tif.json", "marker"),
        ("work", "failed/rbsc/a/b.tif.json", "marker"),
    ],
)
def test_uploads_are_judged(bucket: str, key: str, reason: str) -> None:
    """Images of the source get a marker; pyramids and markers never do."""
    judgement = EventSettings.of(ENVIRON).judge(ObjectEvent(bucket, key))

    assert (judgement.reason, judgement.accepted) == (reason, reason == "image")


def test_own_outputs_never_trigger_without_a_source_bucket() -> None:
    """Where any bucket's uploads count, pyramids and markers still do not."""
    marking = EventSettings.of({**ENVIRON, "RBSC_BUCKET": ""})

    assert marking.judge(ObjectEvent("any", "b.tif")).accepted
    assert marking.judge(ObjectEvent("web", "b.tif")).reason == "output"
    assert marking.judge(ObjectEvent("work", "rbsc/b.tif.json")).reason == "marker"


def test_pyramids_beside_their_sources() -> None:
    """In one bucket a prefix tells pyramids from sources; a folder's name is whole."""
    marking = EventSettings.of({**ENVIRON, "IMAGE_BUCKET": "s3://in/pyramids"})

    assert marking.judge(ObjectEvent("in", "pyramids/b.tif")).reason == "output"
    assert marking.judge(ObjectEvent("in", "pyramids2/b.tif")).accepted


def test_prefixes_and_extensions() -> None:
    """Settings narrow the keys; extensions may have their dot, and any case."""
    marking = EventSettings.of(
        {**ENVIRON, "SOURCE_PREFIXES": "digital/, collections/", "EXTENSIONS": ".TIF,heic"}
    )

    judged = [
        marking.judge(ObjectEvent("in", key)).reason
        for key in ("digital/a.tif", "collections/a.HEIC", "other/a.tif", "digital/a.jpg")
    ]

    assert judged == ["image", "image", "not_included", "other_file"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"PROCESS_BUCKET": ""}, "PROCESS_BUCKET is not set"),
        ({"PROCESS_BUCKET": "work/rbsc"}, "PROCESS_BUCKET is 'work/rbsc'"),
        ({"PROCESS_BUCKET": "ftp://work"}, "PROCESS_BUCKET is 'ftp://work'"),
        ({"IMAGE_BUCKET": "in"}, "IMAGE_BUCKET is 'in'; accepted: another bucket"),
        ({"MARKER_PREFIX": "failed/"}, "MARKER_PREFIX is 'failed/'"),
    ],
)
def test_wrong_settings(change: dict[str, str], sentence: str) -> None:
    """A wrong variable is named, with its value and what is accepted."""
    with pytest.raises(SettingError, match=sentence):
        EventSettings.of({**ENVIRON, **change})


def test_buckets_by_url() -> None:
    """A URL says which cloud; a name alone is one of S3, as for `shard pyramid run`."""
    assert EventSettings.of({"PROCESS_BUCKET": "gs://work"}).process.url == "gs://work"
    assert EventSettings.of({"PROCESS_BUCKET": "work"}).process.url == "s3://work"


def test_a_marker_lies_under_the_whole_key() -> None:
    """Files with one stem have markers of their own."""
    marking = EventSettings.of(ENVIRON)
    place, marker = marking.marker(ObjectEvent("in", "a/b.tif", 7, "e", "t", "0A"))

    assert place == "rbsc/a/b.tif.json"
    assert marker == Marker("a/b.tif", "a/", "e", "in", 7, "t", sequence="0A")
    assert marking.marker(ObjectEvent("in", "a/b.jpg"))[0] != place


@pytest.mark.parametrize("key", ["a/../b.tif", "x" * 1015 + ".tif"])
def test_keys_without_a_marker(key: str) -> None:
    """A key whose marker nobody could read or store is told, not dropped."""
    with pytest.raises(BadEvent, match="marker"):
        EventSettings.of(ENVIRON).marker(ObjectEvent("in", key))


EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01.5+00:00"


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        ({"sequence": "0055B"}, {"sequence": "0055AED6"}, "newer"),
        ({"sequence": "0055aed6"}, {"sequence": "0055AED6"}, "duplicate"),
        ({"sequence": "0055AED600"}, {"sequence": "0055AED6"}, "duplicate"),
        ({"sequence": "0055A"}, {"sequence": "0055AED6"}, "older"),
        ({"sequence": "2", "etag": "e"}, {"sequence": "1", "etag": "e"}, "newer"),
        ({"sequence": "2", "etag": "e"}, {"etag": "e", "time": LATE}, "duplicate"),
        ({"time": EARLY}, {"time": LATE}, "older"),
        ({"time": LATE}, {"time": EARLY}, "newer"),
        ({"time": EARLY, "etag": "e"}, {"time": EARLY, "etag": "f"}, "newer"),
        ({"time": EARLY}, {"time": "2026-01-01T00:00:05"}, "older"),
        ({"time": EARLY}, {"time": "yesterday"}, "newer"),
        ({}, {}, "newer"),
    ],
)
def test_which_marker_stays(new: dict[str, Any], old: dict[str, Any], reason: str) -> None:
    """Sequence, then ETag, then time decide; in doubt the new one is written."""
    judgement = supersedes(Marker("k", "", **new), Marker("k", "", **old))

    assert (judgement.reason, judgement.accepted) == (reason, reason == "newer")


def test_two_buckets_with_one_key() -> None:
    """Uploads of one key in two buckets cannot share a marker: it is said, neither is lost."""
    with pytest.raises(BadEvent, match="'k' in b has the marker's key of the one in a"):
        supersedes(Marker("k", "", bucket="b"), Marker("k", "", bucket="a"))


@given(st.permutations([f"00{n:X}" for n in range(1, 30)]))
def test_the_last_upload_wins_in_any_order(order: list[str]) -> None:
    """Whatever order the events of one key come in, the last upload's marker stays."""
    there = Marker("k", "", sequence=order[0])
    for sequence in order[1:]:
        new = Marker("k", "", sequence=sequence)
        there = new if supersedes(new, there).accepted else there

    # Sequencers are fractions, so to speak: 002 comes after 001D.
    assert there.sequence == max(order, key=lambda text: text.ljust(4, "0"))
