from __future__ import annotations

import base64
import math

import pytest
from PIL import Image

from shard.imaging.placeholder import _DIGITS, placeholder
from tests.imaging.pictures import photo


def _number(part: str) -> int:
    total = 0
    for digit in part:
        total = total * 83 + _DIGITS.index(digit)
    return total


def _linear(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _curved(value: float) -> float:
    part = max(0.0, min(1.0, value))
    return 255 * (part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055)


def _blur_colour(text: str, across: float, down: float) -> list[float]:
    """Return the colour that a BlurHash shows at a place (0..1): the published decoding."""
    columns = _number(text[0]) % 9 + 1
    top = (_number(text[1]) + 1) / 166
    first = _number(text[2:6])
    waves = [[_linear(first >> 16), _linear(first >> 8 & 255), _linear(first & 255)]]
    for at in range(6, len(text), 2):
        packed = _number(text[at : at + 2])
        steps = (packed // 361, packed // 19 % 19, packed % 19)
        waves.append([math.copysign(((s - 9) / 9) ** 2, s - 9) * top for s in steps])
    total = [0.0, 0.0, 0.0]
    for at, wave in enumerate(waves):
        basis = math.cos(math.pi * across * (at % columns))
        basis *= math.cos(math.pi * down * (at // columns))
        total = [value + part * basis for value, part in zip(total, wave, strict=True)]
    return [_curved(value) for value in total]


def test_blurhash_looks_like_the_picture() -> None:
    """A BlurHash, decoded, has the picture's colours where they are."""
    image = photo(320, 240)
    image.paste((250, 250, 240), (0, 0, 160, 240))
    text = placeholder(image, "blurhash")

    small = image.resize((16, 12), Image.Resampling.BOX)
    for x, y in ((3, 6), (12, 2), (12, 10)):
        assert _blur_colour(text, x / 16, y / 12) == pytest.approx(small.getpixel((x, y)), abs=60)


def test_blurhash_has_its_form() -> None:
    """A BlurHash of 4 by 3 components has 28 digits and says 4 by 3 in its first."""
    text = placeholder(photo(), "blurhash")

    assert len(text) == 28
    assert text[0] == _DIGITS[3 + 2 * 9]
    assert set(text) <= set(_DIGITS)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 128, 0), (20, 40, 200), (255, 255, 255)])
def test_thumbhash_holds_the_mean_colour(colour: tuple[int, int, int]) -> None:
    """A ThumbHash's head gives the mean colour back (L, P, Q of 6 bits each)."""
    packed = base64.b64decode(placeholder(Image.new("RGB", (64, 48), colour), "thumbhash"))

    head = int.from_bytes(packed[:3], "little")
    light, yellow = (head & 63) / 63, (head >> 6 & 63) / 31.5 - 1
    red = (head >> 12 & 63) / 31.5 - 1
    blue = light - 2 / 3 * yellow
    r = (3 * light - blue + red) / 2
    decoded = [255 * value for value in (r, r - red, blue)]
    assert decoded == pytest.approx(colour, abs=12)


def test_thumbhash_tells_alpha_and_shape() -> None:
    """A ThumbHash says whether there is alpha, and which way the picture lies."""
    wide = base64.b64decode(placeholder(photo(200, 100), "thumbhash"))
    clear = base64.b64decode(placeholder(Image.new("RGBA", (100, 200), (9, 9, 9, 99)), "thumbhash"))

    assert (wide[2] >> 7, wide[4] >> 7) == (0, 1)
    assert (clear[2] >> 7, clear[4] >> 7) == (1, 0)


@pytest.mark.parametrize("kind", ["thumbhash", "blurhash"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_tiny_pictures_have_placeholders(kind: str, size: tuple[int, int]) -> None:
    """A picture of a single row, column or pixel has a placeholder too."""
    assert placeholder(Image.new("L", size, 77), kind)
