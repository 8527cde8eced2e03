"""FITS frames: one HDU's plane read in bounded memory, stretched as observatories do, upright.

``read_plane`` reads and shrinks, ``stretch`` makes 8 bits of it, ``picture`` does and turns it.
Importing this package imports numpy and astropy: only where a FITS file is met.
"""

from __future__ import annotations

from shard.imaging.fits.hdus import described
from shard.imaging.fits.orientation import turned, turned_by
from shard.imaging.fits.plane import Plane, picture, read_plane
from shard.imaging.fits.rows import band_rows, held_bytes
from shard.imaging.fits.stretch import stretch

__all__ = [
    "Plane",
    "band_rows",
    "described",
    "held_bytes",
    "picture",
    "read_plane",
    "stretch",
    "turned",
    "turned_by",
]
