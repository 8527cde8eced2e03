"""Manifests: every form says the same, older ones are read, slices are disjoint and complete."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard.errors import SettingError, StorageError
from shard.manifest import open_manifest, parquet
from shard.manifest.address import RangedFile, parse_address
from shard.manifest.slices import unit
from shard.planning.location import Location
from shard.storage.base import StorageOptions
from tests.manifest.trees import HEADER, MOMENT, keys, record, write

RECORDS = [
    record("botany/originals/ab/cd/x.jpg", 5000, [200, 400]),
    record("botany/originals/ab/cd/y.tif", 7000),
    record("iz/originals/a b/é\u4e16.png", 3, [200]),
    record("iz/originals/z.pdf", 0),
]
FORMS = ["json", "jsonl", "jsonl.gz", "parquet"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str, tmp_path: Path) -> None:
    """What is written is read back: header, statistics and records."""
    stats = write(tmp_path / f"m.{form}", RECORDS)
    manifest = open_manifest(str(tmp_path / f"m.{form}"))

    assert list(manifest.records()) == RECORDS
    assert manifest.header.collection_stats == stats
    assert manifest.header.created_at == HEADER.created_at
    assert manifest.header.source == Location("s3", "museum", "attachments")
    assert manifest.header.scan_duration_seconds == 1.5


@pytest.mark.parametrize("form", FORMS)
def test_the_same_bytes_again(form: str, tmp_path: Path) -> None:
    """A manifest is a function of what was found."""
    for name in ("a", "b"):
        write(tmp_path / f"{name}.{form}", RECORDS)

    assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_the_documented_document(tmp_path: Path) -> None:
    """`.json` has exactly the documented fields, in their order, keys with their prefix."""
    write(tmp_path / "m.json", RECORDS)
    document = json.loads((tmp_path / "m.json").read_text())
    first = document["records"][0]

    assert list(document) == [
        *("created_at", "storage_type", "local_root", "s3_endpoint", "s3_bucket", "s3_prefix"),
        *("collections", "collection_stats", "records", "scan_duration_seconds"),
    ]
    assert list(document["collection_stats"]["iz"].items()) == [
        ("name", "iz"),
        ("total_images", 2),
        ("with_thumbnails", 1),
        ("missing_thumbnails", 1),
        ("total_original_bytes", 3),
        ("total_thumbnail_bytes", 210),
    ]
    assert list(first) == [
        *("original_key", "original_size", "original_modified", "base_thumbnail_key"),
        *("collection", "filename", "thumbnails"),
    ]
    assert first["base_thumbnail_key"] == "attachments/botany/thumbnails/ab/cd/x.jpg"
    assert first["thumbnails"]["200"] == {
        "scale": 200,
        "key": "attachments/botany/thumbnails/ab/cd/x_200.jpg",
        "size": 210,
        "modified": "2026-01-08T01:56:26.000005+00:00",
    }


def test_created_at_without_zone(tmp_path: Path) -> None:
    """The older tool subtracts `created_at` from its naive local clock: so it stands in `.json`."""
    write(tmp_path / "m.json", [])
    created = datetime.fromisoformat(json.loads((tmp_path / "m.json").read_text())["created_at"])

    assert created.tzinfo is None
    assert created.astimezone(UTC) == HEADER.created_at


OLDER: dict[str, Any] = {
    "created_at": "2026-01-22T11:30:00.000000",
    "storage_type": "local",
    "s3_endpoint": None,
    "s3_bucket": None,
    "s3_prefix": "attachments",
    "local_root": "/mnt/assets",
    "collections": ["botany"],
    "collection_stats": {},
    "records": [
        {
            "original_key": "attachments/botany/originals/zz/z.jpg",
            "original_size": 10,
            "original_modified": "2025-01-07T01:56:26",
            "base_thumbnail_key": "attachments/botany/thumbnails/zz/z.jpg",
            "collection": "botany",
            "filename": "z.jpg",
            "thumbnails": {
                "200": {
                    "scale": 200,
                    "key": "attachments/botany/thumbnails/zz/z_200.jpg",
                    "size": 5,
                    "modified": "2025-08-13T03:12:17+00:00",
                }
            },
        },
        {"original_key": "attachments/botany/originals/aa/a.jpg", "collection": "botany"},
        {
            "original_key": "attachments/botany/originals/aa/b.jpg",
            "original_size": None,
            "original_modified": None,
            "thumbnails": None,
            "thumbnail_exists": True,
            "thumbnail_key": "attachments/botany/thumbnails/aa/b.jpg",
            "thumbnail_size": 7,
        },
    ],
    "scan_duration_seconds": 3.5,
}


def test_the_older_tools_manifest(tmp_path: Path) -> None:
    """Fields may be missing or null, times without zone, records in any order."""
    (tmp_path / "m.json").write_text(json.dumps(OLDER, indent=2))
    manifest = open_manifest(str(tmp_path / "m.json"))
    a, b, z = manifest.records()

    assert manifest.header.source.url == "/mnt/assets/attachments"
    assert (a.original_key, a.original_size, a.thumbnails) == ("botany/originals/aa/a.jpg", 0, {})
    assert b.thumbnails[200].key == "botany/thumbnails/aa/b_200.jpg"
    assert z.original_modified == datetime(2025, 1, 7, 1, 56, 26, tzinfo=UTC)
    assert manifest.header.collection_stats["botany"].with_thumbnails == 2
    assert not z.decide(200).needed


def test_an_older_header_without_prefix(tmp_path: Path) -> None:
    """Where the header leaves the prefix out, the keys tell it."""
    (tmp_path / "m.json").write_text(json.dumps({**OLDER, "s3_prefix": None}))
    manifest = open_manifest(str(tmp_path / "m.json"))

    assert manifest.header.source.url == "/mnt/assets/attachments"
    assert keys(manifest)[0] == "botany/originals/aa/a.jpg"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.json", b"", "expected"),
        ("m.json", b"[]", "{ expected, found '['"),
        ("m.json", b'{"created_at": "2026-01-01", "records": [{}', "original_key is missing"),
        ("m.json", b'{"created_at": "2026-01-01"}', "local_root is not set"),
        ("m.json", b'{"storage_type": "local", "local_root": "/x"}', "created_at is missing"),
        ("m.jsonl", b'{"created_at": "2026-01-01"}\n', "cut short"),
        ("m.jsonl.gz", b"plain", "no gzip file"),
        ("m.parquet", b"PAR1", "is not a manifest"),
    ],
)
def test_what_is_no_manifest(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    """A broken or foreign file is refused in a sentence that names it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StorageError) as raised:
        open_manifest(str(tmp_path / name))

    assert said in str(raised.value)
    assert str(tmp_path / name) in str(raised.value)


