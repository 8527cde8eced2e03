"""Camera raw files, through the JPEG preview that the camera put into them (extra ``raw``)."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError
from shard.imaging.decoders.jpeg import JpegDecoder

if TYPE_CHECKING:
    from shard.imaging.decoders.base import Header, Raster, Want

_FLIPS = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's ``flip`` -> EXIF orientation."""


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        import rawpy
    except ImportError as error:
        raise ImageError("missing_extra", "camera raw needs `pip install shard[raw]`") from error
    return rawpy


class RawDecoder:
    """Hands the preview to the JPEG decoder."""

    def __init__(self) -> None:
        self._jpeg = JpegDecoder()

    def header(self, data: bytes) -> Header:
        """Return the preview's header; the file's orientation counts where the preview has none."""
        preview, flip = _preview(data)
        header = self._jpeg.header(preview)
        orientation = header.orientation if header.orientation > 1 else _FLIPS.get(flip, 1)
        return replace(header, format="raw", orientation=orientation, notes=("embedded_preview",))

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Decode the preview."""
        preview, _ = _preview(data)
        return self._jpeg.decode(preview, header, want)

    def memory(self, header: Header, want: Want) -> int:
        """Count the preview's own, and its bytes."""
        return self._jpeg.memory(header, want) + header.width * header.height


def decoder(_name: str) -> RawDecoder:
    """Return the decoder of this module; ``missing_extra`` if rawpy is not installed."""
    _library()
    return RawDecoder()


def _preview(data: bytes) -> tuple[bytes, int]:
    rawpy = _library()
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            thumb, flip = raw.extract_thumb(), int(raw.sizes.flip)
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
        raise ImageError("unsupported", "this camera raw file has no preview") from error
    if thumb.format != rawpy.ThumbFormat.JPEG:
        raise ImageError("unsupported", "this camera raw file's preview is no JPEG")
    return bytes(thumb.data), flip
