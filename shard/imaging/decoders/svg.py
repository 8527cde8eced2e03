"""SVG: librsvg through libvips, from memory, so it has no place to fetch anything from."""

from __future__ import annotations

import zlib
from typing import Any

from shard.errors import ImageError
from shard.imaging.decoders import vips
from shard.imaging.decoders.base import Header, Raster, Want

_MAX_TEXT = 20_000_000
"""Bytes of SVG text, unpacked; a drawing beyond that is an attack or takes minutes."""


class SvgDecoder:
    """Draws at the size that is needed, at most at the size the drawing says."""

    def header(self, data: bytes) -> Header:
        """Read the drawing's size, at 96 dots an inch."""
        image = _load(data)
        return Header("svg", image.width, image.height, has_alpha=True, channels=4)

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Draw at ``GAP`` times the need."""
        ratio = max(want.least[0] / header.width, want.least[1] / header.height)
        return vips.to_raster(_load(data, scale=min(1.0, ratio)), want)

    def memory(self, header: Header, want: Want) -> int:
        """Count the drawing's bitmap, as numbers of 4 bytes while alpha is premultiplied."""
        drawn = min(header.width * header.height, (want.least[0] + 1) * (want.least[1] + 1))
        return drawn * 4 * 6


def decoder(_name: str) -> SvgDecoder:
    """Return the decoder of this module."""
    return SvgDecoder()


def _load(data: bytes, **options: Any) -> Any:
    text = _unpacked(data) if data[:2] == b"\x1f\x8b" else data
    if len(text) > _MAX_TEXT:
        raise ImageError("too_many_bytes", f"an SVG of over {_MAX_TEXT} bytes of text")
    return vips.load("svg", text, **options)


def _unpacked(data: bytes) -> bytes:
    """Unpack an SVGZ, never further than just beyond what is accepted."""
    try:
        text = zlib.decompressobj(wbits=31).decompress(data, _MAX_TEXT + 1)
    except zlib.error as error:
        raise ImageError("corrupt", f"gzip: {error}") from error
    if b"<svg" not in text[:65536] and b":svg" not in text[:65536]:
        raise ImageError("not_an_image", "a gzip file with no SVG in it")
    return text
