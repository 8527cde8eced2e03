"""One contract, every store: local, memory, SeaweedFS (obstore, s3fs), moto, fake-gcs-server."""

from __future__ import annotations

import hashlib
import os
import threading
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shard.errors import AlreadyExists, BucketMissing, ContentChanged, KeyRefused, ObjectMissing
from shard.storage import open_store
from shard.storage.base import MD5_KEY, Headers, StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from shard.storage.base import Store
    from tests.servers import GCSServer, S3Server

OPTIONS = StorageOptions(retry_budget=20.0, concurrency=16)


@dataclass(frozen=True)
class Case:
    """A store under test: ``at(folder)`` opens it, ``facts(key)`` asks another client.

    ``facts`` gives (content type, metadata), ``None`` where the store keeps neither.
    """

    kind: str
    root: str
    facts: Callable[[str], tuple[str, dict[str, str]]] | None = None
    options: StorageOptions = OPTIONS

    def at(self, folder: str = "") -> Store:
        """Open the store, or a folder of it."""
        return open_store(f"{self.root}/{folder}" if folder else self.root, self.options)


def _use(env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)


_SHARED: dict[str, str] = {}


def _share(server: S3Server) -> str:
    if server.url not in _SHARED:
        _SHARED[server.url] = server.bucket("contract")
    return _SHARED[server.url]


def _s3(server: S3Server, monkeypatch: pytest.MonkeyPatch, kind: str) -> Case:
    _use(server.env, monkeypatch)
    name, _, backend = kind.partition("-")
    # SeaweedFS takes a second to make a bucket's first volume: its cases share one.
    shared = name == "seaweed"
    root = f"{_share(server)}/{uuid.uuid4().hex}" if shared else server.bucket()

    def facts(key: str) -> tuple[str, dict[str, str]]:
        bucket, _, folder = f"{root}/{key}".partition("/")
        answer = server.client().head_object(Bucket=bucket, Key=folder)
        return answer["ContentType"], dict(answer["Metadata"])

    options = StorageOptions(s3_backend=backend, retry_budget=20.0, concurrency=16)
    return Case(kind, f"s3://{root}", facts, options)


def _gcs(server: GCSServer, monkeypatch: pytest.MonkeyPatch) -> Case:
    _use(server.env, monkeypatch)
    bucket = server.bucket()

    def facts(key: str) -> tuple[str, dict[str, str]]:
        blob = server.client().bucket(bucket).get_blob(key)
        return blob.content_type, dict(blob.metadata or {})

    return Case("gcs", f"gs://{bucket}", facts)


KINDS = ["local", "memory", "seaweed-obstore", "seaweed-s3fs", "moto-obstore", "gcs"]


@pytest.fixture(params=[pytest.param(k, marks=pytest.mark.xdist_group(k[:4])) for k in KINDS])
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Each store in turn, empty."""
    kind = str(request.param)
    if kind == "local":
        (tmp_path / "root").mkdir()
        return Case(kind, str(tmp_path / "root"))
    if kind == "memory":
        return Case(kind, f"memory://{uuid.uuid4().hex}")
    if kind == "gcs":
        return _gcs(request.getfixturevalue("fake_gcs"), monkeypatch)
    name = "seaweed" if kind.startswith("seaweed") else "moto_s3"
    return _s3(request.getfixturevalue(name), monkeypatch, kind)


def put(store: Store, *keys: str, body: bytes = b"x") -> None:
    """Write ``body`` at every key."""
    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda key: store.write(key, body, content_type="image/png"), keys):
            pass


def keys(store: Store, **arguments: Any) -> list[str]:
    """Return the listed keys, sorted."""
    return sorted(item.key for item in store.list(**arguments))


def test_an_empty_root_lists_nothing(case: Case) -> None:
    """A root that exists and holds nothing lists nothing, without an error."""
    assert keys(case.at()) == []


def test_root_is_a_folder(case: Case) -> None:
    """A root named ``cats`` never lists what lies in ``cats2`` or in a file ``cats.jpg``."""
    put(case.at(), "cats/1.jpg", "cats/deep/2.jpg", "cats2/3.jpg", "cats.jpg")

    assert keys(case.at("cats")) == ["1.jpg", "deep/2.jpg"]
    assert keys(case.at("cats/")) == ["1.jpg", "deep/2.jpg"]


def test_prefix_is_any_beginning_of_a_key(case: Case) -> None:
    """``prefix`` selects by the key's text, within a segment too."""
    put(case.at(), "a/10.jpg", "a/11.jpg", "a/2.jpg", "b/1.jpg")

    assert keys(case.at(), prefix="a/1") == ["a/10.jpg", "a/11.jpg"]
    assert keys(case.at(), prefix="c") == []


