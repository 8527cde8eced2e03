"""A line of text on a picture: white, DejaVu Sans Mono, lower left, shrunk to fit.

White alone vanishes on a bright sky: the picture behind the letters is darkened.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

LONGEST = 200
"""Characters of a text that are looked at: what follows is cut with an ellipsis."""

_FONT = Path(__file__).with_name("DejaVuSansMono.ttf")
_LARGEST, _LEAST = 20, 8  # pixels to the em; below 8 letters are no longer told apart
_PADDING = 2
_MARGIN = 3
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_SPACES = {"Cc", "Zl", "Zp", "Zs"}
_INVISIBLE = "Cf"  # joiners, directions, soft hyphens
_SURROGATE = "Cs"


@dataclass(frozen=True)
class Placement:
    """Where a text goes: ``box`` (left, top, right, bottom) is the shade, in pixels."""

    text: str
    size: int
    box: tuple[int, int, int, int]


def label(image: Image.Image, text: str) -> Image.Image:
    """Return a copy of ``image`` with ``text`` in its lower left corner.

    ``L`` and ``RGB`` stay what they are, any other mode becomes ``RGB``. An empty text, or a
    picture too small for a single letter of 8 pixels, comes back as it was.
    """
    image = image.copy() if image.mode in ("L", "RGB") else image.convert("RGB")
    placed = place(text, image.size)
    if placed is None:
        return image
    image.paste(image.crop(placed.box).point(_shaded), placed.box)
    letters = Image.new("L", (placed.box[2] - placed.box[0], placed.box[3] - placed.box[1]))
    font = _font(placed.size)
    left, top = font.getbbox(placed.text)[:2]
    at = (_PADDING - left, _PADDING + (0 if top >= 0 else -top))
    ImageDraw.Draw(letters).text(at, placed.text, font=font, fill=255)
    image.paste((255,) * len(image.getbands()), placed.box, letters.point(_firmer))
    return image


def place(text: str, size: tuple[int, int]) -> Placement | None:
    """Decide how large a text is written in a picture of ``size``, and how much of it.

    The largest size of 20 to 8 pixels at which the whole text fits; at 8 pixels what does not fit
    is cut, and an ellipsis says so; ``None`` if there is nothing to write or no room for it.
    """
    line = one_line(text)
    if not line:
        return None
    for pixels in range(_LARGEST, _LEAST - 1, -1):
        placed = _placed(line, pixels, size)
        if placed is not None:
            return placed
    kept = line.removesuffix(_ELLIPSIS)
    while kept:
        kept = kept[:-1].rstrip()
        placed = _placed(kept + _ELLIPSIS, _LEAST, size) if kept else None
        if placed is not None:
            return placed
    return None


def one_line(text: str) -> str:
    """Return ``text`` as one line of at most ``LONGEST`` characters.

    Line breaks, control characters and runs of spaces become one space, invisible characters
    nothing, half a surrogate pair U+FFFD; accents are composed.
    """
    seen = "".join(map(_visible, text[: 4 * LONGEST]))
    line = " ".join(unicodedata.normalize("NFC", seen).split())
    if len(line) <= LONGEST and len(text) <= 4 * LONGEST:
        return line
    return line[: LONGEST - 1].rstrip() + _ELLIPSIS


def _visible(letter: str) -> str:
    category = unicodedata.category(letter)
    if category in _SPACES:
        return " "
    if category == _INVISIBLE:
        return ""
    return "\N{REPLACEMENT CHARACTER}" if category == _SURROGATE else letter


def _placed(line: str, pixels: int, size: tuple[int, int]) -> Placement | None:
    """Lay ``line`` out; the shade is as high for `ace` as for `Agq`, so that labels look alike."""
    font = _font(pixels)
    left, top, right, bottom = font.getbbox(line)
    high = max(sum(font.getmetrics()), int(bottom)) - min(0, int(top)) + 2 * _PADDING
    wide = int(right - left) + 2 * _PADDING
    margin = min(_MARGIN, size[0] // 16, size[1] // 16)
    box = (margin, size[1] - margin - high, margin + wide, size[1] - margin)
    return Placement(line, pixels, box) if box[1] >= 0 and box[2] <= size[0] - margin else None


def _shaded(value: float) -> float:
    """Two fifths of the light: white on what was white has a contrast of 5.7 to 1."""
    return value * 2 // 5


def _firmer(value: float) -> float:
    """Small letters are thin, and smoothing leaves them grey: half as much ink again."""
    return min(255, value * 3 // 2)


@lru_cache(maxsize=_LARGEST)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    # Basic layout: the other one depends on libraries of the host, and with it the picture's bytes.
    return ImageFont.truetype(_FONT, pixels, layout_engine=ImageFont.Layout.BASIC)
