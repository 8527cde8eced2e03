"""Pictures to measure on: generated, seeds fixed, so that everyone measures the same bytes.

Noise whose amplitude falls with frequency as in photographs (about 1/f), in correlated colours,
with a few hard edges; encoded, a 12-megapixel JPEG is about 2 MB, as from a camera.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

KINDS = (
    "jpeg_12mp",
    "progressive_12mp",
    "jpeg_small",
    "png_18mp",
    "tiff_lzw_18mp",
    "webp_18mp",
)


_PREDICTOR = 317
"""The TIFF tag; 2 is horizontal differencing, as most writers of LZW use."""


def picture(width: int, height: int, seed: int) -> Image.Image:
    """Return a picture of ``width`` x ``height`` pixels that compresses like a photograph."""
    generator = np.random.default_rng(seed)
    luma, warm, cold = (_field(width, height, generator, power) for power in (1.35, 1.6, 1.6))
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    base = 128 + 46 * luma + 30 * (0.5 - down)
    across = np.arange(width, dtype=np.float32)[None]
    for _ in range(6):
        level = generator.uniform(0.3, 0.9) * height
        slope, depth = generator.uniform(-0.4, 0.4), generator.uniform(-40, 25)
        edge = level + slope * (across - width / 2)
        base += depth * (np.arange(height, dtype=np.float32)[:, None] > edge)
    red, blue = base + 22 * warm, base + 22 * cold
    return Image.fromarray(np.clip(np.stack([red, base, blue], -1), 0, 255).astype(np.uint8))


def _field(width: int, height: int, generator: np.random.Generator, power: float) -> Any:
    """Return a field of mean 0 and deviation 1 whose amplitude falls as frequency ** -power."""
    spectrum = np.fft.rfft2(generator.standard_normal((height, width)).astype(np.float32))
    frequency = np.hypot(
        np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None] * width
    )
    frequency[0, 0] = 1
    spectrum /= frequency**power
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, (height, width))
    return (field / field.std()).astype(np.float32)


def encode(image: Image.Image, kind: str) -> bytes:
    """Return ``image`` as a file of the kind's format."""
    options: dict[str, dict[str, Any]] = {
        "jpeg": {"format": "JPEG", "quality": 88},
        "progressive": {"format": "JPEG", "quality": 88, "progressive": True},
        "png": {"format": "PNG", "compress_level": 6},
        "tiff": {"format": "TIFF", "compression": "tiff_lzw", "tiffinfo": {_PREDICTOR: 2}},
        "webp": {"format": "WEBP", "quality": 80},
    }
    buffer = io.BytesIO()
    image.save(buffer, **options[kind.partition("_")[0]])
    return buffer.getvalue()


def corpus(folder: Path, kind: str, count: int) -> list[Path]:
    """Return ``count`` files of a kind below ``folder``, made where they are not there yet."""
    sizes = {"12mp": (4000, 3000), "18mp": (5184, 3456), "small": (800, 600)}
    size = next(value for name, value in sizes.items() if kind.endswith(name))
    suffix = {"progressive": "jpg", "jpeg": "jpg", "tiff": "tif"}
    stem = kind.partition("_")[0]
    paths = [folder / kind / f"{n:04}.{suffix.get(stem, stem)}" for n in range(count)]
    for seed, path in enumerate(paths):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(picture(*size, seed), kind))
    return paths


def main() -> None:
    """Make corpora from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=4)
    arguments = parser.parse_args()
    for kind in KINDS:
        for path in corpus(arguments.folder, kind, arguments.count):
            print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
