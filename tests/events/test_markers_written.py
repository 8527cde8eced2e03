"""Uploads become markers on real stores: once, the latest, and under whoever is at it too."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from shard.errors import AccessDenied, BucketMissing, Unavailable
from shard.events import recording, stores
from shard.events.http import EventReceiver
from shard.planning.location import Location
from shard.planning.markers import Marker
from shard.planning.marking import EventSettings
from shard.planning.upload_events import ObjectEvent
from tests import event_shapes as shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers import GCSServer, S3Server


class Cloud:
    """A server with an empty process bucket, and the settings of functions that write to it."""

    def __init__(self, server: Any, scheme: str) -> None:
        self.bucket = server.bucket("process")
        self.client = server.client()
        self.settings = EventSettings.of(
            {"PROCESS_BUCKET": f"{scheme}://{self.bucket}", "RBSC_BUCKET": f"{scheme}://in"}
        )
        self.store = stores.open_markers(self.settings.process)

    def record(self, sequence: str = "05", **facts: Any) -> str:
        """Tell of an upload of `a/b.tif`; return what was decided."""
        told = {"etag": "e" + sequence, "size": 7, **facts}
        event = ObjectEvent("in", "a/b.tif", sequence=sequence, **told)
        return recording.record(event, self.settings, self.store).reason

    def marker(self) -> tuple[dict[str, Any], str]:
        """Return what the marker says, and its version."""
        data, version = self.store.read("rbsc/a/b.tif.json") or (b"{}", "")
        return json.loads(data), version

    def put(self, data: bytes) -> None:
        """Put something where the marker lies."""
        there = self.store.read("rbsc/a/b.tif.json")
        assert self.store.write("rbsc/a/b.tif.json", data, there and there[1])


@pytest.fixture(params=["seaweed", "moto_s3", "fake_gcs"])
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Return each of the stores in turn."""
    server: S3Server | GCSServer = request.getfixturevalue(request.param)
    variables: Mapping[str, str] = server.env
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Cloud(server, "gs" if request.param == "fake_gcs" else "s3")


def test_an_upload_leaves_a_marker(cloud: Cloud) -> None:
    """The marker says key, path, eTag, bucket, size and time, and the upload's sequence."""
    assert cloud.record(time="2026-11-21T08:00:00Z") == "new"
    said, _ = cloud.marker()

    assert said == {
        "key": "a/b.tif",
        "path": "a/",
        "eTag": "e05",
        "bucket": "in",
        "size": 7,
        "time": "2026-11-21T08:00:00Z",
        "sequence": "05",
    }


def test_the_same_event_again_changes_nothing(cloud: Cloud) -> None:
    """A second delivery leaves the very same object, and the attempts that were counted in it."""
    cloud.record()
    cloud.put(Marker("a/b.tif", "a/", bucket="in", sequence="05").failed("corrupt").to_json())
    before = cloud.marker()

    assert cloud.record() == "duplicate"
    assert cloud.marker() == before


def test_the_latest_upload_stays(cloud: Cloud) -> None:
    """A later upload replaces the marker and its attempts; an earlier one that is late does not."""
    cloud.put(Marker("a/b.tif", "a/", bucket="in", sequence="05").failed("corrupt").to_json())

    assert cloud.record("06") == "newer"
    assert cloud.record("04") == "older"
    said, _ = cloud.marker()
    assert (said["eTag"], said.get("attempts")) == ("e06", None)


def test_what_may_only_be_shown_small_stays_so(cloud: Cloud) -> None:
    """A new upload does not lift the copyright that its marker tells of."""
    cloud.put(Marker("a/b.tif", "a/", copyright=True).to_json())
    cloud.record()

    assert cloud.marker()[0]["copyright"] is True


def test_what_is_no_marker_is_replaced(cloud: Cloud) -> None:
    """Something else where the marker belongs does not cost the upload."""
    cloud.put(b"something else")

    assert cloud.record() == "no_marker"
    assert cloud.marker()[0]["key"] == "a/b.tif"


