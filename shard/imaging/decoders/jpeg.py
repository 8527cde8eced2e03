"""JPEG: libjpeg-turbo through Pillow, shrunk on load; progressive files cut to their DC scans.

CMYK is taken as Adobe writes it, inverted, with or without Adobe's marker: so do Pillow, libvips
and browsers, for files that hold plain CMYK are all but unknown.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL.JpegImagePlugin import JpegImageFile

from shard.errors import ImageError
from shard.imaging import exif, jpeg_scan, libvips
from shard.imaging.decoders.base import Header, Raster, Want

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]

_EIGHTH = 8
_BITS = 8
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_PADDING, _NEAR = 128, 2


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

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Decode at 1/1, 1/2, 1/4 or 1/8, whichever is just enough."""
        head = _scan(data)
        notes: tuple[str, ...] = ()
        if not jpeg_scan.is_complete(data, head):
            if not want.lenient:
                raise ImageError("truncated", f"the file ends in its image, at {len(data)} bytes")
            data, notes = data + jpeg_scan.EOI, ("truncated",)
        image, box = _pixels(data, header, head, want)
        if not notes and _ends_in_padding(image):
            notes = _check_padding(data, lenient=want.lenient)
        return Raster(image, box, head.icc, notes)

    def memory(self, header: Header, want: Want) -> int:
        """Progressive files hold all coefficients (2 bytes), unless cut to their DC scans."""
        scale = _scale(header, want)
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
    if len(head.components) not in _MODES:
        raise ImageError(
            "unsupported", f"a JPEG of {len(head.components)} channels; accepted: 1, 3, 4"
        )
    return head


def _scale(header: Header, want: Want) -> int:
    ratio = min(header.width / want.least[0], header.height / want.least[1])
    return next((scale for scale in (8, 4, 2) if ratio >= scale), 1)


def is_eighth_enough(header: Header, want: Want) -> bool:
    """Tell whether 1/8 of the image, which its DC coefficients alone make, is large enough."""
    return _scale(header, want) == _EIGHTH


def _pixels(
    data: bytes, header: Header, head: jpeg_scan.JpegHeader, want: Want
) -> tuple[Image.Image, Box]:
    """Return the decoded image, and the part of it that shows the source."""
    scale = _scale(header, want)
    if scale == 1 and want.exact and want.width < header.width and not head.arithmetic:
        streamed = _stream(data, len(head.components), want)
        return streamed, (0.0, 0.0, float(want.width), float(want.height))
    if scale == _EIGHTH and header.interlaced:
        data = jpeg_scan.flat_cut(data, head) or data
    return _load(data, header, scale), (0.0, 0.0, header.width / scale, header.height / scale)


def _load(data: bytes, header: Header, scale: int) -> Image.Image:
    image = JpegImageFile(io.BytesIO(data))
    # One call into libjpeg for the whole file: Pillow's 64 kB steps copy what is left at each.
    image.decodermaxblock = len(data)
    expected = -(-header.width // scale), -(-header.height // scale)
    if scale > 1:
        image.draft(None, (header.width // scale, header.height // scale))
    image.load()
    if image.size != expected:
        raise ImageError("corrupt", f"this JPEG decodes to {image.size}, not {expected} pixels")
    return image


def _stream(data: bytes, channels: int, want: Want) -> Image.Image:
    """Decode in full and resize on the way: nothing of the source's size is ever held."""
    image = libvips.load("jpeg", data, fail_on="error")
    return libvips.to_pillow(libvips.lanczos(image, want.size), _MODES[channels])


def _ends_in_padding(image: Image.Image) -> bool:
    """Tell whether the last pixel is the mid-grey that libjpeg puts where data is missing."""
    last = image.getpixel((image.width - 1, image.height - 1))
    values = last if isinstance(last, tuple) else (last,)
    return all(abs(value - _PADDING) <= _NEAR for value in values if value is not None)


def _check_padding(data: bytes, *, lenient: bool) -> tuple[str, ...]:
    """Ask libvips, which hears libjpeg's warnings, whether that grey is the picture's own.

    libjpeg only warns when an end-of-image marker comes too early, and Pillow drops its warnings.
    """
    image = libvips.load("jpeg", data, shrink=8, fail_on="warning")
    try:
        image.avg()
    except libvips.library().Error as error:
        if "remature end" not in str(error):
            return ()
        if not lenient:
            raise ImageError("truncated", "the JPEG's data end before its last row") from error
        return ("truncated",)
    return ()
