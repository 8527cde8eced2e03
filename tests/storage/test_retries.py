"""Retries against a proxy that fails by count, before a real S3 server and a real GCS one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shard.errors import AccessDenied, AlreadyExists, BucketMissing, StorageError, Unavailable
from shard.storage import open_store, s3_listing
from shard.storage.base import StorageOptions
from tests.faults import Fault, FaultyProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.storage.base import Store
    from tests.servers import GCSServer, S3Server

pytestmark = pytest.mark.xdist_group("seaw")
BODY = b"0123456789" * 10_000


class World:
    """A bucket behind a faulty proxy, opened through either backend."""

    def __init__(self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.bucket, self._monkeypatch = server, bucket, monkeypatch
        self.proxy = FaultyProxy(server.url)

    def open(self, backend: str = "obstore", budget: float = 20.0, env: Any = None) -> Store:
        """Open the bucket through the proxy, with ``env`` over the admin's."""
        told = {**self.server.env, "AWS_ENDPOINT_URL": self.proxy.url, **(env or {})}
        for name, value in told.items():
            self._monkeypatch.setenv(name, value)
        options = StorageOptions(s3_backend=backend, retry_budget=budget, request_timeout=2.0)
        return open_store(f"s3://{self.bucket}", options)

    def put(self, key: str, body: bytes = BODY) -> None:
        """Write past the proxy."""
        self.server.client().put_object(Bucket=self.bucket, Key=key, Body=body)


@pytest.fixture(scope="module")
def bucket(seaweed: S3Server) -> str:
    """One bucket for all these tests: the first write to a new one is slow."""
    return seaweed.bucket("retries")


