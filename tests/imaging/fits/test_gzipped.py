"""Gzipped FITS: refused by its headers before it is inflated, never by its trailer."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shard.errors import ImageError
from shard.imaging import open_image
from shard.imaging.fits import gzipped
from shard.model import Limits
from tests.imaging.fits.frames import drawn, frame, raw, read, stars

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(max_bytes=10_000_000)


def _claim(width: int, height: int) -> bytes:
    return raw(b"", BITPIX=8, NAXIS=2, NAXIS1=width, NAXIS2=height)


def test_a_gzipped_frame_is_the_frame(tmp_path: Path) -> None:
    """In memory or in a file, also of several members, the picture is the same."""
    plain = frame(stars())
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(plain))
    members = gzip.compress(plain[:100_000]) + gzip.compress(plain[100_000:])

    assert np.array_equal(drawn(tmp_path / "a.fits.gz"), drawn(plain))
    assert np.array_equal(drawn(members), drawn(plain))


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (20_000_000, 1)])
def test_what_a_header_claims_is_refused_before_it_is_inflated(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb is refused by the size in its header, at the cost of the header."""
    bomb = gzip.compress(_claim(width, height) + bytes(20_000_000))
    inflated = []
    read_ = gzipped._read

    def counted(stream: gzip.GzipFile, size: int) -> bytes:
        inflated.append(size)
        return read_(stream, size)

    monkeypatch.setattr(gzipped, "_read", counted)
    with pytest.raises(ImageError) as refused:
        open_image(bomb, LIMITS)

    assert refused.value.reason == "too_many_bytes"
    assert "accepted: up to 10000000" in refused.value.detail
    assert sum(inflated) < 100_000


def test_a_bomb_behind_an_empty_claim_is_not_inflated() -> None:
    """Bytes that no header speaks of are not looked at."""
    small = frame(np.ones((3, 3)))

    assert read(gzip.compress(small + bytes(50_000_000))).pixels.shape == (3, 3)


def test_a_claim_that_leads_past_the_limit_is_refused() -> None:
    """An HDU that is only passed over on the way to the image counts, too."""
    table = raw(b"", BITPIX=8, NAXIS=1, NAXIS1=10_000_000)
    with pytest.raises(ImageError, match="too_many_bytes"):
        open_image(gzip.compress(table + bytes(20_000_000)), LIMITS)


@pytest.mark.parametrize("trailer", [slice(-4, None), slice(-8, -4)])
def test_the_trailer_is_held_against_the_data(trailer: slice) -> None:
    """Another size or checksum than the data's is damage, not a size to go by."""
    file = bytearray(gzip.compress(frame(stars(50, 50))))
    file[trailer] = b"\xff" * 4
    with pytest.raises(ImageError, match="corrupt: the gzip data do not inflate"):
        read(bytes(file))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_truncated(share: float) -> None:
    """The end that is missing is said to be missing."""
    file = gzip.compress(frame(stars()))
    with pytest.raises(ImageError, match="truncated: the image's data end at byte"):
        read(file[: int(len(file) * share)])


def test_damaged_data_are_corrupt() -> None:
    """Bytes that do not inflate are no reason to crash."""
    file = bytearray(gzip.compress(frame(stars())))
    file[5000:5200] = random.Random(1).randbytes(200)
    with pytest.raises(ImageError, match=r"corrupt|truncated"):
        read(bytes(file))
