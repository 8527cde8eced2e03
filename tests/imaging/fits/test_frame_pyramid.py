"""A pyramid of a FITS frame is its picture, all of its pixels, drawn as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from shard.imaging.pyramid import write_pyramid
from shard.imaging.pyramid_source import open_source
from shard.planning.fits import parse_fits
from shard.planning.pyramids import PyramidOptions
from tests.imaging.fits.frames import LIMITS, drawn, frame, stars

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("text", ["", "stretch=asinh,flip=none"])
def test_a_pyramid_shows_the_frame(tmp_path: Path, text: str) -> None:
    """Its first level is what a thumbnail of full size would be."""
    (tmp_path / "a.fits").write_bytes(frame(stars(150, 200)))
    options = PyramidOptions(tile_size=64)
    opened = open_source(tmp_path / "a.fits", options, LIMITS, parse_fits(text))
    write_pyramid(opened, tmp_path / "a.tif", options.box(copyright=False))

    first = tifffile.imread(tmp_path / "a.tif").astype(int)
    assert np.array_equal(first, drawn(tmp_path / "a.fits", text))