def test_listing_has_no_cap(case: Case) -> None:
    """A listing of more than a page (1,000 objects) yields each object once."""
    names = [f"many/{n:05d}.jpg" for n in range(2_345)]
    put(case.at(), *names)

    assert keys(case.at()) == names


def test_start_after_leaves_out_what_lies_before(case: Case) -> None:
    """``start_after`` yields the keys after it only, itself excluded, whether it exists or not."""
    put(case.at(), *(f"{n:04d}.jpg" for n in range(20)))

    assert keys(case.at(), start_after="0017.jpg") == ["0018.jpg", "0019.jpg"]
    assert keys(case.at(), start_after="0017.k") == ["0018.jpg", "0019.jpg"]


def test_start_after_within_a_prefix(case: Case) -> None:
    """``start_after`` and ``prefix`` hold together."""
    put(case.at(), "a/1", "a/2", "b/1", "b/2", "c/1")

    assert keys(case.at(), prefix="b/", start_after="b/1") == ["b/2"]


def test_a_prefix_spares_other_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a store that is walked, a listing with a prefix looks into no folder beside it."""
    store = open_store(f"memory://{uuid.uuid4().hex}", OPTIONS)
    for key in ("a/b/1.jpg", "a/bb/2.jpg", "a/c/3.jpg", "d/4.jpg"):
        store.write(key, b"x", content_type="image/jpeg")
    looked: list[str] = []
    fs: Any = store._fs  # type: ignore[attr-defined]  # GenericStore's
    ls = fs.ls

    def counted(path: str, **options: Any) -> Any:
        looked.append(path)
        return ls(path, **options)

    monkeypatch.setattr(fs, "ls", counted)
    found = [item.key for item in store.list(prefix="a/b")]

    assert found == ["a/b/1.jpg", "a/bb/2.jpg"]
    assert len(looked) == 4


def test_children_are_one_level(case: Case) -> None:
    """A folder's children are its own objects and the names of its folders, of any number."""
    store = case.at(f"children-{uuid.uuid4().hex[:8]}")
    for key in ("a.jpg", "in/b.jpg", "in/c d.jpg", "in/deep/x.jpg", "in/deep/y.jpg", "inner/z.jpg"):
        store.write(key, b"12", content_type="image/jpeg")

    top = list(store.children())
    below = list(store.children("in/"))

    assert sorted(c if isinstance(c, str) else c.key for c in top) == ["a.jpg", "in/", "inner/"]
    assert sorted(c for c in below if isinstance(c, str)) == ["in/deep/"]
    assert sorted((c.key, c.size) for c in below if not isinstance(c, str)) == [
        ("in/b.jpg", 2),
        ("in/c d.jpg", 2),
    ]
    assert list(store.children("nowhere/")) == []


def test_items_carry_size_time_and_fingerprint(case: Case) -> None:
    """A listed item says its size, a UTC time near now, and a fingerprint that follows content."""
    store = case.at("box")
    put(store, "one", body=b"12345")
    (before,) = store.list()
    put(store, "one", body=b"123456")
    (after,) = store.list()

    assert (before.size, after.size) == (5, 6)
    assert before.fingerprint != after.fingerprint
    assert before.modified is not None
    assert abs(datetime.now(UTC) - before.modified) < timedelta(minutes=5)


def test_stat_agrees_with_the_listing(case: Case) -> None:
    """``stat`` gives the item that the listing gives."""
    store = case.at("box")
    put(store, "a/b.jpg", body=b"12345")
    (listed,) = store.list()
    told = store.stat("a/b.jpg")

    assert told is not None
    assert (told.key, told.size, told.fingerprint) == ("a/b.jpg", 5, listed.fingerprint)


def test_stat_of_nothing_is_none(case: Case) -> None:
    """``stat`` of a missing object, or of a folder of objects, is None."""
    put(case.at(), "folder/file")

    assert case.at().stat("nothing") is None
    assert case.at().stat("folder") is None


