"""What every decoder answers to, and what travels to and from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL import Image

    from shard.imaging.geometry import Size

GAP = 2
"""A decoded image is at least this many times the largest rendition, where the source allows."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. ``width`` and ``height`` are as stored, before orientation.

    ``subimages`` are a TIFF's smaller copies that are no pages.
    ``channels`` and ``depth`` (bits of one channel) serve the prediction of memory.
    ``interlaced`` also means progressive: the whole image must be held to decode it.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    has_alpha: bool = False
    frames: int = 1
    subimages: int = 0
    interlaced: bool = False
    channels: int = 3
    depth: int = 8
    exif: bytes | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Want:
    """What a decode is for, in pixels of the stored axes.

    ``exact``: nothing but ``width`` x ``height`` will be made of it, so a decoder that resizes well
    while it streams may give just that. ``lenient``: what is missing from a truncated file is left
    blank instead of an error.
    """

    width: int
    height: int
    exact: bool = False
    lenient: bool = False

    @property
    def size(self) -> Size:
        """The largest rendition's width and height."""
        return self.width, self.height

    @property
    def least(self) -> Size:
        """The least size to decode to."""
        return GAP * self.width, GAP * self.height

    def factor(self, width: int, height: int) -> int:
        """Return the largest whole number that ``width`` x ``height`` may be shrunk by."""
        return max(1, min(width // self.least[0], height // self.least[1]))


@dataclass(frozen=True, slots=True)
class Raster:
    """A decoded image: mode L, RGB, RGBa (alpha premultiplied) or CMYK, 8 bits a channel.

    ``box`` is the part of it, in its own pixels, that shows the whole source: shrinking by a whole
    number leaves a last row and column that reach a little beyond.
    """

    image: Image.Image
    box: tuple[float, float, float, float]
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


class Decoder(Protocol):
    """Reads a header, then, if that was accepted, pixels. Stateless; used by one thread at a time.

    Both methods may raise anything: ``shard.imaging.boundary`` makes an ``ImageError`` of it.
    """

    def header(self, data: bytes) -> Header:
        """Return what the file says of itself, without decoding a pixel."""

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Return the first frame: ``want.least`` or more, its full size, or exactly ``want``."""

    def memory(self, header: Header, want: Want) -> int:
        """Return the peak of bytes that ``decode`` would allocate, the file's own not counted."""
