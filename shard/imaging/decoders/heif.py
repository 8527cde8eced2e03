"""HEIC and HEIF as phones write them: libheif with libde265, through pillow-heif."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shard.imaging import colour
from shard.imaging.decoders.base import Header, Raster, Want

if TYPE_CHECKING:
    from PIL import Image

    from shard.imaging.decoders.base import Want


@lru_cache(maxsize=1)
def _library() -> Any:
    """Return pillow_heif, set up to use one thread."""
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    return pillow_heif


class HeifDecoder:
    """The primary image; libheif applies the rotation that the container asks for."""

    def header(self, data: bytes) -> Header:
        """Read the boxes. EXIF orientation is not used: the container's own rotation is."""
        image = self._primary(data)
        return Header(
            format="heic",
            width=image.size[0],
            height=image.size[1],
            has_alpha=bool(image.has_alpha),
            channels=4 if image.has_alpha else 3,
            depth=8,
            interlaced=True,
            exif=image.info.get("exif"),
        )

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Decode the whole primary image, at 8 bits a channel."""
        del header, want
        image = self._primary(data)
        pillow: Image.Image = image.to_pillow()
        box = (0.0, 0.0, float(pillow.width), float(pillow.height))
        return Raster(colour.to_working(pillow), box, image.info.get("icc_profile"))

    def memory(self, header: Header, want: Want) -> int:
        """Count the decoder's planes, the interleaved copy, Pillow's copies; as measured."""
        del want
        return header.width * header.height * 16

    def _primary(self, data: bytes) -> Any:
        heif = _library().open_heif(data, convert_hdr_to_8bit=True)
        return heif[heif.primary_index]


def decoder(_name: str) -> HeifDecoder:
    """Return the decoder of this module."""
    return HeifDecoder()
