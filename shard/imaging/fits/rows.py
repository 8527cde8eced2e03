"""Rows of a frame, read as they are wanted: of one HDU's plane, or of a detector's sections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shard.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Array = np.ndarray[Any, np.dtype[Any]]

BAND = 1 << 21
"""Bytes of pixels (as doubles) that are read at once; more where a compressed tile is taller."""
HELD = 80 << 20
"""Bytes that a decompressed frame may take to be held: 20 megapixels in single precision."""
_SECTION = re.compile(r"\s*\[\s*(-?\d{1,7}):(-?\d{1,7})\s*,\s*(-?\d{1,7}):(-?\d{1,7})\s*\]\s*")
_SMALL = 2
_BITS = (8, 16, 32, 64, -32, -64)
_MIDDLE = 1 << 63
"""BZERO of 64-bit integers without a sign (FITS standard 4.0, table 11)."""


class Rows(Protocol):
    """A frame's pixels, by rows; row 0 is the first in the file, usually shown at the bottom.

    ``tile`` is the number of rows that are decompressed together, 1 if each can be had alone;
    ``compressed``: reading a row twice decompresses it twice. ``depth``: bytes of a value.
    """

    width: int
    height: int
    tile: int
    depth: int
    compressed: bool

    def read(self, top: int, bottom: int) -> Array:
        """Return rows ``top`` to ``bottom`` as floats, NaN where there is no finite value."""

    def limit(self, size: int) -> None:
        """Say where the file ends: rows beyond have no values."""


class HduRows:
    """One plane of one image HDU. ``depth``: bytes of a pixel once it is a float."""

    def __init__(self, hdu: Any, plane: int) -> None:
        bits = hdu.header["BITPIX"]
        if bits not in _BITS:
            accepted = ", ".join(map(str, _BITS))
            raise ImageError("corrupt", f"BITPIX is {bits}; FITS has {accepted}")
        self._hdu = hdu
        self.height, self.width = (int(length) for length in hdu.shape[-2:])
        self._before = tuple(int(at) for at in np.unravel_index(plane, hdu.shape[:-2] or (1,)))
        self._before = self._before if hdu.shape[:-2] else ()
        self._plane, self._end = plane, self.height
        self._blank = _exact(hdu)
        shape = getattr(hdu, "tile_shape", None)
        self.compressed = shape is not None
        self.tile = min(self.height, int(shape[-2])) if shape is not None else 1
        self.depth = 4 if abs(int(hdu.header["BITPIX"])) in (8, 16) or _is_float(hdu) else 8

    def limit(self, size: int) -> None:
        """Say where the file ends; of a compressed image each tile shows it by itself."""
        if self.compressed:
            return
        row = self.width * abs(int(self._hdu.header["BITPIX"])) // 8
        start = int(self._hdu.fileinfo()["datLoc"]) + self._plane * self.height * row
        self._end = max(0, min(self.height, (size - start) // row))

    def read(self, top: int, bottom: int) -> Array:
        """Return rows ``top`` to ``bottom`` as floats, NaN where there is no finite value."""
        there = max(top, min(bottom, self._end))
        if there == top:
            return np.full((bottom - top, self.width), np.nan, np.float32)
        met = self._hdu.section[(*self._before, slice(top, there), slice(None))]
        values = _finite(met)
        if self._blank is not None:
            values[met == self._blank] = np.nan
        if there < bottom:
            missing = np.full((bottom - there, self.width), np.nan, values.dtype)
            values = np.concatenate([values, missing])
        return values


class _Zero(int):
    """A BLANK of 0, true: astropy skips one that is not."""

    def __bool__(self) -> bool:
        return True


def _exact(hdu: Any) -> np.uint64 | None:
    """Have astropy keep what it would lose: a BLANK of 0, and 64 bits without a sign.

    Those would be rounded by 1,024 as doubles before 2^63 is added. They come as integers, which
    have no NaN: returned is the one that BLANK stands for, if it is told.
    """
    blank = hdu.header.get("BLANK")
    is_told = isinstance(blank, int) and int(hdu.header["BITPIX"]) > 0
    if is_told and blank == 0:
        hdu._blank = _Zero()  # noqa: SLF001 - there is no other door
    scale = hdu.header.get("BSCALE", 1), hdu.header.get("BZERO", 0)
    if int(hdu.header["BITPIX"]) != 64 or scale != (1, _MIDDLE):  # noqa: PLR2004 - bits
        return None
    hdu._uint = True  # noqa: SLF001 - all other kinds are better off as floats
    return np.uint64((blank + _MIDDLE) % (2 * _MIDDLE)) if is_told else None


def _is_float(hdu: Any) -> bool:
    return int(hdu.header["BITPIX"]) == -32  # noqa: PLR2004 - FITS: IEEE single precision


def _finite(values: Any) -> Array:
    """Return floats of the least precision that holds the values; infinities become NaN.

    BLANK is NaN already, BSCALE and BZERO are applied (astropy).
    """
    dtype = values.dtype
    single = dtype.itemsize <= _SMALL or (dtype.kind == "f" and dtype.itemsize == 4)  # noqa: PLR2004 - bytes of a single
    floats = np.array(values, np.float32 if single else np.float64)
    if dtype.kind == "f":
        floats[~np.isfinite(floats)] = np.nan
    return floats


@dataclass(frozen=True, slots=True)
class Section:
    """A box of pixels, from 0, the ends not included; ``flips`` (x, y): told backwards."""

    left: int
    right: int
    bottom: int
    top: int
    flips: tuple[bool, bool]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.top - self.bottom


def section(text: object) -> Section | None:
    """Read ``[x1:x2,y1:y2]``, from 1, both ends included (NOAO's convention); else ``None``."""
    match = _SECTION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    x1, x2, y1, y2 = (int(number) for number in match.groups())
    return Section(min(x1, x2) - 1, max(x1, x2), min(y1, y2) - 1, max(y1, y2), (x1 > x2, y1 > y2))


@dataclass(frozen=True, slots=True)
class Tile:
    """One HDU's share of a detector: ``data`` is its part that counts, in its own pixels.

    ``at`` and ``size`` are its place on the detector, unbinned; ``binning`` detector pixels make
    one of its own.
    """

    rows: HduRows
    data: Section
    at: tuple[int, int]
    binning: tuple[int, int]
    flips: tuple[bool, bool]


def tile(rows: HduRows, on_detector: Section, data: Section | None) -> Tile:
    """Return an HDU's place by its DETSEC and DATASEC (its whole, where that is not told)."""
    whole = Section(0, rows.width, 0, rows.height, (False, False))
    found = data or whole
    data = Section(
        max(0, found.left),
        min(rows.width, found.right),
        max(0, found.bottom),
        min(rows.height, found.top),
        found.flips,
    )
    if min(data.size) < 1:
        data = whole
    binning = tuple(
        max(1, round(wide / has)) for wide, has in zip(on_detector.size, data.size, strict=True)
    )
    flips = tuple(a != b for a, b in zip(on_detector.flips, data.flips, strict=True))
    return Tile(
        rows,
        data,
        (on_detector.left, on_detector.bottom),
        (binning[0], binning[1]),
        (flips[0], flips[1]),
    )


class MosaicRows:
    """Tiles on one canvas, NaN between them; the first tile's binning holds for all."""

    def __init__(self, tiles: Sequence[Tile]) -> None:
        self._binning = tiles[0].binning
        origin = tuple(min(one.at[axis] for one in tiles) for axis in (0, 1))
        self._placed = [
            (one, tuple((one.at[a] - origin[a]) // self._binning[a] for a in (0, 1)))
            for one in tiles
        ]
        self.width = max(at[0] + one.data.size[0] for one, at in self._placed)
        self.height = max(at[1] + one.data.size[1] for one, at in self._placed)
        self.tile = max(one.rows.tile for one in tiles)
        self.depth = max(one.rows.depth for one in tiles)
        self.compressed = any(one.rows.compressed for one in tiles)

    def limit(self, size: int) -> None:
        """Say where the file ends, to each tile."""
        for one, _ in self._placed:
            one.rows.limit(size)

    def read(self, top: int, bottom: int) -> Array:
        """Return rows of the canvas; a later tile covers an earlier one where both have pixels."""
        dtype = np.float32 if self.depth == 4 else np.float64  # noqa: PLR2004 - bytes of a single
        canvas = np.full((bottom - top, self.width), np.nan, dtype)
        for one, (left, low) in self._placed:
            wide, high = one.data.size
            first, last = max(top, low), min(bottom, low + high)
            if first >= last:
                continue
            begin, end = first - low, last - low
            if one.flips[1]:
                begin, end = high - end, high - begin
            values = one.rows.read(one.data.bottom + begin, one.data.bottom + end)
            values = values[:, one.data.left : one.data.right]
            values = values[:: -1 if one.flips[1] else 1, :: -1 if one.flips[0] else 1]
            canvas[first - top : last - top, left : left + wide] = values
        return canvas

    def on_canvas(self, header: Any) -> Any:
        """Return the first tile's header with its WCS moved, and turned where the tile is."""
        one, at = self._placed[0]
        starts = (one.data.left, one.data.bottom)
        for axis in (0, 1):
            name = f"CRPIX{axis + 1}"
            if name not in header:
                continue
            pixel = float(header[name]) - starts[axis]
            if one.flips[axis]:
                pixel = one.data.size[axis] + 1 - pixel
                _mirror(header, axis + 1)
            header[name] = pixel + at[axis]
        return header


def _mirror(header: Any, axis: int) -> None:
    """Turn one pixel axis of a WCS round."""
    matrix = [f"{kind}{row}_{axis}" for kind in ("CD", "PC") for row in (1, 2)]
    told = [name for name in matrix if name in header]
    for name in told or [f"CDELT{axis}"]:
        if name in header:
            header[name] = -float(header[name])
    if not told and float(header.get("CROTA2", 0.0)):
        header["CROTA2"] = -float(header["CROTA2"])


class HeldRows:
    """A compressed frame's rows, all decompressed once and held."""

    tile, compressed = 1, False

    def __init__(self, rows: Rows) -> None:
        self.width, self.height, self.depth = rows.width, rows.height, rows.depth
        dtype = np.float32 if rows.depth == 4 else np.float64  # noqa: PLR2004 - bytes of a single
        self._values: Array = np.empty((rows.height, rows.width), dtype)
        for top, values in bands(rows):
            self._values[top : top + len(values)] = values

    def limit(self, size: int) -> None:
        """Do nothing: what is held was read from the file as it is."""

    def read(self, top: int, bottom: int) -> Array:
        """Return rows ``top`` to ``bottom``; not to be written to."""
        return self._values[top:bottom]


def held_bytes(width: int, height: int, depth: int, *, compressed: bool) -> int:
    """Return the bytes that holding a frame takes, 0 where it is read as often as needed."""
    size = width * height * depth
    return size if compressed and size <= HELD else 0


def once(rows: Rows) -> Rows:
    """Return rows that can be read twice at no cost, as long as that holds at most ``HELD``."""
    held = held_bytes(rows.width, rows.height, rows.depth, compressed=rows.compressed)
    return HeldRows(rows) if held else rows


def band_rows(width: int, height: int, tile: int, factor: int = 1) -> int:
    """Return how many rows are read at once: a multiple of ``factor``.

    Where tiles are compressed it is a multiple of their height, so that none is read twice, unless
    that would be many bands' worth of bytes.
    """
    target = max(1, BAND // (8 * width))
    unit = int(np.lcm(factor, tile))
    if unit > max(4 * target, 2 * tile):
        unit = factor * -(-tile // factor)
    return min(unit * max(1, target // unit), factor * -(-height // factor))


def bands(rows: Rows, factor: int = 1) -> Iterator[tuple[int, Array]]:
    """Yield the first row and the values of bands that begin at multiples of ``factor``."""
    step = band_rows(rows.width, rows.height, rows.tile, factor)
    for top in range(0, rows.height, step):
        yield top, rows.read(top, min(rows.height, top + step))