SPECIAL = [
    "a b.jpg",
    "plus+plus.jpg",
    "50%.jpg",
    "%2F%20.jpg",
    "quote'\".jpg",
    "hash#query?.jpg",
    "ünïcödé-日本.jpg",
    "semi;colon&amp,.jpg",
    "(round)[square]{curly}.jpg",
    "star*tilde~pipe|.jpg",
]


def test_special_names_round_trip(case: Case) -> None:
    """Names with spaces, plus, percent, quotes, #, ?, Unicode and brackets are kept exactly."""
    store = case.at("sp ecial+%41")
    for name in SPECIAL:
        put(store, name, body=name.encode())

    assert keys(store) == sorted(SPECIAL)
    assert {name: store.read(name) for name in SPECIAL} == {n: n.encode() for n in SPECIAL}
    assert all(store.stat(name) for name in SPECIAL)


ODD = ["a//b.jpg", "/lead.jpg", "tail/", "d/./x", "d/../x", "tab\tx.jpg"]


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_round_trip_or_are_refused(case: Case, odd: str) -> None:
    """A name that a store cannot keep as it is is refused; it never becomes another name."""
    if case.kind.startswith("seaweed"):
        pytest.skip("SeaweedFS itself joins double slashes and refuses dots")
    store = case.at("odd")
    put(store, "plain")
    try:
        put(store, odd, body=b"odd")
    except KeyRefused:
        assert keys(store) == ["plain"]
        return

    assert keys(store) == sorted(["plain", odd])
    assert store.read(odd) == b"odd"
    assert store.stat(odd) is not None
    store.delete(odd)
    assert keys(store) == ["plain"]


def test_newline_in_a_name(case: Case) -> None:
    """A newline in a name does no harm to a listing, where the store can hold one."""
    store = case.at("nl")
    put(store, "plain.jpg")
    if case.kind in ("gcs", "moto-obstore"):
        pytest.skip("this server has no such names")
    put(store, "new\nline.jpg", body=b"nl")

    assert keys(store) == ["new\nline.jpg", "plain.jpg"]
    assert store.read("new\nline.jpg") == b"nl"


def test_read_whole_and_ranges(case: Case) -> None:
    """``read(start, end)`` is the slice of the bytes, beyond the end too."""
    store = case.at()
    body = bytes(range(256)) * 10
    put(store, "bytes", body=body)
    wanted = [(0, None), (0, 10), (100, 200), (2_500, None), (2_500, 9_999), (5, 5), (9_999, None)]

    for start, end in wanted:
        assert store.read("bytes", start, end) == body[start:end], (start, end)


def test_an_empty_object(case: Case) -> None:
    """An empty object is listed with size 0 and read as no bytes, whole or by range."""
    store = case.at()
    put(store, "empty", body=b"")

    assert [item.size for item in store.list()] == [0]
    assert store.read("empty") == b""
    assert store.read("empty", 0, 10) == b""


def test_write_sets_content_type_and_metadata(case: Case) -> None:
    """Another client sees the content type and the metadata that were written."""
    if case.facts is None:
        pytest.skip("this store keeps neither")
    case.at("out").write("t.webp", b"data", content_type="image/webp", metadata={"source": "abc-1"})

    assert case.facts("out/t.webp") == ("image/webp", {"source": "abc-1"})


def test_overwrite_replaces(case: Case) -> None:
    """A second write replaces the first."""
    store = case.at()
    put(store, "k", body=b"first, longer")
    put(store, "k", body=b"second")

    assert store.read("k") == b"second"


def test_create_only_refuses_what_exists(case: Case) -> None:
    """A create-only write of an existing object raises AlreadyExists and changes nothing."""
    store = case.at()
    store.write("k", b"first", content_type="text/plain", create_only=True)
    with pytest.raises(AlreadyExists):
        store.write("k", b"second", content_type="text/plain", create_only=True)

    assert store.read("k") == b"first"


