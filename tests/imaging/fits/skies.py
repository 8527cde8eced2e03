"""Synthetic skies: the same stars seen by three cameras."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from astropy.io.fits import Header, PrimaryHDU

from shard.imaging.fits.plane import Plane
from shard.imaging.fits.stretch import Levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SCALE = 1e-3  # degrees a pixel
CENTRE = (150.0, 2.0)


def field(count: int = 40, seed: int = 1, reach: float = 260.0) -> NDArray[np.float64]:
    """Return stars: x and y in sky pixels around the field's centre, and their light."""
    random = np.random.default_rng(seed)
    places = random.uniform(-reach, reach, (count, 2))
    return np.column_stack((places, 2000 * random.pareto(1.5, count) + 1500))


def matrix(angle: float = 0.0, scale: float = 1.0) -> NDArray[np.float64]:
    """Return what turns sky pixels into a camera's: rotated by degrees, ``scale`` times finer."""
    turn = np.deg2rad(angle)
    return scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def camera(
    stars: NDArray[np.float64],
    shape: tuple[int, int] = (400, 400),
    shift: Sequence[float] = (0, 0),
    turn: NDArray[np.float64] | None = None,
    *,
    noise: int = 0,
    wcs: bool = True,
) -> Plane:
    """Photograph ``stars``: sky (0, 0) lies ``shift`` from the middle of ``shape``.

    East left, north up on the sky, row 0 at the bottom, as FITS has it. ``noise`` is a seed.
    """
    turn = matrix() if turn is None else turn
    middle = (np.array(shape[::-1]) - 1) / 2 + shift
    pixels = np.random.default_rng(noise).normal(100, 5, shape)
    width = 1.8 * np.sqrt(np.linalg.det(turn))
    reach = int(9 * width)
    for *place, light in stars:
        x, y = turn @ place + middle
        left, top = (max(0, int(at) - reach) for at in (x, y))
        part = pixels[top : max(0, int(y) + reach), left : max(0, int(x) + reach)]
        rows, columns = np.indices(part.shape)
        far = (columns + left - x) ** 2 + (rows + top - y) ** 2
        part += light * np.exp(-far / (2 * width**2))
    header = sky_header(middle, turn) if wcs else Header()
    return plane(pixels, header)


def saved(of: Plane) -> bytes:
    """Return a plane as a FITS file."""
    file = BytesIO()
    PrimaryHDU(of.pixels, of.header).writeto(file)
    return file.getvalue()


def plane(pixels: NDArray[np.float64], header: Header) -> Plane:
    """Return pixels as a plane: black at the median, white at the 99.7th percentile."""
    known = np.sort(pixels[np.isfinite(pixels)])
    low, high = np.percentile(known, [50, 99.7]) if known.size else (0.0, 0.0)
    levels = Levels(float(low), float(high), known.astype(np.float32))
    return Plane(pixels.astype(np.float32), header, 1, levels)


def sky_header(middle: NDArray[np.float64], turn: NDArray[np.float64]) -> Header:
    """Return the WCS of a camera: tangent plane, at ``CENTRE`` where the sky's (0, 0) is."""
    header = Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = CENTRE
    header["CRPIX1"], header["CRPIX2"] = middle + 1
    degrees = SCALE * np.diag([-1, 1]) @ np.linalg.inv(turn)
    for row in (0, 1):
        for column in (0, 1):
            header[f"CD{row + 1}_{column + 1}"] = degrees[row, column]
    return header
