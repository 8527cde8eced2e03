"""Reading a plane: which HDU, which values, how much memory."""

from __future__ import annotations

import numpy as np
import pytest

from tests.imaging.fits.frames import drawn, frame, read, stars


def test_a_plane_read_in_full_has_the_frames_own_values() -> None:
    """Pixels that are not shrunk are the file's, row 0 first."""
    pixels = stars()

    assert np.array_equal(read(frame(pixels)).pixels, pixels)


@pytest.mark.parametrize("text", ["", "stretch=asinh", "stretch=minmax", "median=yes"])
def test_the_limits_do_not_depend_on_the_thumbnails_size(text: str) -> None:
    """Black and white are the same whatever size is read."""
    file = frame(stars())

    assert read(file, text, (50, 33)).levels.low == read(file, text).levels.low
    assert read(file, text, (50, 33)).levels.high == read(file, text).levels.high


def test_a_small_picture_is_the_large_one_averaged() -> None:
    """Blocks' means are those of the picture's greys, within rounding."""
    file = frame(stars(264, 396))
    large, small = drawn(file), drawn(file, "", (66, 44))

    means = large.reshape(88, 3, 132, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 1.0