def test_create_only_race_has_one_winner(case: Case) -> None:
    """Of two create-only writes at once, exactly one wins, and its bytes stay."""
    store = case.at()
    put(store, "warm")
    for round_ in range(5):
        barrier = threading.Barrier(2)

        def race(
            name: bytes, key: str = f"run-{round_}", gate: threading.Barrier = barrier
        ) -> bytes | None:
            gate.wait()
            try:
                store.write(key, name, content_type="text/plain", create_only=True)
            except AlreadyExists:
                return None
            return name

        with ThreadPoolExecutor(2) as pool:
            winners = [w for w in pool.map(race, [b"one", b"two"]) if w]

        assert winners == [store.read(f"run-{round_}")]


def test_delete_removes_and_forgives(case: Case) -> None:
    """A deleted object is gone; deleting it again is no error."""
    store = case.at()
    put(store, "k")
    store.delete("k")
    store.delete("k")

    assert store.stat("k") is None


def test_reading_nothing_is_object_missing(case: Case) -> None:
    """Reading a missing object, whole or a range, raises ObjectMissing."""
    put(case.at(), "other")
    with pytest.raises(ObjectMissing):
        case.at().read("nothing")
    with pytest.raises(ObjectMissing):
        case.at().read("nothing", 5, 10)


def test_a_missing_bucket_is_named(case: Case) -> None:
    """Listing, reading and stat in a bucket that does not exist raise BucketMissing."""
    if case.kind == "memory":
        pytest.skip("a memory folder that does not exist is an empty one")
    scheme, _, rest = case.root.partition("://")
    missing = f"{scheme}://no-such-bucket-here" if rest else case.root + "-no-such"
    store = open_store(missing, case.options)
    with pytest.raises(BucketMissing):
        list(store.list())
    if case.kind == "local":
        return
    with pytest.raises(BucketMissing):
        store.stat("k")
    with pytest.raises(BucketMissing):
        store.read("k")


def test_a_large_file_streams(case: Case, tmp_path: Path) -> None:
    """A file of 20 MB given as a Path arrives whole, with its content type."""
    source = tmp_path / "large.bin"
    body = os.urandom(1 << 20) * 20
    source.write_bytes(body)
    case.at().write("large.bin", source, content_type="image/tiff")

    assert case.at().read("large.bin") == body
    assert case.at().read("large.bin", 10_000_000, 10_000_100) == body[10_000_000:10_000_100]
    if case.facts:
        assert case.facts("large.bin")[0] == "image/tiff"


def test_a_file_can_be_create_only(case: Case, tmp_path: Path) -> None:
    """A Path written create-only does not replace an object."""
    source = tmp_path / "small.bin"
    source.write_bytes(b"new")
    put(case.at(), "k", body=b"old")
    with pytest.raises(AlreadyExists):
        case.at().write("k", source, content_type="text/plain", create_only=True)

    assert case.at().read("k") == b"old"


def test_a_signed_url_reads_the_object(case: Case) -> None:
    """A signed URL reads the object with no credentials, whatever its name."""
    if case.kind in ("memory", "gcs"):
        pytest.skip("nothing to sign with: anonymous, or no such thing")
    store = case.at("sign me")
    put(store, "a b+c%.jpg", body=b"signed")
    url = store.sign("a b+c%.jpg", 60)

    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # our own server's
        assert answer.read() == b"signed"


def test_sixteen_threads_share_a_store(case: Case) -> None:
    """Reads and writes of sixteen threads through one store do not mix."""
    store = case.at("threads")

    def turn(n: int) -> bool:
        body = f"{n}-".encode() * 5_000
        store.write(f"{n}.bin", body, content_type="text/plain")
        return store.read(f"{n}.bin") == body

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(turn, range(160)))


@pytest.mark.parametrize("key", ["", "x" * 1_100 + "/y" * 20])
def test_impossible_keys_are_refused(case: Case, key: str) -> None:
    """An empty key and one over the store's limits raise KeyRefused before anything is sent."""
    with pytest.raises(KeyRefused):
        case.at().write(key, b"", content_type="text/plain")
    with pytest.raises(KeyRefused):
        case.at().read(key)


def test_md5_of_the_content_is_told(case: Case) -> None:
    """``md5`` is that of the content; where a listing tells one too, it is the same."""
    store = case.at("box")
    put(store, "a.jpg", body=b"12345")
    (listed,) = store.list()

    assert store.md5("a.jpg") == hashlib.md5(b"12345").hexdigest()
    assert listed.md5 in ("", hashlib.md5(b"12345").hexdigest())


