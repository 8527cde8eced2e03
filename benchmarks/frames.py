"""FITS frames to measure on: a sky with noise, a gradient and stars, 16 bits, seeds fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 2048
_STARS = 300
_HALF = 12
_SATURATED = 65_535


def frame(seed: int) -> fits.PrimaryHDU:
    """Return a frame of ``SIDE`` x ``SIDE`` pixels with a plain WCS, as cameras write them."""
    generator = np.random.default_rng(seed)
    pixels = generator.normal(900.0, 18.0, (SIDE, SIDE))
    pixels += np.linspace(0.0, 60.0, SIDE)[:, None]
    across, down = np.mgrid[-_HALF : _HALF + 1, -_HALF : _HALF + 1]
    shape = np.exp(-(across**2 + down**2) / (2 * 2.2**2))
    for x, y in generator.integers(_HALF, SIDE - _HALF, (_STARS, 2)):
        place = np.s_[y - _HALF : y + _HALF + 1, x - _HALF : x + _HALF + 1]
        pixels[place] += shape * generator.pareto(1.2) * 400.0
    hdu = fits.PrimaryHDU(np.clip(pixels, 0, _SATURATED).astype(np.uint16))
    hdu.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=10.7, CRVAL2=41.3)
    hdu.header.update(CRPIX1=SIDE / 2, CRPIX2=SIDE / 2)
    hdu.header.update(CD1_1=-1e-4, CD1_2=0.0, CD2_1=0.0, CD2_2=1e-4)
    return hdu


def frames(folder: Path, count: int) -> list[Path]:
    """Return ``count`` files below ``folder``, made where they are not there yet."""
    paths = [folder / "fits_4mp" / f"{number:04}.fits" for number in range(count)]
    for seed, path in enumerate(paths):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            frame(seed).writeto(path)
    return paths
