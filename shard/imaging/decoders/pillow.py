"""The formats that only Pillow reads; one plug-in each is imported, never all."""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from PIL import Image, ImageFile

from shard.imaging import colour, exif
from shard.imaging.decoders.base import Header, Raster, Want

if TYPE_CHECKING:
    from shard.imaging.decoders.base import Want

# What Pillow only warns of, either it renders or it raises later; a log of millions needs neither.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_PLUGINS = {
    "jpeg2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "bmp": ("BmpImagePlugin", "BmpImageFile"),
    "ico": ("IcoImagePlugin", "IcoImageFile"),
    "tga": ("TgaImagePlugin", "TgaImageFile"),
    "psd": ("PsdImagePlugin", "PsdImageFile"),
    "ppm": ("PpmImagePlugin", "PpmImageFile"),
    "pcx": ("PcxImagePlugin", "PcxImageFile"),
    "qoi": ("QoiImagePlugin", "QoiImageFile"),
    "sgi": ("SgiImagePlugin", "SgiImageFile"),
    "tiff": ("TiffImagePlugin", "TiffImageFile"),
    "gif": ("GifImagePlugin", "GifImageFile"),
    "webp": ("WebPImagePlugin", "WebPImageFile"),
}
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "LA": 4}
_ALPHA_MODES = {"LA", "RGBA", "PA", "La", "RGBa"}


class PillowDecoder:
    """One format of ``_PLUGINS``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def header(self, data: bytes) -> Header:
        """Read what Pillow reads when it opens a file."""
        image = open_with_pillow(self._name, data)
        block = image.info.get("exif")
        return Header(
            format=self._name,
            width=image.width,
            height=image.height,
            orientation=exif.orientation(block),
            has_alpha=image.mode in _ALPHA_MODES or "transparency" in image.info,
            channels=len(image.getbands()),
            depth=8 * _MODE_BYTES.get(image.mode, 1),
            interlaced=True,
            exif=block,
        )

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Decode the whole image; nothing here shrinks on load, but JPEG 2000 leaves levels out."""
        image = open_with_pillow(self._name, data)
        scale = 1
        if self._name == "jpeg2000":
            levels = _levels_to_spare(data, want.factor(header.width, header.height))
            cast("Any", image).reduce = levels
            scale = 1 << levels
        image.load()
        box = (0.0, 0.0, header.width / scale, header.height / scale)
        return Raster(colour.to_working(image), box, image.info.get("icc_profile"))

    def memory(self, header: Header, want: Want) -> int:
        """Count the decoded image, a converted copy, and one on the way to libvips; as measured."""
        pixels = header.width * header.height
        if self._name == "jpeg2000":
            return pixels * 3 + 20 * pixels // want.factor(header.width, header.height) ** 2
        return pixels * 12


def decoder(name: str) -> PillowDecoder:
    """Return the decoder of one format of this module."""
    return PillowDecoder(name)


def open_with_pillow(name: str, data: bytes) -> ImageFile.ImageFile:
    """Open ``data`` with the one plug-in of its format; only the header is read."""
    module, plugin = _PLUGINS[name]
    Image.MAX_IMAGE_PIXELS = None  # limits are checked by us, from the header, for every decoder
    kind = getattr(import_module(f"PIL.{module}"), plugin)
    return cast("ImageFile.ImageFile", kind(io.BytesIO(data)))


def _levels_to_spare(data: bytes, factor: int) -> int:
    """Return how many halvings ``factor`` allows and the codestream has (T.800, A.6.1: COD)."""
    at = data.find(b"\xff\x52")
    levels = data[at + 9] if 0 <= at < len(data) - 9 else 0
    return min(levels, factor.bit_length() - 1)
