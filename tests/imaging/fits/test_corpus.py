"""Whatever a FITS file holds: a picture or a reason, never a crash, within the memory foretold."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from shard.errors import ImageError
from shard.imaging import open_image, render
from shard.model import Format, Limits, Rendition
from shard.planning.fits import FitsOptions, parse_fits
from tests.imaging.fits.frames import LIMITS, corpus, frame, raw, stars, written

TEXTS = ("", "stretch=asinh,median=yes", "stretch=minmax,mosaic=yes", "stretch=astropy-zscale")
COMPRESSIONS = (None, None, "RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1")
THUMBNAIL = Rendition("t", 40, 40, format=Format.PNG)


def _made(data: bytes, options: FitsOptions) -> Image.Image | ImageError:
    """Return the thumbnail, or the reason why there is none."""
    try:
        source = open_image(data, LIMITS, None, options)
        return Image.open(io.BytesIO(render(source, [THUMBNAIL], LIMITS)[0].data))
    except ImageError as error:
        return error


def test_every_file_found_is_a_picture_or_has_none() -> None:
    """Of all FITS files in installed packages each renders, or says why there is no picture."""
    reasons: dict[str, set[str]] = {}
    pictures = 0
    for path in corpus():
        for text in TEXTS[:2]:
            made = _made(path.read_bytes(), parse_fits(text))
            if isinstance(made, ImageError):
                reasons.setdefault(made.reason, set()).add(path.name)
            else:
                pictures += 1

    assert pictures > 60
    assert set(reasons) == {"not_an_image"}


@st.composite
def frames(draw: Any) -> bytes:
    """Return a frame of any type, shape, holes and compression, or a part of one."""
    shape = draw(st.lists(st.integers(1, 24), min_size=1, max_size=3))
    dtype = draw(st.sampled_from(["u1", "i2", "i4", "u2", "u4", "f4", "f8"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    scale = draw(st.sampled_from([0.0, 1.0, 1e4, 1e-30, 1e30]))
    values = rng.normal(draw(st.sampled_from([0.0, 100.0, 1e9])), 1, shape) * scale
    if dtype.startswith("f"):
        for hole in draw(st.lists(st.sampled_from([np.nan, np.inf, -np.inf, 1e38]), max_size=3)):
            values[rng.random(shape) < draw(st.sampled_from([0.01, 0.5, 1.0]))] = hole
    else:
        info = np.iinfo(dtype)
        values = np.clip(np.nan_to_num(values), info.min, info.max)
    values = values.astype(dtype)
    compression = draw(st.sampled_from(COMPRESSIONS))
    try:
        file = (
            frame(values)
            if compression is None
            else written(fits.PrimaryHDU(), fits.CompImageHDU(values, compression_type=compression))
        )
    except (ValueError, TypeError, KeyError, OverflowError, RuntimeError):
        file = frame(values)  # not every type goes with every compression
    return file[: draw(st.integers(9, len(file)))] if draw(st.booleans()) else file


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames(), st.sampled_from(TEXTS))
def test_any_frame_is_a_picture_or_has_a_reason(data: bytes, text: str) -> None:
    """Types, shapes, holes, compressions, cuts: a picture or a known reason comes out."""
    made = _made(data, parse_fits(text))

    if isinstance(made, ImageError):
        assert made.reason in {"not_an_image", "truncated", "corrupt", "unsupported"}
    else:
        assert made.mode == "L"
        assert max(made.size) <= 40


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_cost_no_more_than_themselves(data: st.DataObject) -> None:
    """Bytes changed anywhere, headers above all, lead to a picture or a known reason."""
    file = bytearray(written(fits.PrimaryHDU(), fits.CompImageHDU(stars(30, 40))))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(10, len(file) - 1))
        file[at] = data.draw(st.integers(0, 255))
    made = _made(bytes(file), FitsOptions())

    assert not isinstance(made, ImageError) or made.reason in {
        *("not_an_image", "truncated", "corrupt", "unsupported", "too_many_pixels"),
        *("too_much_memory", "too_many_frames"),
    }


def test_a_header_cannot_claim_more_pixels_than_the_limit() -> None:
    """Pixels are counted by the header, before any is read."""
    claim = raw(b"", BITPIX=8, NAXIS=2, NAXIS1=100_000, NAXIS2=100_000)
    with pytest.raises(ImageError, match="too_many_pixels: 100000x100000 is 10000000000 pixels"):
        open_image(claim, Limits())


_MEASURE = """
import json, sys
from pathlib import Path
from shard.imaging import open_image, render
from shard.model import Format, Limits, Rendition
def peak():
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l)
    return int(line.split()[1]) << 10
def make(path):
    source = open_image(Path(path).read_bytes(), Limits())
    wanted = [Rendition("t", int(sys.argv[3]), int(sys.argv[3]), format=Format.JPEG)]
    foretold = source.peak_memory(wanted)
    render(source, wanted, Limits())
    return foretold
make(sys.argv[1])
Path("/proc/self/clear_refs").write_text("5")
before = peak()
foretold = make(sys.argv[2])
print(json.dumps([peak() - before, foretold]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's counters")
@pytest.mark.parametrize(
    ("kind", "box"), [("int16", 100), ("double", 1000), ("rice", 700), ("gzip", 100)]
)
def test_memory_is_as_foretold(kind: str, box: int, tmp_path: Path) -> None:
    """A frame of 6 megapixels takes no more than predicted, and no third of it."""
    import gzip

    values = np.random.default_rng(0).integers(0, 4000, (1500, 4000))
    if kind == "rice":
        hdu = fits.CompImageHDU(values.astype(np.int16), compression_type="RICE_1")
        file = written(fits.PrimaryHDU(), hdu)
    else:
        file = frame(values.astype(np.float64 if kind == "double" else np.int16))
    if kind == "gzip":
        file = gzip.compress(file, 1)
    (tmp_path / "small.fits").write_bytes(frame(stars(50, 50)))
    (tmp_path / "large.fits").write_bytes(file)
    paths = [str(tmp_path / name) for name in ("small.fits", "large.fits")]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *paths, str(box)], capture_output=True, check=True
    )
    took, foretold = json.loads(done.stdout)

    assert foretold / 3 < took <= foretold
