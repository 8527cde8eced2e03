"""Pictures that several tests need."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shard.imaging import Thumbnail, open_image, render
from shard.model import Format, Limits, Rendition

DATA = Path(__file__).parent / "data"
SAMPLES = Path(__file__).parents[2] / "samples"
LIMITS = Limits()


def photo(width: int = 640, height: int = 480) -> Image.Image:
    """Return a smooth picture in all colours."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = 127 + 100 * np.sin(x / 37) * np.cos(y / 29)
    bands = np.stack([x * 255 / width, waves, 230 - y * 200 / height], -1)
    return Image.fromarray(bands.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return ``image`` as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def thumbnail(
    data: bytes, rendition: Rendition | None = None, limits: Limits = LIMITS
) -> Thumbnail:
    """Render one rendition; 100x100 PNG where none is given."""
    wanted = rendition or Rendition("t", 100, 100, format=Format.PNG)
    return render(open_image(data, limits), [wanted], limits)[0]


def opened(made: Thumbnail) -> Image.Image:
    """Return a thumbnail's pixels."""
    return Image.open(io.BytesIO(made.data))


def psnr(image: Image.Image, whole: Image.Image) -> float:
    """Return how near ``image`` is to ``whole`` resized by LANCZOS, in dB."""
    wanted = whole.convert("RGB").resize(image.size, Image.Resampling.LANCZOS)
    difference = np.asarray(image.convert("RGB"), np.float64) - np.asarray(wanted, np.float64)
    return float(10 * np.log10(255**2 / max(1e-6, float((difference**2).mean()))))