def test_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """No cut of a `.json` or `.jsonl.gz` manifest is taken for a smaller one."""
    for form in ("json", "jsonl.gz", "jsonl"):
        write(tmp_path / f"m.{form}", RECORDS)
        whole = (tmp_path / f"m.{form}").read_bytes().rstrip()
        for end in range(0, len(whole) - 1, 41):
            (tmp_path / f"cut.{form}").write_bytes(whole[:end])
            with pytest.raises(StorageError):
                open_manifest(str(tmp_path / f"cut.{form}"))


def test_no_such_manifest(tmp_path: Path) -> None:
    """A missing file is said to be missing."""
    with pytest.raises(StorageError, match="there is no such manifest"):
        open_manifest(str(tmp_path / "none" / "m.json"))


@pytest.mark.parametrize("name", ["manifest", "m.csv", "s3://m.json", ".json"])
def test_other_names(name: str) -> None:
    """The suffix chooses the form; another one is refused."""
    with pytest.raises(SettingError, match="ends in"):
        open_manifest(name)


def test_an_unknown_collection_names_those_there(tmp_path: Path) -> None:
    """A wrong --collection is answered with the right ones."""
    write(tmp_path / "m.parquet", RECORDS)
    with pytest.raises(SettingError, match="botany, iz"):
        list(open_manifest(str(tmp_path / "m.parquet")).records(["herbarium"]))


