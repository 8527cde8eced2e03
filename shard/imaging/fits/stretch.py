"""From a frame's values to 256 greys: limits from a sample of it, then a curve, as one table.

Sources: zscale is the observatory's (issue 8; after IRAF's display task, without its rejection of
outliers); asinh: Lupton, Gunn & Szalay 1999 (AJ 118, 1406) as astropy and log as SAOImage DS9
write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image, ImageFilter

from shard.imaging.fits.rows import BAND, bands

if TYPE_CHECKING:
    from shard.imaging.fits.plane import Plane
    from shard.imaging.fits.rows import Array, Rows
    from shard.planning.fits import FitsOptions

SAMPLES = 2_000
"""Values that zscale looks at: the observatory's number."""
_MANY = 250_000
"""Values that percentiles are taken of."""
_WHITE = 255
_FINE = 1 << 16
_ASINH, _LOG = 0.1, 1000.0
_HAIR = 1e-5
"""The relative width of a range that has none: what lies above it is white."""

_SINGLE = (1e-30, 1e38)
"""Ranges that leave room for 65,536 steps in single precision, which ends at 1e-38 and 3e38."""

_BY_PERCENTILE = ("percentile", "asinh", "log", "sqrt")


@dataclass(frozen=True, slots=True)
class Levels:
    """A frame's black and white, in its own units, and the values (sorted) that say so."""

    low: float
    high: float
    sample: Array


def measure(rows: Rows, options: FitsOptions) -> Levels:
    """Read a frame's sample, on a grid over all of it, whatever size the picture will have.

    Of ``minmax`` all pixels count. A frame without a finite value is black.
    """
    by_percentile = options.stretch in _BY_PERCENTILE
    sample = _sampled(rows, _MANY if by_percentile else SAMPLES)
    if options.stretch == "minmax" and None in (options.zmin, options.zmax):
        low, high = _extremes(rows)
    else:
        low, high = limits(sample, options)
    low = low if options.zmin is None else options.zmin
    high = high if options.zmax is None else options.zmax
    if options.median and not by_percentile:
        sample = _sampled(rows, _MANY)
    return Levels(low, high, sample)


def limits(sample: Array, options: FitsOptions) -> tuple[float, float]:
    """Return the values drawn black and white, of a sorted sample (any number of values)."""
    if not sample.size:
        return 0.0, 0.0
    if options.stretch == "zscale":
        return _zscale(sample, options.contrast)
    if options.stretch == "astropy-zscale":
        return _astropy_zscale(sample, options.contrast)
    if options.stretch in _BY_PERCENTILE:
        rest = (100.0 - options.percentile) / 2
        low, high = np.percentile(sample, [rest, 100.0 - rest])
        return float(low), float(high)
    return float(sample[0]), float(sample[-1])


def _zscale(sample: Array, contrast: float) -> tuple[float, float]:
    """Return the median, and where the line through the sorted sample leads, over the contrast.

    ``y = a + b i`` by least squares over all ``n`` values: ``z2 = a + (b / contrast) n / 2``, at
    most the largest. Where that leaves no range (more than half of the values are the largest) the
    sample's own extremes are taken.
    """
    values = sample.astype(np.float64)
    low, least, most = float(np.median(values)), float(values[0]), float(values[-1])
    if values.size < 2:  # noqa: PLR2004 - a line needs two points
        return least, most
    at = np.arange(values.size) - (values.size - 1) / 2
    slope = float((at * (values - values.mean())).sum() / (at * at).sum())
    start = float(values.mean()) - slope * (values.size - 1) / 2
    high = min(most, start + slope / contrast * values.size / 2)
    return (low, high) if high > low else (least, most)


def _astropy_zscale(sample: Array, contrast: float) -> tuple[float, float]:
    """Return IRAF's limits as astropy computes them, outliers rejected."""
    from astropy.visualization import ZScaleInterval

    low, high = ZScaleInterval(n_samples=SAMPLES, contrast=contrast).get_limits(sample)
    return float(low), float(high)


