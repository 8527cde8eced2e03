"""What becomes of a marker when its image was made, or was not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shard.execution.desk import Desk, Found
from shard.model import Item, Outcome, Status
from shard.planning.markers import Marker, MarkerError, read_marker
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from pathlib import Path

    from shard.storage.base import Store

PLACE = "rbsc/a.jpg.json"


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    """Where markers lie, with one of the older form, and where its image does."""
    (tmp_path / "process").mkdir()
    (tmp_path / "source").mkdir()
    process, source = (
        open_store(str(tmp_path / name), StorageOptions()) for name in ("process", "source")
    )
    process.write(PLACE, b'{"key": "a.jpg", "path": ""}', content_type="application/json")
    source.write("a.jpg", b"first", content_type="image/jpeg")
    return process, source


def _taken(desk: Desk) -> None:
    item = desk.process.stat(PLACE)
    assert item is not None
    marker = read_marker(desk.process.read(PLACE))

    assert desk.take(Found(PLACE, item.fingerprint, marker)) == "first"


def _heard(desk: Desk, status: Status, reason: str | None = None) -> dict[str, int]:
    """Settle the image as it lies in the source now; return which way markers went."""
    item = desk.source.stat("a.jpg")
    assert item is not None
    desk.settle((Outcome("a.jpg", "pyramid", status, reason=reason, fingerprint=item.fingerprint),))
    return _counts(desk)


def _counts(desk: Desk) -> dict[str, int]:
    desk.close()
    return dict(desk.counts)


def test_an_image_made_takes_its_marker_away(stores: tuple[Store, Store]) -> None:
    """The source is still what was made: the marker goes."""
    desk = Desk(*stores, 3)
    _taken(desk)

    assert _heard(desk, Status.WRITTEN) == {"done": 1}
    assert stores[0].stat(PLACE) is None


def test_an_image_uploaded_anew_keeps_its_marker(stores: tuple[Store, Store]) -> None:
    """Also where the new upload's marker is the old one's very bytes, as the older form's are."""
    process, source = stores
    desk = Desk(process, source, 3)
    _taken(desk)
    made = source.stat("a.jpg")
    assert made is not None
    source.write("a.jpg", b"second, longer", content_type="image/jpeg")
    desk.settle((Outcome("a.jpg", "pyramid", Status.WRITTEN, fingerprint=made.fingerprint),))

    assert _counts(desk) == {"newer": 1}
    assert process.stat(PLACE) is not None


@pytest.mark.parametrize(
    ("reason", "attempts"),
    [
        ("corrupt", 1),
        ("crashed", 1),
        ("timeout", 1),
        ("not_verified", 1),
        ("unavailable", 0),
        ("access_denied", 0),
        ("missing_extra", 0),
        ("too_little_disk", 0),
    ],
)
def test_what_counts_as_an_attempt(stores: tuple[Store, Store], reason: str, attempts: int) -> None:
    """Only what the image itself did."""
    desk = Desk(*stores, 3)
    _taken(desk)

    assert _heard(desk, Status.FAILED, reason) == {"kept": 1}
    assert json.loads(stores[0].read(PLACE)).get("attempts", 0) == attempts


@pytest.mark.parametrize(
    ("path", "copyright_", "said"),
    [("", False, "same"), ("other/", False, "other"), ("", True, "other")],
)
def test_two_markers_of_one_image(
    stores: tuple[Store, Store], path: str, copyright_: bool, said: str
) -> None:
    """One that wants the same pyramid goes along; one that wants another waits for its turn."""
    desk = Desk(*stores, 3)
    _taken(desk)
    twin = Marker("a.jpg", path, copyright=copyright_)
    stores[0].write("rbsc/a.json", twin.to_json(), content_type="application/json")
    item = stores[0].stat("rbsc/a.json")
    assert item is not None

    assert desk.take(Found(item.key, item.fingerprint, twin)) == said
    assert _heard(desk, Status.WRITTEN) == {"done": 2 if said == "same" else 1}
    assert (stores[0].stat("rbsc/a.json") is None) == (said == "same")


def test_the_reason_of_junk_is_short_ascii(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 takes 2 kB of metadata, in ASCII: whatever junk said, it can be moved."""
    process, source = stores
    written: list[dict[str, str]] = []
    write = type(process).write

    def watched(self: Store, key: str, data: bytes, **told: object) -> None:
        written.append(told["metadata"])  # type: ignore[arg-type]  # what _refuse passes
        write(self, key, data, **told)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(type(process), "write", watched)
    desk = Desk(process, source, 3)
    item = process.stat(PLACE)
    assert isinstance(item, Item)
    desk.refuse(item, MarkerError("its key is " + "ü" * 3_000), b"junk")

    assert _counts(desk) == {"failed": 1}
    assert written[0]["reason"].isascii()
    assert len(written[0]["reason"]) <= 1_000
    assert process.read(f"failed/{PLACE}") == b"junk"