@pytest.mark.parametrize("cloud", ["seaweed", "fake_gcs"], indirect=True)
def test_many_functions_at_once(cloud: Cloud) -> None:
    """Of events that are handled all at once the latest upload's marker stays."""
    sequences = [f"{number:02d}" for number in range(10, 22)]

    def told(sequence: str) -> None:
        while True:  # as a queue does: what was overtaken too often comes again
            try:
                cloud.record(sequence)
            except Unavailable:
                continue
            return

    with ThreadPoolExecutor(6) as functions:
        list(functions.map(told, sequences))

    assert cloud.marker()[0]["eTag"] == "e21"


def test_a_marker_that_is_always_overtaken(cloud: Cloud) -> None:
    """Who is overtaken again and again says so, and the event comes again."""

    class Overtaken:
        def read(self, key: str) -> tuple[bytes, str] | None:
            return cloud.store.read(key)

        def write(self, key: str, data: bytes, replaces: str | None) -> bool:
            return False

    event = ObjectEvent("in", "a/b.tif")

    with pytest.raises(Unavailable, match=r"rbsc/a/b\.tif\.json: .* overtaken 5 times"):
        recording.record(event, cloud.settings, Overtaken())


@pytest.mark.parametrize("cloud", ["moto_s3", "fake_gcs"], indirect=True)  # SeaweedFS makes it
def test_a_bucket_that_is_not_there(cloud: Cloud) -> None:
    """A missing process bucket is named."""
    store = stores.open_markers(Location(cloud.settings.process.scheme, "no-such-bucket", ""))

    with pytest.raises(BucketMissing, match="no-such-bucket"):
        store.write("rbsc/a", b"{}", None)


def test_who_may_not_write_is_told_what_it_takes(
    seaweed: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A denial names the object and the actions that are needed."""
    for name, value in seaweed.readonly_env.items():
        monkeypatch.setenv(name, value)
    store = stores.open_markers(Location("s3", seaweed.bucket(), ""))

    with pytest.raises(AccessDenied, match=r"rbsc/a: AccessDenied; needed: s3:GetObject"):
        store.write("rbsc/a", b"{}", None)


def test_a_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that fails is said to be worth another try."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = stores.open_markers(Location("s3", "work", ""))

    with pytest.raises(Unavailable):
        store.write("rbsc/a", b"{}", None)


def test_requests_are_answered(cloud: Cloud) -> None:
    """CloudEvents and Pub/Sub over HTTP write the marker; the answer says what became of it."""
    receiver = EventReceiver(cloud.settings, cloud.store)
    resource = shapes.gcs_object("in", "a/b.tif")

    first = receiver.receive(shapes.binary_headers(), json.dumps(resource).encode())
    again = receiver.receive({}, json.dumps(shapes.pub_sub(resource)).encode())

    record = {"written": True, "reason": "new", "bucket": "in", "key": "a/b.tif"}
    assert (first[0], json.loads(first[1])) == (200, {"records": [record]})
    assert (again[0], json.loads(again[1])["records"][0]["reason"]) == (200, "duplicate")
    assert cloud.marker()[0]["eTag"] == shapes.GENERATION


@pytest.mark.parametrize("cloud", ["moto_s3", "fake_gcs"], indirect=True)  # SeaweedFS makes it
def test_requests_that_fail(cloud: Cloud) -> None:
    """What cannot be read is 400, a store that fails 503; a batch's others are done."""
    good, bad = shapes.cloud_event(shapes.gcs_object("in", "a/b.tif")), {"hello": 1}
    receiver = EventReceiver(cloud.settings, cloud.store)
    nowhere = Location(cloud.settings.process.scheme, "no-such-bucket", "")
    broken = EventReceiver(cloud.settings, stores.open_markers(nowhere))

    status, answer = receiver.receive({}, json.dumps([bad, good]).encode())

    assert status == 400
    assert [record["reason"] for record in json.loads(answer)["records"]] == ["failed", "new"]
    assert "no-such-bucket" in broken.receive({}, json.dumps(good).encode())[1].decode()
    assert broken.receive({}, json.dumps(good).encode())[0] == 503