@pytest.fixture
def world(seaweed: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Return a bucket behind a proxy without faults yet."""
    made = World(seaweed, bucket, monkeypatch)
    with made.proxy:
        yield made


BACKENDS = pytest.mark.parametrize("backend", ["obstore", "s3fs"])
KINDS = ["slow_down", "error", "throttle", "refuse", "reset"]


@BACKENDS
@pytest.mark.parametrize("kind", KINDS)
def test_a_read_survives_transient_faults(world: World, backend: str, kind: str) -> None:
    """503, 500, 429, a refused connection and a reset in mid-body are each retried to the end."""
    world.put("read.bin")
    fault = Fault(kind, times=3, method="GET", path="read.bin")
    world.proxy.faults.append(fault)

    assert world.open(backend).read("read.bin") == BODY
    assert fault.met >= 4


@BACKENDS
@pytest.mark.parametrize("kind", ["slow_down", "error", "throttle", "refuse"])
def test_a_write_survives_transient_faults(world: World, backend: str, kind: str) -> None:
    """A write that meets transient faults is sent again, whole."""
    fault = Fault(kind, times=3, method="PUT", path=f"write-{backend}-{kind}")
    world.proxy.faults.append(fault)
    store = world.open(backend)
    store.write(f"write-{backend}-{kind}", BODY, content_type="text/plain")

    assert store.read(f"write-{backend}-{kind}") == BODY
    assert fault.met == 4


def test_a_request_that_hangs_is_timed_out_and_retried(world: World) -> None:
    """An answer that does not come within the request's time-out is asked for again."""
    world.put("slow.bin")
    world.proxy.faults.append(Fault("delay", times=1, path="slow.bin", seconds=30.0))

    assert world.open().read("slow.bin") == BODY


@BACKENDS
def test_a_listing_loses_and_doubles_nothing(
    world: World, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing whose pages fail in three ways yields every key exactly once."""
    monkeypatch.setattr(s3_listing, "_PAGE", 20)
    names = [f"pages-{backend}/{n:04d}" for n in range(60)]
    for name in names:
        world.put(name, b"")
    world.proxy.faults += [
        Fault("slow_down", times=2, method="GET", path="list-type=2", after=1),
        Fault("reset", times=1, method="GET", path="continuation-token", after=2),
        Fault("refuse", times=1, method="GET", path="continuation-token", after=4),
    ]
    listed = [item.key for item in world.open(backend).list(prefix=f"pages-{backend}/")]

    assert sorted(listed) == names
    assert len(world.proxy.requests) > 6


@BACKENDS
def test_the_budget_ends(world: World, backend: str) -> None:
    """A fault that never ends becomes Unavailable once the budget is spent."""
    world.put("never.bin")
    world.proxy.faults.append(Fault("slow_down", times=10_000, path="never.bin"))
    with pytest.raises(Unavailable) as raised:
        world.open(backend, budget=1.0).read("never.bin")

    assert raised.value.retryable
    assert "never.bin" in str(raised.value)


@BACKENDS
def test_a_budget_of_nothing_tries_once(world: World, backend: str) -> None:
    """``retry_budget=0`` sends one request: no client retries on its own."""
    world.put("once.bin")
    fault = Fault("slow_down", times=10_000, path="once.bin")
    world.proxy.faults.append(fault)
    with pytest.raises(Unavailable):
        world.open(backend, budget=0).read("once.bin")

    assert fault.met == 1


def test_a_create_only_write_whose_answer_was_lost(world: World) -> None:
    """A create-only write that happened but was not answered says AlreadyExists: never twice."""
    fault = Fault("lost", times=1, method="PUT", path="lost.json")
    world.proxy.faults.append(fault)
    store = world.open()
    with pytest.raises(AlreadyExists):
        store.write("lost.json", b"{}", content_type="application/json", create_only=True)

    assert store.read("lost.json") == b"{}"


WRONG = [
    {"AWS_SECRET_ACCESS_KEY": "wrong"},
    {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "not-a-secret"},
]


@BACKENDS
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_credentials_fail_at_once(world: World, backend: str, wrong: dict[str, str]) -> None:
    """A wrong key or secret is AccessDenied with its remedy, after one request, secret unsaid."""
    world.put("read.bin")
    store = world.open(backend, env=wrong)
    with pytest.raises(AccessDenied) as listing:
        list(store.list())
    with pytest.raises(AccessDenied):
        store.stat("read.bin")
    with pytest.raises(AccessDenied) as reading:
        store.read("read.bin")

    assert "AWS_ACCESS_KEY_ID" in listing.value.remedy
    assert len(world.proxy.requests) == 3
    for error in (listing.value, reading.value):
        assert wrong["AWS_SECRET_ACCESS_KEY"] not in str(error).replace("wrong key", "")


@BACKENDS
def test_a_read_only_key_may_not_write(world: World, backend: str) -> None:
    """A key that may only read reads; its write is AccessDenied at once."""
    world.put("read.bin")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    store = world.open(backend, env={name: world.server.readonly_env[name] for name in names})

    assert store.read("read.bin") == BODY
    with pytest.raises(AccessDenied):
        store.write("new.bin", b"", content_type="text/plain")
    with pytest.raises(AccessDenied):
        store.delete("read.bin")


def test_a_missing_bucket_fails_at_once(world: World) -> None:
    """A missing bucket is BucketMissing after one request, for writes too."""
    world.bucket = "no-such-bucket"
    store = world.open()
    with pytest.raises((BucketMissing, AccessDenied)):
        list(store.list())

    assert len(world.proxy.requests) == 1


def test_nobody_there_is_unavailable(monkeypatch: pytest.MonkeyPatch, seaweed: S3Server) -> None:
    """An endpoint that refuses connections is Unavailable, not absent, not denied."""
    for name, value in {**seaweed.env, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    store = open_store("s3://some-bucket", StorageOptions(retry_budget=0))
    with pytest.raises(Unavailable):
        store.stat("key")
    with pytest.raises(Unavailable):
        list(store.list())


def test_no_error_tells_a_signature(world: World) -> None:
    """No error's text or cause holds a signature or a credential."""
    world.proxy.faults.append(Fault("error", times=10_000))
    with pytest.raises(StorageError) as raised:
        world.open(budget=0).read("k")

    assert raised.value.__cause__ is None
    assert "Signature" not in str(raised.value)
    assert world.server.env["AWS_ACCESS_KEY_ID"] not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_gcs_survives_transient_faults(
    fake_gcs: GCSServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The same faults on GCS: reads, writes, listings and stat are retried to the end."""
    name = fake_gcs.bucket()
    fake_gcs.client().bucket(name).blob("k").upload_from_string(BODY)
    with FaultyProxy(fake_gcs.url) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        store = open_store(f"gs://{name}", StorageOptions(retry_budget=20.0))
        for method, path in (("GET", "/o/k"), ("POST", "/o"), ("GET", "/o?")):
            proxy.faults.append(Fault(kind, times=2, method=method, path=path))

        assert store.read("k") == BODY
        store.write("w", BODY, content_type="text/plain")
        assert store.read("w") == BODY
        assert sorted(item.key for item in store.list()) == ["k", "w"]
        assert store.stat("k") is not None


def test_gcs_budget_of_nothing_tries_once(
    fake_gcs: GCSServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``retry_budget=0`` on GCS: one request, Unavailable."""
    name = fake_gcs.bucket()
    fault = Fault("error", times=10_000, path="/o/k")
    with FaultyProxy(fake_gcs.url, fault) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        with pytest.raises(Unavailable):
            open_store(f"gs://{name}", StorageOptions(retry_budget=0)).read("k")

    assert fault.met == 1
