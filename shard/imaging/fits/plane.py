"""A frame as numbers: read in bands, shrunk on the way, with the limits of the whole frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from shard.errors import ImageError
from shard.imaging.fits.hdus import opened
from shard.imaging.fits.orientation import turned, turned_by
from shard.imaging.fits.rows import bands, once
from shard.imaging.fits.stretch import Levels, Tone, measure, shrunk, stretch

if TYPE_CHECKING:
    from pathlib import Path

    from shard.imaging.fits.rows import Array, Rows
    from shard.model import Limits
    from shard.planning.fits import FitsOptions

GAP = 2
"""A frame is read at this many times the size that is wanted of it, or more."""
_GREYS = 4 * 255


@dataclass(frozen=True, slots=True)
class Plane:
    """One 2-D image. ``pixels``: float32 (height, width), NaN where there is no value.

    Row 0 is the first of the FITS array. Pixels are doubles where single precision is too coarse
    for the range shown. ``header`` (an astropy Header) is the frame's, its WCS that of
    ``pixels``. ``factor``: how many of the frame's pixels make one here, on each axis; where it is
    above 1, ``pixels`` are means within the limits (see ``stretch.shrunk``). ``levels``: what is
    drawn black and white, by the whole frame.
    """

    pixels: Array
    header: Any
    factor: int
    levels: Levels
    notes: tuple[str, ...] = ()


def read_plane(
    file: bytes | Path,
    options: FitsOptions,
    limits: Limits,
    want: tuple[int, int] | None = None,
    *,
    lenient: bool = False,
) -> Plane:
    """Read one frame of a FITS file, at twice the size of ``want`` or more.

    ``want`` is the width and height that the whole frame will have in the picture, on the frame's
    own axes; ``None`` reads it in full. ``lenient``: what is missing at the end of a truncated
    file has no value. Raises ``ImageError``: ``not_an_image``, ``truncated``,
    ``too_many_pixels``, ``too_many_bytes``, ``too_many_frames``, ``corrupt``, ``missing_extra``.
    """
    with opened(file, options, limits, lenient=lenient) as frame:
        rows = frame.rows
        if rows.width * rows.height > limits.max_pixels:
            said = f"{rows.width}x{rows.height} is {rows.width * rows.height} pixels"
            raise ImageError("too_many_pixels", f"{said}; accepted: up to {limits.max_pixels}")
        rows = once(rows)
        levels = measure(rows, options)
        factor = 1
        if want is not None:
            factor = max(1, min(rows.width // (GAP * want[0]), rows.height // (GAP * want[1])))
        if factor == 1:
            pixels = _whole(rows, levels)
        else:
            pixels = _narrowed(shrunk(rows, factor, Tone(levels, options)), levels)
        return Plane(pixels, _fitted(frame.header, factor, rows), factor, levels, frame.notes)


def _whole(rows: Rows, levels: Levels) -> Array:
    """Return all pixels, as they are."""
    dtype = np.float64 if rows.depth > 4 and not _is_enough(levels) else np.float32  # noqa: PLR2004 - bytes of a single
    pixels: Array = np.empty((rows.height, rows.width), dtype)
    with np.errstate(over="ignore"):  # beyond a single's range is beyond the limits, too
        for top, values in bands(rows):
            pixels[top : top + len(values)] = values
    return pixels


def _narrowed(pixels: Array, levels: Levels) -> Array:
    return pixels.astype(np.float32) if _is_enough(levels) else pixels


def _is_enough(levels: Levels) -> bool:
    """Tell whether single precision tells the greys between the limits apart."""
    largest = max(abs(levels.low), abs(levels.high))
    if largest > np.finfo(np.float32).max:
        return False
    return levels.high <= levels.low or float(np.spacing(np.float32(largest))) < (
        (levels.high - levels.low) / _GREYS
    )


def _fitted(header: Any, factor: int, rows: Rows) -> Any:
    """Return the header of the shrunk frame: its size, its WCS and SIP in the new pixels.

    A pixel's centre is a whole number: ``x' = (x - 1/2) / factor + 1/2``. SIP's terms (Shupe &
    al. 2005) are of degree i + j in pixels and give pixels: times ``factor^(i + j - 1)``.
    """
    fitted = header.copy()
    fitted["NAXIS"] = 2
    fitted["NAXIS1"], fitted["NAXIS2"] = -(-rows.width // factor), -(-rows.height // factor)
    if factor == 1:
        return fitted
    has_cd = any(name in fitted for name in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"))
    for axis in (1, 2):
        _scale(fitted, f"CRPIX{axis}", lambda pixel: (pixel - 0.5) / factor + 0.5)
        for name in (f"CD1_{axis}", f"CD2_{axis}") if has_cd else (f"CDELT{axis}",):
            _scale(fitted, name, lambda value: value * factor)
    for kind in ("A", "B", "AP", "BP"):
        for i in range(10):
            for j in range(10 - i):
                power = factor ** (i + j - 1)
                _scale(fitted, f"{kind}_{i}_{j}", lambda value, power=power: value * power)
    return fitted


def _scale(header: Any, name: str, rule: Any) -> None:
    value = header.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        header[name] = rule(float(value))


def picture(plane: Plane, options: FitsOptions) -> Image.Image:
    """Return a plane's picture, mode L, upright."""
    drawn = Image.fromarray(stretch(plane, options))
    return turned(drawn, turned_by(plane.header, options))
