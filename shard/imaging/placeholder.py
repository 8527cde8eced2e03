"""A picture in some 25 bytes, to show until the thumbnail is there: ThumbHash or BlurHash.

Formulas: github.com/evanw/thumbhash and github.com/woltapp/blurhash, written anew.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KINDS = ("thumbhash", "blurhash")

_SIDE = 32
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_BLUR_ACROSS, _BLUR_DOWN = 4, 3

Basis = list[list[float]]


def placeholder(image: Image.Image, kind: str) -> str:
    """Return the string of ``kind`` (one of ``KINDS``) for an L, RGB or RGBA image in sRGB."""
    small = image.convert("RGBA").convert("RGBa")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return {"thumbhash": _thumbhash, "blurhash": _blurhash}[kind](small.convert("RGBA"))


def _cosines(count: int, length: int, shift: float) -> Basis:
    return [
        [math.cos(math.pi / length * order * (at + shift)) for at in range(length)]
        for order in range(count)
    ]


def _coefficient(values: Sequence[float], across: Sequence[float], down: Sequence[float]) -> float:
    """Return the mean of ``values`` (row by row) times the product of the two waves."""
    width = len(across)
    total = 0.0
    for row, weight in enumerate(down):
        line = values[row * width : (row + 1) * width]
        total += weight * sum(value * wave for value, wave in zip(line, across, strict=True))
    return total / len(values)


def _round(value: float) -> int:
    """Round half up, as the reference does."""
    return math.floor(value + 0.5)


class _Channel:
    """One channel's cosine coefficients: the constant, the others as 0..1, and their scale."""

    def __init__(
        self, values: Sequence[float], size: tuple[int, int], counts: tuple[int, int]
    ) -> None:
        across, down = (
            _cosines(count, length, 0.5) for count, length in zip(counts, size, strict=True)
        )
        nx, ny = counts
        waves = [
            _coefficient(values, across[x], down[y])
            for y in range(ny)
            for x in range(nx)
            if x * ny < nx * (ny - y)
        ]
        self.constant, rest = waves[0], waves[1:]
        self.scale = max((abs(wave) for wave in rest), default=0.0)
        self.rest = [0.5 + 0.5 / self.scale * wave for wave in rest] if self.scale else rest


def _thumbhash(image: Image.Image) -> str:
    width, height = image.size
    pixels: list[tuple[float, ...]] = [tuple(v / 255 for v in pixel) for pixel in _pixels(image)]
    weight = sum(pixel[3] for pixel in pixels)
    mean = [sum(p[3] * p[band] for p in pixels) / weight if weight else 0.0 for band in range(3)]
    alpha = weight < len(pixels)
    laid = [[mean[band] * (1 - p[3]) + p[3] * p[band] for band in range(3)] for p in pixels]
    limit, longest = (5 if alpha else 7), max(width, height)
    lx, ly = (max(1, _round(limit * side / longest)) for side in (width, height))
    light = _Channel([sum(p) / 3 for p in laid], image.size, (max(3, lx), max(3, ly)))
    yellow = _Channel([(p[0] + p[1]) / 2 - p[2] for p in laid], image.size, (3, 3))
    red = _Channel([p[0] - p[1] for p in laid], image.size, (3, 3))
    channels = [light, yellow, red]
    landscape = width > height
    head = (
        _round(63 * light.constant)
        | _round(31.5 + 31.5 * yellow.constant) << 6
        | _round(31.5 + 31.5 * red.constant) << 12
        | _round(31 * light.scale) << 18
        | alpha << 23
    )
    tail = (
        (ly if landscape else lx)
        | _round(63 * yellow.scale) << 3
        | _round(63 * red.scale) << 9
        | landscape << 15
    )
    out = bytearray(head.to_bytes(3, "little") + tail.to_bytes(2, "little"))
    if alpha:
        opacity = _Channel([p[3] for p in pixels], image.size, (5, 5))
        out.append(_round(15 * opacity.constant) | _round(15 * opacity.scale) << 4)
        channels.append(opacity)
    nibbles = [_round(15 * value) for channel in channels for value in channel.rest]
    nibbles += [0] * (len(nibbles) % 2)
    out += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return base64.b64encode(out).decode()


def _pixels(image: Image.Image) -> list[tuple[int, int, int, int]]:
    raw = image.tobytes()
    return [(raw[at], raw[at + 1], raw[at + 2], raw[at + 3]) for at in range(0, len(raw), 4)]


def _blurhash(image: Image.Image) -> str:
    base = Image.new("RGBA", image.size, "#ffffff")
    flat = _pixels(Image.alpha_composite(base, image))
    bands = [[_to_linear(pixel[band]) for pixel in flat] for band in range(3)]
    across = _cosines(_BLUR_ACROSS, image.width, 0)
    down = _cosines(_BLUR_DOWN, image.height, 0)
    waves = [
        [_coefficient(band, across[x], down[y]) * (1 if x == y == 0 else 2) for band in bands]
        for y in range(_BLUR_DOWN)
        for x in range(_BLUR_ACROSS)
    ]
    constant, rest = waves[0], waves[1:]
    loudest = max(abs(value) for wave in rest for value in wave)
    step = max(0, min(82, math.floor(loudest * 166 - 0.5)))
    top = (step + 1) / 166
    red, green, blue = (_to_srgb(value) for value in constant)
    text = _base83(_BLUR_ACROSS - 1 + (_BLUR_DOWN - 1) * 9, 1) + _base83(step, 1)
    text += _base83(red << 16 | green << 8 | blue, 4)
    return text + "".join(_base83(_packed(wave, top), 2) for wave in rest)


def _packed(wave: Sequence[float], top: float) -> int:
    """Return three values of -top..top as one number, 19 steps each, finer near 0."""
    signed_root: Callable[[float], float] = lambda v: math.copysign(math.sqrt(abs(v)), v)  # noqa: E731
    steps = [max(0, min(18, math.floor(signed_root(value / top) * 9 + 9.5))) for value in wave]
    return (steps[0] * 19 + steps[1]) * 19 + steps[2]


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83 ** (length - 1 - at) % 83] for at in range(length))


def _to_linear(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004


def _to_srgb(value: float) -> int:
    part = max(0.0, min(1.0, value))
    curved = part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055  # noqa: PLR2004
    return int(curved * 255 + 0.5)
