"""A scan as a stream: whatever the store's order and the tree's shape, records in key order."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard.errors import SettingError, StorageError
from shard.manifest import discovery, gathering
from shard.manifest.discovery import collections_of, open_collection
from shard.manifest.parallel import ordered
from shard.manifest.scanning import Scan
from shard.manifest.sorting import Sorter
from shard.model import Item
from shard.planning.collections import match, parse_original, parse_thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from shard.manifest.leftovers import Leftover
    from shard.storage.base import Store

OLD = datetime(2026, 1, 1, tzinfo=UTC)


class Scrambled:
    """A store in memory that lists in no order at all."""

    url = "memory://scrambled"

    def __init__(self, keys: Iterable[str]) -> None:
        self._items = [
            Item(key, len(key) % 3, OLD + timedelta(days=number % 3))
            for number, key in enumerate(sorted(keys))
        ]
        self._chance = random.Random(0)

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:
        """Yield what begins with ``prefix``."""
        found = [item for item in self._items if item.key.startswith(prefix)]
        self._chance.shuffle(found)
        return iter(found)

    def children(self, folder: str = "") -> Iterator[Item | str]:
        """Yield one level."""
        found: dict[str, Item | str] = {}
        for item in self._items:
            if item.key.startswith(folder) and item.key != folder:
                name, slash, _ = item.key[len(folder) :].partition("/")
                found[name + slash] = f"{folder}{name}/" if slash else item
        values = [*found.values()]
        self._chance.shuffle(values)
        return iter(values)


def scan(
    keys: Iterable[str], spool: Path
) -> tuple[list[tuple[str, dict[int, str]]], list[Leftover]]:
    """Return (key, thumbnail keys by scale) of each record, and the leftovers."""
    store: Store = Scrambled(keys)  # type: ignore[assignment]  # all that a scan asks of one
    left: list[Leftover] = []
    names = collections_of(store, (), 2)
    records = Scan(store, names, 3, spool, lambda _: None, left.append).records()
    return [
        (r.original_key, {scale: t.key for scale, t in r.thumbnails.items()}) for r in records
    ], left


def naive(keys: Iterable[str]) -> tuple[list[tuple[str, dict[int, str]]], set[tuple[str, str]]]:
    """Match everything at once, in memory."""
    items = list(Scrambled(keys)._items)
    groups: dict[str, tuple[list[Item], list[Item]]] = {}
    records, left = [], set()
    for item in items:
        place, name = parse_original(item.key), parse_thumbnail(item.key)
        if place is not None and item.key.endswith((".jpg", ".tif", ".png")):
            groups.setdefault(place.group, ([], []))[0].append(item)
        elif name is not None:
            groups.setdefault(name.group, ([], []))[1].append(item)
        elif "/thumbnails/" in item.key:
            left.add(("orphan", item.key))
    for originals, thumbnails in groups.values():
        found = match(originals, thumbnails)
        records += [
            (key, {scale: t.key for scale, t in by.items()}) for key, by in found.thumbnails.items()
        ]
        left |= {("orphan", item.key) for item in found.orphans}
        left |= {("extra", item.key) for item in found.extras}
        left |= {("duplicate", item.key) for item, _ in found.duplicates}
    return sorted(records), left


FOLDERS = st.lists(st.sampled_from(["a", "a-", "aa", "b", "ab c"]), max_size=4).map(
    lambda parts: "".join(f"{part}/" for part in parts)
)
FILES = st.sampled_from(
    [
        "x.jpg",
        "x.tif",
        "x.png",
        "x-1.jpg",
        "xa.jpg",
        "a.jpg",
        "note.txt",
        "x_200.jpg",
        "x_200.png",
        "x-1_200.jpg",
        "x_400.jpg",
        "a_200.jpg",
    ]
)
KEYS = st.builds(
    "{}/{}/{}{}".format,
    st.sampled_from(["c", "c-", "cc"]),
    st.sampled_from(["originals", "thumbnails"]),
    FOLDERS,
    FILES,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(keys=st.sets(KEYS, min_size=1, max_size=60), small=st.booleans())
def test_a_scan_is_what_matching_at_once_gives(
    keys: set[str], small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts, spilled runs and merging change nothing: same records, same leftovers."""
    monkeypatch.setattr(gathering, "_HELD", 3 if small else 1000)
    monkeypatch.setattr(gathering, "_HELD_LOOSE", 3 if small else 1000)
    monkeypatch.setattr(discovery, "_ENOUGH", 4 if small else 32)
    monkeypatch.setattr(discovery, "_TOO_MANY", 2 if small else 512)
    keys |= {f"{name}/originals/first.jpg" for name in ("c", "c-", "cc")}
    records, left = scan(keys, tmp_path)
    expected, expected_left = naive(keys)

    assert records == expected
    assert {(one.kind, one.key) for one in left} == expected_left
    assert len(left) == len(expected_left)


def test_many_folders_are_listed_together() -> None:
    """Thousands of small folders make few parts, one folder of folders many."""
    store: Store = Scrambled(  # type: ignore[assignment]  # as above
        f"c/originals/{number:04x}/x.jpg" for number in range(2000)
    )
    parts = open_collection(store, "c", 2, lambda _: None)

    assert 32 <= len(parts) <= 512
    assert all(len(part.prefix) < 5 for part in parts)


@pytest.mark.parametrize(
    ("keys", "wanted", "said"),
    [
        (["a/b/x.jpg"], (), "none of its folders (a) is one"),
        (["originals/x.jpg", "thumbnails/x_200.jpg"], (), "is itself a collection"),
        (["x.jpg"], (), "there are no folders here"),
        (["c/originals/x.jpg", "d/x.jpg"], ("d",), "accepted: of memory://scrambled: c"),
    ],
)
def test_what_is_no_collection(keys: list[str], wanted: tuple[str, ...], said: str) -> None:
    """Where there is nothing to scan, the sentence says what is there."""
    store: Store = Scrambled(keys)  # type: ignore[assignment]  # as above
    with pytest.raises((StorageError, SettingError)) as raised:
        collections_of(store, wanted, 2)

    assert said in str(raised.value)


@given(st.lists(st.integers()), st.integers(1, 5))
def test_sorting_in_runs(numbers: list[int], limit: int) -> None:
    """Whatever is held at a time, the order is that of one sort, equals by arrival."""
    sorter: Sorter[tuple[int, int]] = Sorter(lambda pair: pair[0] % 7, None, limit)
    pairs = list(zip(numbers, range(len(numbers)), strict=True))
    sorter.extend(pairs)
    found = list(sorter)
    sorter.close()

    assert found == sorted(pairs, key=lambda pair: pair[0] % 7)


def test_ordered_keeps_order_and_stays_near() -> None:
    """Results come in order, and few more than there are threads are begun ahead."""
    begun: list[int] = []
    lock = threading.Lock()

    def slow(number: int) -> int:
        with lock:
            begun.append(number)
        time.sleep(random.random() / 500)
        return number

    results = ordered(slow, range(200), 4)
    first = next(results)
    time.sleep(0.05)

    assert len(begun) <= 9
    assert [first, *results] == list(range(200))


def test_ordered_raises_in_its_turn() -> None:
    """An exception comes where its result would have come."""

    def half(number: int) -> int:
        return 12 // (number - 3)

    results = ordered(half, range(6), 2)

    assert [next(results) for _ in range(3)] == [-4, -6, -12]
    with pytest.raises(ZeroDivisionError):
        next(results)