def _sampled(rows: Rows, wanted: int) -> Array:
    """Return, sorted, the finite ones of about ``wanted`` values: every so manieth of the frame.

    Counted along the rows, the observatory's way, beginning after the first step.
    """
    pixels = rows.width * rows.height
    step = max(1, pixels // wanted)
    parts = []
    for top, values in bands(rows):
        skipped = step if top == 0 and pixels > wanted else -top * rows.width % step
        met = values.ravel()[skipped::step]
        parts.append(met[~np.isnan(met)])
    sample = np.concatenate(parts)
    sample.sort()
    return sample


def _extremes(rows: Rows) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for _, values in bands(rows):
        low = min(low, float(np.fmin.reduce(values, axis=None, initial=np.inf)))
        high = max(high, float(np.fmax.reduce(values, axis=None, initial=-np.inf)))
    return (low, high) if low <= high else (0.0, 0.0)


class Tone:
    """The curve from values to greys: linear to a number of steps, then a table."""

    def __init__(self, levels: Levels, options: FitsOptions) -> None:
        # Halves: between the lowest double and the highest there is no double.
        self._low, half = levels.low / 2, levels.high / 2 - levels.low / 2
        self._half = half if half > 0 else max(abs(self._low), abs(levels.high), _HAIR) * _HAIR
        self._is_single = _is_single(2 * self._low, 2 * self._half)
        self._table = _table(options)
        if options.median and levels.sample.size:
            self._table = _normalised(self._table, self.draw(levels.sample), options.percentile)
        self._steps = np.arange(self._table.size)

    def draw(self, values: Array) -> Array:
        """Return the greys of values, uint8; NaN is drawn as the lowest value."""
        steps = self._scaled(values)
        greys: Array = self._table[np.rint(steps, out=steps).astype(np.uint16)]
        return greys

    def between(self, values: Array) -> Array:
        """Return the greys of averages, which may lie between the steps, uint8."""
        greys: Array = np.interp(self._scaled(values), self._steps, self._table)
        return cast("Array", np.rint(greys).astype(np.uint8))

    def values(self, greys: Array) -> Array:
        """Return values that ``between`` gives these (fractional) greys for; NaN stays."""
        steps: Array = np.interp(greys, self._table, self._steps)
        return 2 * (self._low + steps / (self._table.size - 1) * self._half)

    def _scaled(self, values: Array) -> Array:
        last = self._table.size - 1
        with np.errstate(over="ignore", under="ignore"):  # what is far outside is cut below
            if self._is_single:
                low = values.dtype.type(2 * self._low)
                steps = (values - low) * values.dtype.type(last / (2 * self._half))
            else:
                steps = (values.astype(np.float64) / 2 - self._low) / self._half * last
        np.nan_to_num(steps, copy=False, nan=0.0)
        return cast("Array", np.clip(steps, 0, self._table.size - 1, out=steps))


def _is_single(low: float, span: float) -> bool:
    """Tell whether a range can be computed with in single precision, without an infinity or 0."""
    return abs(low) + span < _SINGLE[1] and span > _SINGLE[0]


def _table(options: FitsOptions) -> Array:
    """Return the grey of each step: 256 of them for what is linear, more for what is not."""
    exponent = 1.0 / options.exponent
    if options.stretch not in ("asinh", "log", "sqrt"):
        return np.array([int(256 * (i / 256) ** exponent) for i in range(256)], np.uint8)
    part = np.arange(_FINE) / (_FINE - 1)
    if options.stretch == "asinh":
        part = np.arcsinh(part / _ASINH) / np.arcsinh(1 / _ASINH)
    elif options.stretch == "log":
        part = np.log(_LOG * part + 1) / np.log(_LOG + 1)
    else:
        part = np.sqrt(part)
    return np.rint(_WHITE * part**exponent).astype(np.uint8)


def _normalised(table: Array, drawn: Array, percentile: float) -> Array:
    """Subtract the picture's median, floor at 0, divide by its percentile, clip."""
    middle = float(np.median(drawn))
    above = np.maximum(drawn - middle, 0.0)
    white = float(np.percentile(above, percentile)) or 1.0
    return (np.clip((table - middle) / white, 0.0, 1.0) * _WHITE).astype(np.uint8)


def stretch(plane: Plane, options: FitsOptions) -> Array:
    """Return a plane's picture, uint8 (height, width), row 0 still the first of the FITS array.

    ``options`` are those that the plane was read with. The median filter comes last.
    """
    tone = Tone(plane.levels, options)
    draw = tone.draw if plane.factor == 1 else tone.between
    drawn: Array = np.empty(plane.pixels.shape, np.uint8)
    step = max(1, BAND // (8 * drawn.shape[1]))
    for top in range(0, len(drawn), step):
        drawn[top : top + step] = draw(plane.pixels[top : top + step])
    if options.filter == "median":
        drawn = np.asarray(Image.fromarray(drawn).filter(ImageFilter.MedianFilter(3)))
    return drawn


def shrunk(rows: Rows, factor: int, tone: Tone) -> Array:
    """Return block means, float (height, width); NaN only where a whole block has no value.

    What is averaged is the picture: each pixel is drawn, the greys of a block's pixels that have a
    value are averaged, and the mean is said in the frame's units again. So a thumbnail looks like
    the whole picture from afar, and one hot pixel does not paint a block white.
    """
    width = -(-rows.width // factor)
    out: Array = np.empty((-(-rows.height // factor), width), np.float64)
    starts = np.arange(0, rows.width, factor)
    for top, values in bands(rows, factor):
        edges = np.arange(0, len(values), factor)
        drawn: Any = tone.draw(values)
        missing = np.isnan(values)
        sums = _blocks(drawn, edges, starts)
        if missing.any():
            drawn = ~missing
            counts = _blocks(drawn, edges, starts)
            sums -= _blocks(np.where(missing, tone.draw(values), 0), edges, starts)
        else:
            counts = np.outer(np.diff([*edges, len(values)]), np.diff([*starts, rows.width]))
        with np.errstate(invalid="ignore", divide="ignore"):
            out[top // factor : top // factor + len(edges)] = sums / counts
    return tone.values(out)


def _blocks(values: Any, edges: Array, starts: Array) -> Array:
    """Sum blocks that begin at these rows and columns."""
    rows = np.add.reduceat(values, edges, axis=0, dtype=np.uint32)
    return np.add.reduceat(rows, starts, axis=1).astype(np.float64)
