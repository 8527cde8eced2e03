"""Planes laid onto one another by where their headers say they lie on the sky.

Headers lie: axes without names, singular matrices, NaN, distortions extrapolated beyond sense. All
of that ends in ``None``, never in an exception or an endless run.

Resampling is reproject's adaptive algorithm (DeForest 2004, Solar Physics 219, 3) with a Hann
kernel: planes of one scale come through as with bilinear interpolation, and where a plane's pixels
are finer it averages them instead of picking some. 500 x 500 pixels take 0.2 s, no longer than
``reproject_interp``; the default Gaussian kernel takes twice that and blurs.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from shard.errors import ImageError
from shard.imaging.fits.library import library, silent

if TYPE_CHECKING:
    from shard.imaging.fits.plane import Plane
    from shard.imaging.fits.rows import Array

_AXES = {"RA", "GLON"}
"""Longitudes of fixed frames: for others astropy asks the network how the Earth turned."""

_LATTICE = 17
"""Points a side at which two planes are compared before any pixel is resampled."""

_STEEPEST = 8.0
"""Pixels of one plane to a pixel of the other: beyond that they are no pictures of one thing."""

_STRIP = 300_000
"""Pixels that are resampled at a time."""

_SAME = 0.01
"""Pixels: planes whose points all lie closer have one grid, and none is resampled."""


_NUMBERS = re.compile(
    r"CRVAL[12]|CRPIX[12]|CDELT[12]|CROTA2|(CD|PC)[12]_[12]|PV[12]_[0-9]{1,2}"
    r"|LONPOLE|LATPOLE|EQUINOX|EPOCH|(A|B|AP|BP)_[0-9]_[0-9]"
)
_DEGREES = re.compile(r"(A|B|AP|BP)_ORDER")
_WORDS = re.compile(r"CTYPE[12]|CUNIT[12]|RADESYS|RADECSYS")
_KNOWN = re.compile("|".join(known.pattern for known in (_NUMBERS, _DEGREES, _WORDS)))
_HIGHEST = 9  # degree of a distortion (Shupe & al. 2005)
_NEEDED = {"CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"}


def on_the_sky(plane: Plane) -> Any | None:
    """Return the plane's celestial ``astropy.wcs.WCS``, or ``None`` if it has none to rely on."""
    from astropy.wcs import WCS

    cards = _cards(plane.header)
    if cards is None:
        return None
    with silent():
        try:
            sky = WCS(cards).celestial
            if not sky.has_celestial or sky.wcs.ctype[sky.wcs.lng].split("-")[0] not in _AXES:
                return None
            middle = [[(side - 1) / 2 for side in plane.pixels.shape[::-1]]]
            known = [sky.pixel_scale_matrix, sky.all_pix2world(middle, 0)]
            singular = abs(np.linalg.det(sky.pixel_scale_matrix)) < np.finfo(float).tiny
            return None if singular or not all(np.isfinite(some).all() for some in known) else sky
        except Exception:  # noqa: BLE001 - astropy and wcslib raise whatever a header makes them
            return None


def _cards(header: Any) -> Any | None:
    """Return what a header says of two axes of the sky, and nothing else; ``None`` if nonsense.

    wcslib crashes on stray cards of plate solutions (``PPO3``, ``AMDX1``), and tables, dates and
    further axes say nothing of how two frames of one field lie.
    """
    cards = header.__class__()
    for name in header:
        if not _KNOWN.fullmatch(name):
            continue
        value = _value(header, name)
        if _WORDS.fullmatch(name):
            sound = isinstance(value, str)
        elif _DEGREES.fullmatch(name):
            sound = value in range(_HIGHEST + 1)
        else:
            sound = isinstance(value, int | float) and math.isfinite(value)
        if not sound:
            return None
        cards[name] = value
    scaled = {"CDELT1", "CD1_1", "CD1_2"} & set(cards)
    return cards if set(cards) >= _NEEDED and scaled else None


def _value(header: Any, name: str) -> Any:
    try:
        return header.get(name)
    except Exception:  # noqa: BLE001 - a card that astropy cannot read
        return math.nan


def solved(plane: Plane) -> bool:
    """Tell whether the pipeline found the stars its WCS says; one that never tried is believed.

    ``WCSERR``, as Las Cumbres Observatory writes it: 0, or the code of what went wrong, and then
    the WCS is only where the telescope was sent.
    """
    return _value(plane.header, "WCSERR") in (None, 0)


def lay(plane: Plane, onto: Plane) -> tuple[Array, float] | None:
    """Return ``plane`` on the grid of ``onto``, and its length of a pixel in that grid's.

    Of the shape of ``onto``, NaN where ``plane`` does not reach. ``None`` if either header
    says too little, if they look elsewhere, or if one pixel would be more than eight of the other.
    """
    here, there = on_the_sky(onto), on_the_sky(plane)
    if here is None or there is None:
        return None
    placed = _lattice(here, there, onto.pixels.shape)
    if placed is None or not _smooth(placed, onto.pixels.shape, plane.pixels.shape):
        return None
    if plane.pixels.shape == onto.pixels.shape:
        own = _points(onto.pixels.shape)
        if np.abs(placed - own).max() < _SAME:
            return plane.pixels, 1.0
    with silent():
        try:
            laid = _resampled(plane.pixels, there, here, onto.pixels.shape)
        except ImageError:
            raise
        except Exception:  # noqa: BLE001 - as above
            return None
        lengths = [abs(np.linalg.det(sky.pixel_scale_matrix)) ** 0.5 for sky in (there, here)]
    return laid, float(lengths[0] / lengths[1])


def _resampled(pixels: Array, there: Any, here: Any, shape: tuple[int, ...]) -> Array:
    """Resample in strips: the 100 bytes that a pixel's coordinates take are only passing."""
    reproject = library("reproject").reproject_adaptive
    laid: Array = np.empty(shape, pixels.dtype)
    for top in range(0, shape[0], step := max(_STRIP // shape[1], 1)):
        strip = laid[top : top + step]
        strip[:] = reproject(
            (pixels, there),
            here[top : top + step],
            shape_out=strip.shape,
            kernel="hann",
            return_footprint=False,
            bad_value_mode="ignore",
            boundary_mode="ignore_threshold",
        )
    return laid


def _points(shape: tuple[int, ...]) -> Array:
    rows, columns = np.meshgrid(
        *(np.linspace(0, side - 1, _LATTICE) for side in shape), indexing="ij"
    )
    return np.array((columns, rows))


def _lattice(here: Any, there: Any, shape: tuple[int, ...]) -> Array | None:
    """Return where a lattice over ``shape`` lies in the other plane: (x and y, 17, 17)."""
    from astropy.wcs.utils import pixel_to_pixel

    with silent():
        try:
            return np.array(pixel_to_pixel(here, there, *_points(shape)), dtype=np.float64)
        except Exception:  # noqa: BLE001 - as above
            return None


def _smooth(placed: Array, shape: tuple[int, ...], there: tuple[int, ...]) -> bool:
    """Tell whether the lattice meets the other plane, and is nowhere torn.

    Where it is (distortions far outside the frame that they are for), one pixel would be an average
    over the whole of the other plane, and a picture of them would not end.
    """
    if not np.isfinite(placed).all():
        return False
    for axis, side in enumerate(shape):
        if side > 1:
            steps = np.hypot(*np.diff(placed, axis=axis + 1)) * (_LATTICE - 1) / (side - 1)
            if steps.max() > _STEEPEST or steps.min() < 1 / _STEEPEST:
                return False
    x, y = placed
    return bool(((x > -1) & (x < there[1]) & (y > -1) & (y < there[0])).any())
