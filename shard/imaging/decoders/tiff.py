"""Which image of a TIFF to read: a pyramid holds smaller copies of its first page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

    from shard.imaging.decoders.base import Header, Want
from shard.errors import ImageError
from shard.imaging.sniff import tiff_tags

_COMPRESSION = 259
_NOT_IN_VIPS = frozenset({34925, 50000})  # LZMA, Zstandard
_NOWHERE = {34887: "LERC", 50001: "WebP"}
"""What the wheels of both libvips and Pillow leave out."""
_MOST_LEVELS = 32
_SAME_SHAPE = 0.02
"""Relative difference of aspect ratio up to which a smaller page counts as a copy."""


def best_level(data: bytes, header: Header, want: Want, load: Callable[..., Any]) -> dict[str, int]:
    """Return the loader's options for the smallest copy of at least ``want.least``.

    Copies are sub-images of the first page (as OME-TIFF and vips write them) or pages, each
    smaller than the one before and of the same shape (as GeoTIFF and GDAL write them).
    """
    subimages = header.subimages
    option, count = ("subifd", subimages) if subimages else ("page", header.frames - 1)
    best: dict[str, int] = {}
    width = header.width
    for index in range(min(count, _MOST_LEVELS)):
        choice = {option: index if subimages else index + 1}
        level = load("tiff", data, **choice)
        if not _is_copy(level, header, width) or level.bands != header.channels:
            break
        if level.width < want.least[0] or level.height < want.least[1]:
            break
        best, width = choice, level.width
    return best


def _is_copy(level: Any, header: Header, above: int) -> bool:
    shape = level.width * header.height / (level.height * header.width)
    return bool(level.width < above and abs(shape - 1) < _SAME_SHAPE)


def needs_pillow(data: bytes | mmap) -> bool:
    """Tell whether the first page is compressed in a way that the libvips wheel leaves out.

    Raises ``ImageError`` where Pillow's leaves it out too.
    """
    compression = tiff_tags(data).get(_COMPRESSION, 0)
    if compression in _NOWHERE:
        said = f"this TIFF is compressed with {_NOWHERE[compression]}, which is not decoded here"
        raise ImageError("unsupported", said)
    return compression in _NOT_IN_VIPS
