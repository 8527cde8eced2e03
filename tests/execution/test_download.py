"""A frame's file: in memory as far as that serves, bounded, without credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shard.errors import ImageError
from shard.execution.download import download
from shard.execution.work import DownloadBounds
from tests.service.archive_double import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = bytes(range(256)) * 400


@pytest.fixture
def archive() -> Iterator[Archive]:
    """Serve one file."""
    found = Archive(patience=5).start()
    found.files["/a.fits"] = DATA
    yield found
    found.close()


def test_a_small_file_stays_in_memory(archive: Archive, tmp_path: Path) -> None:
    """No temporary file where memory serves."""
    bounds = DownloadBounds(1_000_000, len(DATA), 5)
    got = download(f"{archive.files_url}/a.fits", tmp_path / "0" / "a", bounds)

    assert got == DATA
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_goes_to_disk(archive: Archive, tmp_path: Path) -> None:
    """What does not fit into the memory allowed lies in the file, whole."""
    path = tmp_path / "0" / "a"
    got = download(f"{archive.files_url}/a.fits", path, DownloadBounds(1_000_000, 100, 5))

    assert got == path
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "download_failed"),
        ("401", "download_failed"),
        ("reset", "download_failed"),
        ("half", "download_failed"),
        ("loop", "download_failed"),
        ("to_file_scheme", "download_failed"),
        ("slow", "download_timeout"),
        ("trickle", "download_timeout"),
        ("headers", "download_timeout"),
        ("flood", "too_many_bytes"),
    ],
)
def test_failures_have_a_reason(archive: Archive, tmp_path: Path, fault: str, reason: str) -> None:
    """Each ends within its bounds, in a sentence without the signed URL."""
    archive.file_fault = fault
    bounds = DownloadBounds(1_000_000, 100, 0.5)
    with pytest.raises(ImageError) as caught:
        download(f"{archive.files_url}/a.fits?X-Amz-Signature=secret", tmp_path / "a", bounds)

    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


def test_an_announced_size_over_the_limit_is_refused_at_once(
    archive: Archive, tmp_path: Path
) -> None:
    """Nothing of it is read."""
    with pytest.raises(ImageError) as caught:
        download(f"{archive.files_url}/a.fits", tmp_path / "a", DownloadBounds(1000, 100, 5))

    assert caught.value.reason == "too_many_bytes"
    assert not (tmp_path / "a").exists()


def test_nobody_listens(tmp_path: Path) -> None:
    """A refused connection is a failed download."""
    with pytest.raises(ImageError) as caught:
        download("http://127.0.0.1:9/a.fits", tmp_path / "a", DownloadBounds(1000, 100, 5))

    assert caught.value.reason == "download_failed"
    assert "127.0.0.1" in caught.value.detail
