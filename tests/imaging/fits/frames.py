"""FITS frames that several tests need, and those that installed packages bring along."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from shard.imaging.fits import Plane, picture, read_plane
from shard.model import Limits
from shard.planning.fits import parse_fits

Array = np.ndarray[Any, np.dtype[Any]]
LIMITS = Limits()


def stars(height: int = 263, width: int = 397, seed: int = 1) -> Array:
    """Return a sky of noise with stars in it, float32."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    sky = rng.normal(100, 5, (height, width))
    for _ in range(60):
        at, across = rng.uniform(0, height), rng.uniform(0, width)
        sky += rng.exponential(3000) * np.exp(-((y - at) ** 2 + (x - across) ** 2) / 8)
    return sky.astype(np.float32)


def written(*hdus: Any) -> bytes:
    """Return HDUs as a file; the first becomes the primary one if it is an image's."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(list(hdus)).writeto(buffer, output_verify="ignore")
    return buffer.getvalue()


def frame(pixels: Array, **cards: Any) -> bytes:
    """Return one image as a file, with these cards."""
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(cards)
    return written(hdu)


def raw(data: bytes, **cards: object) -> bytes:
    """Return a primary HDU as its cards and bytes say, however wrong."""
    told = {"SIMPLE": "T", **cards}
    lines = [f"{name:8}= {value!s:>20}".ljust(80) for name, value in told.items()]
    header = "".join([*lines, "END".ljust(80)])
    return header.ljust(-(-len(header) // 2880) * 2880).encode() + data + bytes(-len(data) % 2880)


def read(file: bytes | Path, text: str = "", want: tuple[int, int] | None = None) -> Plane:
    """Read a plane with the options of this text."""
    return read_plane(file, parse_fits(text), LIMITS, want)


def drawn(file: bytes | Path, text: str = "", want: tuple[int, int] | None = None) -> Array:
    """Return a file's picture, upright, as integers that can be subtracted."""
    options = parse_fits(text)
    return np.asarray(picture(read_plane(file, options, LIMITS, want), options)).astype(int)


def corpus() -> list[Path]:
    """Return every FITS file of the installed packages, whatever it holds."""
    found = []
    for package in ("astropy", "reproject", "astroalign", "numpy"):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            found += [path for path in Path(folder).rglob("*.fits*") if path.suffix != ".Z"]
    return sorted(found)
