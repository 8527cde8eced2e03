"""libvips, loaded when first needed: one thread, no caches; and the way between it and Pillow."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from shard.imaging.geometry import Size


@lru_cache(maxsize=1)
def library() -> Any:
    """Return pyvips, set up for a worker: one thread, no caches, nothing said on stderr."""
    import pyvips

    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    logging.getLogger("pyvips").setLevel(logging.CRITICAL)
    return pyvips


def call(operation: str, *arguments: Any, **options: Any) -> Any:
    """Call a libvips operation by its exact name."""
    return library().Operation.call(operation, *arguments, **options)


def load(loader: str, data: bytes, **options: Any) -> Any:
    """Open ``data`` (which must outlive the image) with one loader; nothing is sniffed.

    By a source, for pyvips copies a buffer: 1.4 ms for a PNG of 23 MB, each time it is opened.
    """
    source = library().Source.new_from_memory(data)
    return call(f"{loader}load_source", source, access="sequential", **options)


def from_pillow(image: Image.Image) -> Any:
    """Return a copy of an 8-bit image: its bands, with no word of what they mean."""
    bands = len(image.getbands())
    return library().Image.new_from_memory(image.tobytes(), *image.size, bands, "uchar")


def to_pillow(image: Any, mode: str) -> Image.Image:
    """Run the pipeline of an 8-bit image whose bands are those of ``mode``."""
    pixels = bytes(image.write_to_memory())
    return Image.frombuffer(mode, (image.width, image.height), pixels, "raw", mode, 0, 1)


def smart_crop(image: Image.Image, size: Size, interest: str) -> Image.Image:
    """Return the part of ``size`` that draws the eye (``attention``) or says most (``entropy``)."""
    meant = from_pillow(image).copy(interpretation="b-w" if image.mode == "L" else "srgb")
    cropped = meant.smartcrop(*size, interesting=interest)
    return to_pillow(cropped, image.mode)


def lanczos(image: Any, size: Size, gap: float = 2.0) -> Any:
    """Return ``image`` scaled to exactly ``size``, streamed, each axis by its own factor.

    Areas are averaged down to ``gap`` times ``size`` first, which is fast; 0: LANCZOS alone.
    """
    across, down = size[0] / image.width, size[1] / image.height
    scaled = image.resize(across, vscale=down, kernel="lanczos3", gap=gap)
    return scaled.crop(0, 0, *size) if (scaled.width, scaled.height) != size else scaled
