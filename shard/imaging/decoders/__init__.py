"""Format -> decoder. A decoder's libraries are imported when its format is first met."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from shard.errors import ImageError

if TYPE_CHECKING:
    from shard.imaging.decoders.base import Decoder
    from shard.model import Limits
    from shard.planning.fits import FitsOptions

#: Format -> module of this package; each has a ``decoder(format)`` function.
_MODULES = {
    "jpeg": "jpeg",
    "png": "vips",
    "tiff": "vips",
    "webp": "vips",
    "avif": "vips",
    "gif": "vips",
    "heic": "heif",
    "jpeg2000": "pillow",
    "bmp": "pillow",
    "ico": "pillow",
    "tga": "pillow",
    "psd": "pillow",
    "ppm": "pillow",
    "pcx": "pillow",
    "qoi": "pillow",
    "sgi": "pillow",
    "pdf": "pdf",
    "svg": "svg",
    "svgz": "svg",
    "raw": "raw",
    "jxl": "jxl",
    "fits": "fits",
}

FORMATS = tuple(_MODULES)
"""Every format that is decoded: the allow-list."""


@cache
def decoder_for(name: str) -> Decoder:
    """Return the decoder of a format of ``FORMATS``.

    Raises ``ImageError`` ``unsupported`` for any other, ``missing_extra`` if it is not installed.
    """
    if name not in _MODULES:
        raise ImageError("unsupported", f"{name} is not decoded; accepted: {', '.join(FORMATS)}")
    module = import_module(f"shard.imaging.decoders.{_MODULES[name]}")
    return cast("Decoder", module.decoder(name))


def fits_decoder(options: FitsOptions, limits: Limits) -> Decoder:
    """Return the decoder of FITS frames, which are drawn as ``options`` say.

    It needs ``limits``, too: a gzipped file is to be refused before it is inflated. Raises
    ``ImageError`` ``missing_extra``.
    """
    module = import_module("shard.imaging.decoders.fits")
    return cast("Decoder", module.FitsDecoder(options, limits))
