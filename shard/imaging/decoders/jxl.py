"""JPEG XL (extra ``jxl``), through pillow-jxl-plugin."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError
from shard.imaging import colour
from shard.imaging.decoders import jxl_header
from shard.imaging.decoders.base import Header, Raster, Want

if TYPE_CHECKING:
    from shard.imaging.decoders.base import Want


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        from pillow_jxl import JpegXLImagePlugin
    except ImportError as error:
        raise ImageError("missing_extra", "JPEG XL needs `pip install shard[jxl]`") from error
    return JpegXLImagePlugin


class JxlDecoder:
    """The first frame; libjxl applies the orientation itself."""

    def header(self, data: bytes) -> Header:
        """Read the size and the channels."""
        width, height, alpha = jxl_header.read(data)
        return Header("jxl", width, height, has_alpha=alpha, channels=3 + alpha, interlaced=True)

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Decode the whole image."""
        del header, want
        image = _library().JXLImageFile(io.BytesIO(data))
        image.load()
        box = (0.0, 0.0, float(image.width), float(image.height))
        return Raster(colour.to_working(image), box, image.info.get("icc_profile"))

    def memory(self, header: Header, want: Want) -> int:
        """Libjxl works in floats."""
        del want
        return header.width * header.height * header.channels * 12


def decoder(_name: str) -> JxlDecoder:
    """Return the decoder of this module; ``missing_extra`` if the plug-in is not installed."""
    _library()
    return JxlDecoder()
