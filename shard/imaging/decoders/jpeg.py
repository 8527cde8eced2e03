"""JPEG: libjpeg-turbo through Pillow, shrunk on load; progressive files cut to their DC scans."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from shard.errors import ImageError
from shard.imaging import exif, jpeg_scan
from shard.imaging.decoders.base import GAP, Header, Raster

if TYPE_CHECKING:
    from shard.imaging.geometry import Size

_EIGHTH = 8
_BITS = 8
_CHANNELS = {1: "grey", 3: "colour", 4: "CMYK"}
_PADDING = {"L": 128, "RGB": (128, 128, 128)}


class JpegDecoder:
    """One format, one library."""

    def header(self, data: bytes) -> Header:
        """Read the markers up to the first scan."""
        head = _scan(data)
        return Header(
            format="jpeg",
            width=head.width,
            height=head.height,
            orientation=exif.orientation(head.exif),
            interlaced=head.progressive,
            channels=len(head.components),
            exif=head.exif,
        )

    def decode(self, data: bytes, header: Header, need: Size, *, lenient: bool = False) -> Raster:
        """Decode at 1/1, 1/2, 1/4 or 1/8, whichever is just enough."""
        head = _scan(data)
        notes: tuple[str, ...] = ()
        if not jpeg_scan.is_complete(data, head):
            if not lenient:
                raise ImageError(
                    "truncated", f"the file ends after {len(data)} bytes, inside the image"
                )
            data, notes = data + jpeg_scan.EOI, ("truncated",)
        scale = _scale(header, need)
        whole = data
        if scale == _EIGHTH and header.interlaced:
            data = jpeg_scan.dc_cut(data) or data
        image = _load(data, header, scale)
        if not notes and _ends_in_padding(image):
            notes = _check_padding(whole, lenient=lenient)
        if image.mode == "CMYK" and head.adobe is None:
            image = ImageChops.invert(image)
        box = (0.0, 0.0, header.width / scale, header.height / scale)
        return Raster(image, box, head.icc, notes)

    def memory(self, header: Header, need: Size) -> int:
        """Progressive files hold all coefficients (2 bytes), unless cut to their DC scans."""
        scale = _scale(header, need)
        pixels = header.width * header.height
        decoded = pixels // scale**2 * (1 if header.channels == 1 else 4)
        return decoded + (2 * header.channels * pixels if header.interlaced else 0)


def decoder(_name: str) -> JpegDecoder:
    """Return the decoder of this module."""
    return JpegDecoder()


def _scan(data: bytes) -> jpeg_scan.JpegHeader:
    head = jpeg_scan.read_header(data)
    if head is None:
        raise ImageError("truncated", f"no image data in the {len(data)} bytes of this JPEG")
    if not head.decodable:
        raise ImageError(
            "unsupported", f"JPEG frame type 0x{head.frame:02X} (lossless or hierarchical)"
        )
    if head.precision != _BITS:
        raise ImageError("unsupported", f"a JPEG of {head.precision} bits a channel; accepted: 8")
    if len(head.components) not in _CHANNELS:
        raise ImageError(
            "unsupported", f"a JPEG of {len(head.components)} channels; accepted: 1, 3, 4"
        )
    return head


def _scale(header: Header, need: Size) -> int:
    ratio = min(header.width / (GAP * need[0]), header.height / (GAP * need[1]))
    return next((scale for scale in (8, 4, 2) if ratio >= scale), 1)


def _load(data: bytes, header: Header, scale: int) -> Image.Image:
    image = JpegImageFile(io.BytesIO(data))
    # One call into libjpeg for the whole file: Pillow's 64 kB steps copy what is left at each.
    image.decodermaxblock = len(data)
    if scale > 1:
        image.draft(None, (header.width // scale, header.height // scale))
    image.load()
    if image.size != (-(-header.width // scale), -(-header.height // scale)):
        raise ImageError(
            "corrupt", f"this JPEG decodes to {image.size[0]}x{image.size[1]} pixels at 1/{scale}"
        )
    return image


def _ends_in_padding(image: Image.Image) -> bool:
    """Tell whether the last pixel is the mid-grey that libjpeg puts where data is missing."""
    return image.getpixel((image.width - 1, image.height - 1)) == _PADDING.get(image.mode)


def _check_padding(data: bytes, *, lenient: bool) -> tuple[str, ...]:
    """Ask libvips, which hears libjpeg's warnings, whether that grey is the picture's own.

    libjpeg only warns when an end-of-image marker comes too early, and Pillow drops its warnings.
    """
    from shard.imaging.decoders import vips

    if not vips.jpeg_ends_early(data):
        return ()
    if not lenient:
        raise ImageError("truncated", "the JPEG's data end before its last row")
    return ("truncated",)