def test_pandas_and_duckdb_read_it(tmp_path: Path) -> None:
    """One row an original, thumbnails nested, times with their zone, statistics for filters."""
    path = tmp_path / "m.parquet"
    write(path, RECORDS)
    frame = pd.read_parquet(path)
    query = (
        "select t.scale, count(*), sum(t.size) from (select unnest(thumbnails) t "
        "from read_parquet(?) where collection = 'botany') group by 1 order by 1"
    )

    assert frame["original_key"].tolist() == ["attachments/" + r.original_key for r in RECORDS]
    assert frame["original_modified"].tolist() == [MOMENT] * 4
    assert [t["scale"] for t in frame["thumbnails"][0]] == [200, 400]
    assert duckdb.execute(query, [str(path)]).fetchall() == [(200, 1, 210), (400, 1, 410)]


NAMES = st.text(st.sampled_from("ab.-"), max_size=4).map("a{}.jpg".format)
FOLDERS = st.sampled_from(["", "f/"])
PLACES = st.builds("{}/originals/{}{}".format, st.sampled_from("cd"), FOLDERS, NAMES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    sizes=st.dictionaries(PLACES, st.sampled_from([0, 1, 10, 1000]), max_size=30),
    count=st.integers(1, 7),
    form=st.sampled_from(FORMS),
    wanted=st.sampled_from([(), ("c",)]),
)
def test_slices(
    sizes: dict[str, int],
    count: int,
    form: str,
    wanted: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slices are disjoint, together complete, contiguous, and never part a unit."""
    monkeypatch.setattr(parquet, "_ROWS", 4)
    path = tmp_path / f"m.{form}"
    write(path, [record(key, sizes[key]) for key in sorted(sizes)])
    manifest = open_manifest(str(path))
    wanted = wanted if set(wanted) <= set(manifest.header.collections) else ()
    slices = [
        [one.original_key for one in manifest.slice(index, count, wanted)] for index in range(count)
    ]
    units = [{unit(key) for key in mine} for mine in slices]

    assert [key for mine in slices for key in mine] == keys(manifest, *wanted)
    assert sum(map(len, units)) == len(set().union(*units))


def test_slices_balance_bytes(tmp_path: Path) -> None:
    """Slices weigh the same to within one original, and of each only its row groups are read."""
    records = [record(f"c/originals/{n:06}.jpg", 1000 + n % 7) for n in range(120_000)]
    write(tmp_path / "m.parquet", records)
    manifest = open_manifest(str(tmp_path / "m.parquet"))
    sizes = [sum(r.original_size for r in manifest.slice(i, 10)) for i in range(10)]

    assert max(sizes) - min(sizes) < 4000
    assert sum(sizes) == sum(r.original_size for r in records)


def test_a_slice_reads_its_own_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of ten slices reads about a tenth of the file."""
    monkeypatch.setattr(parquet, "_ROWS", 1000)
    records = [record(f"c/originals/{n * 7919:09}.jpg", n) for n in range(20_000)]
    path = tmp_path / "m.parquet"
    write(path, records)
    read: list[int] = []
    original = RangedFile.read

    def counted(self: RangedFile, size: int | None = -1) -> bytes:
        data = original(self, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(RangedFile, "read", counted)
    mine = list(open_manifest(str(path)).slice(3, 10))

    assert mine
    assert sum(read) < path.stat().st_size * 0.35


def test_on_any_store() -> None:
    """A manifest is put on, and read from, a store by its URL."""
    where = parse_address("memory://scan/deep/m.parquet", "-o", StorageOptions())
    local = Path(where.name).absolute()
    try:
        write(local, RECORDS)
        where.put(local)
    finally:
        local.unlink()

    assert list(open_manifest(where.url).records()) == RECORDS
