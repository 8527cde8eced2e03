# ruff: noqa: INP001 - a script, run by its path
"""Make the images of this folder again, the same every time: ``python samples/make_samples.py``.

Landscapes drawn from sums of sines; no photograph, no random number without a seed. CC0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

Colour = tuple[int, int, int]

HERE = Path(__file__).parent
_ORIENTATION = 0x0112


def main() -> None:
    """Write every sample below this folder."""
    dawn = landscape((1500, 1000), [(38, 50, 110), (240, 140, 110), (255, 214, 150)], seed=3)
    dusk = landscape((1500, 1000), [(22, 18, 60), (150, 60, 110), (250, 150, 80)], seed=8)
    day = landscape((1600, 900), [(60, 130, 210), (150, 200, 235), (235, 245, 245)], seed=5)
    tall = landscape((900, 1350), [(20, 60, 90), (90, 170, 170), (240, 220, 180)], seed=13)
    _save(dawn, "2025/hills.jpg", quality=88)
    _save(dusk, "2026/hills.jpg", quality=88)
    _save(day, "2026/coast/progressive.jpg", quality=85, progressive=True)
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    _save(tall.transpose(Image.Transpose.ROTATE_90), "phone/rotated.jpg", quality=85, exif=exif)
    _save(dusk.resize((900, 600)).convert("CMYK"), "print/poster-cmyk.jpg", quality=85)
    _save(badge(), "icons/badge.png", optimize=True)
    _save(deep_sky(), "science/sky-16bit.png")
    _save(day.resize((1200, 675)).convert("L"), "scans/hills.tif", compression="tiff_lzw")
    frames = orbit()
    _save(frames[0], "web/orbit.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    _save(tall.resize((600, 900)), "web/valley.webp", quality=80)
    whole = (HERE / "2025/hills.jpg").read_bytes()
    _write("broken/half-an-upload.jpg", whole[: len(whole) * 2 // 5])


def landscape(size: tuple[int, int], sky: Sequence[Colour], seed: int) -> Image.Image:
    """Return a sky of three colours (top, middle, horizon), a sun, and five ranges of hills."""
    width, height = size
    generator = np.random.default_rng(seed)
    across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)
    stops = np.array(sky, dtype=float)
    column = np.stack([np.interp(down, [0, 0.4, 0.7], stops[:, band]) for band in range(3)], -1)
    picture = np.repeat(column[:, None, :], width, axis=1)
    sun = np.hypot((across[None] - 0.68) * width / height, down[:, None] - 0.42)
    glow = np.exp(-sun * 7)[..., None] * 0.6 + (sun < 0.055)[..., None] * 0.9  # noqa: PLR2004
    picture += (np.array([255, 244, 214]) - picture) * np.clip(glow, 0, 1)
    for layer in range(5):
        ridge = np.full(width, 0.52 + 0.1 * layer)
        for octave in range(1, 9):
            phase = generator.uniform(0, 2 * np.pi)
            wave = np.sin(across * np.pi * octave**1.6 * (1.2 + 0.2 * layer) + phase)
            ridge = ridge + wave * 0.05 / octave**1.1
        mist = 0.75 - 0.17 * layer
        shade = stops[2] * mist * 0.8 + np.array([18, 34, 46]) * (1 - mist)
        grain = generator.normal(0, 2.5, (height, width, 1))
        below = np.clip((down[:, None] - ridge[None]) * height, 0, 1)[..., None]
        light = 1 + 0.25 * (down[:, None] - ridge[None])[..., None]
        picture = picture * (1 - below) + (shade * light + grain) * below
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def badge() -> Image.Image:
    """Return a round badge on transparency, drawn four times too large for smooth edges."""
    side = 512 * 4
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 60, side - 60, side - 60), fill=(28, 92, 138, 255))
    draw.ellipse((180, 180, side - 180, side - 180), fill=(250, 214, 110, 230))
    draw.polygon([(460, 1420), (900, 760), (1180, 1180), (1340, 980), (1600, 1420)], (28, 92, 138))
    draw.ellipse((1240, 520, 1500, 780), fill=(255, 255, 255, 160))
    return image.resize((512, 512), Image.Resampling.LANCZOS)


def deep_sky() -> Image.Image:
    """Return a 16-bit grey nebula whose faint parts need all 16 bits."""
    down, across = np.mgrid[0:400, 0:600] / 400.0
    x, y = across - 0.8, down - 0.5
    arms = np.sin(18 * np.hypot(x, y) + 2 * np.arctan2(y, x))
    cloud = np.exp(-3.2 * np.hypot(x, y)) * (0.65 + 0.35 * arms)
    steps = np.round(cloud * 2048) / 2048
    return Image.fromarray((steps * 65535).astype(np.uint16))


def orbit() -> list[Image.Image]:
    """Return twelve frames of a planet and its moon."""
    frames = []
    for step in range(12):
        frame = Image.new("RGB", (320, 240), (16, 18, 44))
        draw = ImageDraw.Draw(frame)
        angle = 2 * np.pi * step / 12
        x, y = 160 + 110 * np.cos(angle), 120 + 60 * np.sin(angle)
        draw.ellipse((50, 60, 270, 180), outline=(60, 64, 110))
        draw.ellipse((120, 80, 200, 160), fill=(236, 138, 92))
        draw.ellipse((x - 12, y - 12, x + 12, y + 12), fill=(214, 220, 236))
        frames.append(frame.quantize(32))
    return frames


def _save(image: Image.Image, name: str, **options: Any) -> None:
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def _write(name: str, data: bytes) -> None:
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    main()
