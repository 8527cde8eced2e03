"""FITS frames, gzipped and tile-compressed ones included (extra ``fits``): ``shard.imaging.fits``.

The frame is turned by the same step as any picture: what its WCS asks for is told as an EXIF
orientation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from shard.errors import ImageError
from shard.imaging.decoders.base import Header, Raster, Want
from shard.model import Limits
from shard.planning.fits import DEFAULT

if TYPE_CHECKING:
    from pathlib import Path

    from shard.planning.fits import FitsOptions

_HELD = 48
"""Bytes that a pixel of a band in hand takes: the values, what they become on the way."""
_TILE = 24
"""Bytes that a pixel of tiles in hand takes while a frame is decompressed to be held."""
_MADE = 24
"""Bytes that a pixel of the shrunk frame takes: as a mean, as a value, drawn, as a picture."""
_DRAWN = 4
"""Bytes that a pixel of a frame read in full takes beside its value."""


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        from shard.imaging import fits
    except ImportError as error:
        raise ImageError("missing_extra", "FITS needs `pip install 'shard[fits]'`") from error
    return fits


@dataclass(frozen=True, slots=True)
class FitsHeader(Header):
    """``tile``: rows that are decompressed together. ``inflated``: bytes, of a gzipped file."""

    tile: int = 1
    compressed: bool = False
    inflated: int = 0


class FitsDecoder:
    """One plane of one image, or a detector's mosaic, as the options say."""

    def __init__(self, options: FitsOptions, limits: Limits) -> None:
        self._fits, self._options, self._limits = _library(), options, limits

    def header(self, data: bytes | Path) -> FitsHeader:
        """Choose the frame and read its header; of a gzipped file only what comes before it."""
        with self._fits.described(data, self._options, self._limits) as frame:
            return FitsHeader(
                format="fits",
                width=frame.rows.width,
                height=frame.rows.height,
                orientation=self._fits.turned_by(frame.header, self._options),
                frames=frame.planes,
                channels=1,
                depth=8 * frame.rows.depth,
                notes=frame.notes,
                tile=frame.rows.tile,
                compressed=frame.rows.compressed,
                inflated=frame.inflated,
            )

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Read in bands, draw, average the greys down to ``want.least`` or more."""
        plane = self._fits.read_plane(
            data, self._options, self._limits, want.size, lenient=want.lenient
        )
        image = Image.fromarray(self._fits.stretch(plane, self._options))
        box = (0.0, 0.0, header.width / plane.factor, header.height / plane.factor)
        return Raster(image, box, notes=plane.notes)

    def memory(self, header: Header, want: Want) -> int:
        """Count a band in hand, the frame as it is kept, what was inflated; as measured."""
        pixels = header.width * header.height
        factor = want.factor(header.width, header.height)
        made = _MADE * pixels // factor**2 if factor > 1 else (header.depth // 8 + _DRAWN) * pixels
        of = cast("FitsHeader", header)
        held: int = self._fits.held_bytes(
            of.width, of.height, of.depth // 8, compressed=of.compressed
        )
        tiles = self._fits.band_rows(of.width, of.height, of.tile, factor) * of.width
        band = self._fits.band_rows(of.width, of.height, 1, factor) * of.width
        at_once: int = max(_TILE * tiles, _HELD * band) if held else _HELD * tiles
        return made + at_once + held + of.inflated


def decoder(_name: str) -> FitsDecoder:
    """Return a decoder with all options at their defaults; ``missing_extra`` without astropy."""
    return FitsDecoder(DEFAULT, Limits())
