from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile

from shard.errors import ImageError
from shard.imaging import open_image
from shard.model import Format, Rendition
from tests.imaging.pictures import LIMITS, opened, thumbnail

TILES: dict[str, Any] = {"photometric": "minisblack", "tile": (256, 256), "metadata": None}
LEVELS = ((1600, 1200, 200), (800, 600, 120), (400, 300, 40))  # each its own grey, to be told apart


def _pyramid(*, subifds: bool) -> bytes:
    pages = [np.full((height, width), grey, np.uint8) for width, height, grey in LEVELS]
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(pages[0], subifds=len(pages) - 1 if subifds else 0, **TILES)
        for page in pages[1:]:
            writer.write(page, subfiletype=1, **TILES)
    return buffer.getvalue()


@pytest.mark.parametrize("subifds", [True, False], ids=["sub-images", "pages"])
@pytest.mark.parametrize(
    ("box", "grey"), [(100, 40), (200, 40), (201, 120), (400, 120), (500, 200)]
)
def test_the_level_just_large_enough_is_read(box: int, grey: int, *, subifds: bool) -> None:
    """Of a pyramid, the smallest level of at least twice the rendition is read."""
    rendition = Rendition("t", box, box, format=Format.PNG)
    made = opened(thumbnail(_pyramid(subifds=subifds), rendition))

    assert made.size == (box, round(box * 0.75))
    assert made.getpixel((box // 2, box // 3)) == grey


def test_later_pages_of_another_shape_are_no_levels() -> None:
    """A document's second page is not taken for a smaller copy of its first."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(np.full((1200, 1600), 200, np.uint8), photometric="minisblack")
        writer.write(np.full((400, 300), 10, np.uint8), photometric="minisblack")
    made = opened(thumbnail(buffer.getvalue()))

    assert made.getpixel((50, 30)) == 200


def test_a_variant_that_nobody_decodes_says_so() -> None:
    """A TIFF of 64-bit floats is unsupported, not corrupt."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((20, 30)))
    with pytest.raises(ImageError) as caught:
        open_image(buffer.getvalue(), LIMITS)

    assert caught.value.reason == "unsupported"