def test_a_file_in_parts_arrives_whole_and_keeps_its_md5(case: Case, tmp_path: Path) -> None:
    """A file of several parts is the same bytes, and its metadata tells the MD5 that it had."""
    store, data = case.at("box"), os.urandom(20 << 20)
    md5 = hashlib.md5(data).hexdigest()
    (tmp_path / "large").write_bytes(data)
    store.write(
        "large",
        tmp_path / "large",
        content_type="image/tiff",
        metadata={MD5_KEY: md5},
        headers=Headers(md5=md5),
    )

    assert store.read("large") == data
    assert store.md5("large") == md5


@pytest.mark.parametrize("size", [1000, 20 << 20])
def test_a_file_that_is_not_what_was_announced_is_not_stored(
    case: Case, tmp_path: Path, size: int
) -> None:
    """If a file's bytes are not those of the announced MD5, nothing appears in the store."""
    if case.kind in ("gcs", "memory"):
        pytest.skip("the emulator does not compare digests; fsspec's memory has none")
    store = case.at("box")
    (tmp_path / "file").write_bytes(os.urandom(size))

    with pytest.raises(ContentChanged, match="changed while it was uploaded"):
        store.write(
            "file", tmp_path / "file", content_type="image/tiff", headers=Headers(md5="0" * 32)
        )
    assert store.stat("file") is None


@pytest.mark.parametrize("size", [10, 9 << 20])
def test_headers_are_kept(
    case: Case, request: pytest.FixtureRequest, tmp_path: Path, size: int
) -> None:
    """Cache-Control and the storage class reach the object, as bytes or as a file in parts."""
    if case.facts is None:
        pytest.skip("no place for headers")
    if case.kind == "seaweed-s3fs" or (case.kind == "gcs" and size > 10):
        pytest.skip("s3fs is covered by moto's boto3; the emulator drops them on resumable uploads")
    (tmp_path / "file").write_bytes(b"x" * size)
    headers = Headers(cache_control="max-age=60", storage_class="STANDARD", acl="public-read")
    data: bytes | Path = tmp_path / "file" if size > 10 else b"x" * size
    case.at("box").write("a.jpg", data, content_type="image/jpeg", headers=headers)
    url = case.at("box").sign("a.jpg", 60) if case.kind != "gcs" else None
    if url is None:
        server, (bucket, _, key) = request.getfixturevalue("fake_gcs"), _parts(case, "box/a.jpg")
        told = server.client().bucket(bucket).get_blob(key).cache_control
    else:
        with urllib.request.urlopen(url) as answer:  # noqa: S310  # our own http URL
            told = answer.headers["Cache-Control"]

    assert told == "max-age=60"


def _parts(case: Case, key: str) -> tuple[str, str, str]:
    return f"{case.root.partition('://')[2]}/{key}".partition("/")


def test_a_public_object_is_read_by_anyone(
    moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the ACL public-read the object has that grant; without one it is private."""
    _use(moto_s3.env, monkeypatch)
    bucket = moto_s3.bucket()
    store = open_store(f"s3://{bucket}", OPTIONS)
    store.write("a", b"1", content_type="image/png", headers=Headers(acl="public-read"))
    store.write("b", b"1", content_type="image/png")
    grants = {
        key: [
            grant["Grantee"].get("URI", "owner").rpartition("/")[2]
            for grant in moto_s3.client().get_object_acl(Bucket=bucket, Key=key)["Grants"]
        ]
        for key in "ab"
    }

    assert "AllUsers" in grants["a"]
    assert "AllUsers" not in grants["b"]


def test_delete_only_what_was_seen(case: Case) -> None:
    """With a fingerprint an object is deleted only while it is the one that was seen."""
    store = case.at(uuid.uuid4().hex)
    store.write("m.json", b"first", content_type="application/json")
    seen = {item.key: item.fingerprint for item in store.list()}["m.json"]
    store.write("m.json", b"second one", content_type="application/json")
    with pytest.raises(ContentChanged):
        store.delete("m.json", fingerprint=seen)
    kept = store.read("m.json")
    now = store.stat("m.json")
    assert now is not None
    store.delete("m.json", fingerprint=now.fingerprint)
    store.delete("m.json", fingerprint=now.fingerprint)

    assert kept == b"second one"
    assert store.stat("m.json") is None
