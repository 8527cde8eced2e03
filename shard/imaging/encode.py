"""Pixels to bytes: the same bytes on every machine, nothing in them but the picture."""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError
from shard.model import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from shard.model import Rendition

Options = dict[str, Any]

_ALPHA = frozenset({Format.PNG, Format.WEBP, Format.AVIF, Format.GIF, Format.JXL})


def keeps_alpha(output: Format) -> bool:
    """Tell whether a format can hold transparency."""
    return output in _ALPHA


def encode(image: Image.Image, output: Format, rendition: Rendition, metadata: Options) -> bytes:
    """Return the file. ``image`` is L, RGB or RGBA (RGBA only where the format keeps alpha).

    ``metadata`` holds ``icc_profile`` and ``exif`` where they are to be kept.
    """
    settings = options(output, rendition)
    image.info.clear()  # a plug-in would write what it finds here: comments, resolution, profiles
    buffer = io.BytesIO()
    image.save(buffer, format=output.value.upper(), **settings, **metadata)
    return buffer.getvalue()


def options(output: Format, rendition: Rendition) -> Options:
    """Return what Pillow's writer of ``output`` is told, and see that this writer is there."""
    if output is Format.JXL:
        _jxl()
    elif output in _PLUGINS:
        import_module(_PLUGINS[output])
    return _OPTIONS[output](rendition)


def _jpeg(rendition: Rendition) -> Options:
    """4:2:0, Huffman tables made for this image (some 3 % smaller, at 0.2 ms for 200 pixels)."""
    return {
        "quality": rendition.quality,
        "subsampling": "4:2:0",
        "optimize": True,
        "progressive": rendition.progressive,
    }


def _png(_rendition: Rendition) -> Options:
    return {"compress_level": 6}


def _webp(rendition: Rendition) -> Options:
    return {"quality": rendition.quality, "lossless": rendition.lossless, "method": 4}


def _avif(rendition: Rendition) -> Options:
    """One thread: the number of threads would decide the tiles, and so the bytes."""
    quality = 100 if rendition.lossless else rendition.quality
    subsampling = "4:4:4" if rendition.lossless else "4:2:0"
    return {"quality": quality, "subsampling": subsampling, "speed": 6, "max_threads": 1}


def _gif(_rendition: Rendition) -> Options:
    return {"optimize": True}


def _jxl_options(rendition: Rendition) -> Options:
    return {"quality": rendition.quality, "lossless": rendition.lossless, "num_threads": 1}


_OPTIONS: dict[Format, Callable[[Rendition], Options]] = {
    Format.JPEG: _jpeg,
    Format.PNG: _png,
    Format.WEBP: _webp,
    Format.AVIF: _avif,
    Format.GIF: _gif,
    Format.JXL: _jxl_options,
}
_PLUGINS = {
    Format.WEBP: "PIL.WebPImagePlugin",
    Format.AVIF: "PIL.AvifImagePlugin",
}


def _jxl() -> None:
    try:
        import_module("pillow_jxl")
    except ImportError as error:
        raise ImageError("missing_extra", "JPEG XL needs `pip install shard[jxl]`") from error
