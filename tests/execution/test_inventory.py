"""A manifest's supply: what is handed out, and what the store is asked for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from shard.errors import Unavailable
from shard.execution.inventory import Inventory, Window
from shard.execution.supply import Chain
from shard.manifest import open_manifest
from shard.planning.collections import served
from shard.planning.location import parse_location
from shard.planning.renditions import parse_sizes
from shard.storage import open_store
from shard.storage.base import StorageOptions
from tests.collections_tree import picture
from tests.inventories import take

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shard.model import Item
    from shard.storage.base import Store
    from tests.servers import S3Server

RENDITIONS = tuple(served(rendition) for rendition in parse_sizes("200"))
DATA = picture(".jpg", 0)


@dataclass
class _Counted:
    """A store that remembers what was listed; it fails at prefixes that begin with ``broken``."""

    store: Store
    broken: str = "nothing"
    listed: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.store.url

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:
        self.listed.append(prefix)
        if prefix.startswith(self.broken):
            raise Unavailable(self.url, "is down")
        return self.store.list(prefix=prefix, start_after=start_after)


@dataclass
class _Seen:
    works: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)


def _go(inventory: Inventory, seen: _Seen | None = None) -> _Seen:
    seen = seen or _Seen()
    for step in inventory.steps():
        if isinstance(step, Chain):
            seen.works += [work.item.key for work in step.works]
            seen.order += [work.item.key for work in step.works]
        elif step:
            seen.skipped.update(outcome.reason or "" for outcome in step)
            seen.order += [outcome.key for outcome in step]
    return seen


def _inventory(
    tmp_path: Path, store: Store | _Counted, window: Window, limit: int | None = None
) -> Inventory:
    manifest = open_manifest(str(tmp_path / "m.jsonl"))
    return Inventory(manifest.records(), store, RENDITIONS, window, limit)  # type: ignore[arg-type]  # lists only


def _plant(root: Path, keys: dict[str, bool]) -> None:
    """Write originals, and where told a fresh thumbnail."""
    for key, fresh in keys.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA)
        if fresh:
            thumbnail = root / key.replace("/originals/", "/thumbnails/").replace(".", "_200.")
            thumbnail.parent.mkdir(parents=True, exist_ok=True)
            thumbnail.write_bytes(DATA)


def _take(root: Path, tmp_path: Path) -> Store:
    take(parse_location(str(root), "x"), tmp_path / "m.jsonl")
    return open_store(str(root), StorageOptions())


@pytest.mark.parametrize("units", [1, 3, 7, 100])
def test_any_window_decides_the_same(tmp_path: Path, units: int) -> None:
    """Flat folder and hash folders, cut anywhere: every image once, in key order."""
    keys = {f"a/originals/{n:02}.jpg": n % 3 == 0 for n in range(11)}
    keys |= {f"b/originals/{n % 4}/{n:02}.jpg": n % 3 == 0 for n in range(11)}
    _plant(tmp_path / "in", keys)
    store = _take(tmp_path / "in", tmp_path)

    seen = _go(_inventory(tmp_path, store, Window(2, units)))

    assert sorted(seen.works) == sorted(key for key, fresh in keys.items() if not fresh)
    assert seen.skipped == {"fresh": 8}
    assert seen.order == sorted(keys)


def test_the_store_is_asked_once_for_many(tmp_path: Path) -> None:
    """One listing of originals and one of thumbnails for neighbours; none where all is fresh."""
    keys = {f"a/originals/{n % 8}/{n:03}.jpg": False for n in range(80)}
    keys |= {f"b/originals/{n:02}.jpg": True for n in range(30)}
    _plant(tmp_path / "in", keys)
    store = _Counted(_take(tmp_path / "in", tmp_path))

    seen = _go(_inventory(tmp_path, store, Window()))

    assert len(seen.works) == 80
    assert sorted(store.listed) == ["a/originals/", "a/thumbnails/"]


def test_a_single_one_is_looked_up_by_its_own_name(tmp_path: Path) -> None:
    """Where one of many needs work, nothing else is listed."""
    keys = {f"a/originals/{n:02}.jpg": n != 7 for n in range(30)}
    _plant(tmp_path / "in", keys)
    store = _Counted(_take(tmp_path / "in", tmp_path))

    seen = _go(_inventory(tmp_path, store, Window()))

    assert seen.works == ["a/originals/07.jpg"]
    assert sorted(store.listed) == ["a/originals/07", "a/thumbnails/07"]


def test_a_store_that_fails_ends_the_steps_after_what_came_before(tmp_path: Path) -> None:
    """What was decided is handed out; then the error is raised."""
    keys = {f"{c}/originals/{n}.jpg": False for c in "ab" for n in range(3)}
    _plant(tmp_path / "in", keys)
    store = _Counted(_take(tmp_path / "in", tmp_path), broken="b/")
    inventory = _inventory(tmp_path, store, Window(4, 3))
    seen = _Seen()

    with pytest.raises(Unavailable):
        _go(inventory, seen)

    assert seen.works == [f"a/originals/{n}.jpg" for n in range(3)]
    assert inventory.at is not None


def test_a_limit_counts_images_that_need_work(tmp_path: Path) -> None:
    """Fresh ones do not count; where it is reached nothing else is looked at."""
    keys = {f"a/originals/{n:02}.jpg": n < 4 for n in range(20)}
    _plant(tmp_path / "in", keys)
    inventory = _inventory(tmp_path, _take(tmp_path / "in", tmp_path), Window(), limit=3)

    seen = _go(inventory)

    assert seen.works == [f"a/originals/{n:02}.jpg" for n in (4, 5, 6)]
    assert inventory.limited
    assert inventory.works == 3
    assert inventory.items == 7


def test_a_cadence_shortens_the_window() -> None:
    """The store's answer about an image is never older than a minute when its turn comes."""
    assert Window.of(local=False, cadence=0.0) == Window(4, 2000)
    assert Window.of(local=False, cadence=0.5) == Window(1, 120)
    assert Window.of(local=True, cadence=300.0) == Window(1, 1)


@pytest.mark.xdist_group("seaweed")
def test_a_flat_folder_on_a_server_with_an_order_of_its_own(
    tmp_path: Path, seaweed: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SeaweedFS lists folders before files of a like name: ranges of a folder lose nothing."""
    for name, value in seaweed.env.items():
        monkeypatch.setenv(name, value)
    source = parse_location(f"s3://{seaweed.bucket()}/p", "x")
    store = open_store(source.url, StorageOptions())
    names = [f"{n:02}" for n in range(9)] + ["05-b", "05/x", "05/z", "07.1"]
    for name in names:
        store.write(f"a/originals/{name}.jpg", DATA, content_type="image/jpeg")
    for name in names[::2]:
        store.write(f"a/thumbnails/{name}_200.jpg", DATA, content_type="image/jpeg")
    take(source, tmp_path / "m.jsonl")
    fresh = _go(_inventory(tmp_path, store, Window(2, 2)))
    for name in names[1::2]:
        store.write(f"a/thumbnails/{name}_200.jpg", DATA, content_type="image/jpeg")

    meanwhile = _go(_inventory(tmp_path, store, Window(2, 2)))

    assert sorted(fresh.works) == sorted(f"a/originals/{name}.jpg" for name in names[1::2])
    assert meanwhile.works == []
    assert meanwhile.skipped == {"fresh": len(names)}
