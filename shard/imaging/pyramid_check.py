"""Verifies a pyramid with other code than wrote it: tifffile and imagecodecs, or Pillow for tiles.

A function of its own beside the writer: nothing is uploaded that it has not accepted.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError, MissingExtra
from shard.planning.pyramids import level_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shard.imaging.pyramid import Made
    from shard.planning.pyramids import PyramidOptions, Size

REASON = "not_verified"
"""The ledger's word for a pyramid that was made and not accepted."""
SAMPLE = 9
"""Tiles of the largest level that are decoded, evenly spread, the first and the last included."""
_MEAN, _MOST = 8.0, 56.0
"""Differences of 255 allowed on average over the grid's cells, and in one cell."""
_TILE_MEAN = 24.0
"""Difference of 255 allowed between a tile's mean colour and the same part of the level below."""
_PIXELS = 8
"""A part that is compared has so many pixels of the smallest level, each way, where it can."""


def verify(path: Path, made: Made, options: PyramidOptions) -> None:
    """Verify what ``write_pyramid`` wrote to ``path``, of whichever format."""
    if options.format == "tif":
        verify_tiff(path, made, options)
    else:
        from shard.imaging.tiles_check import verify_tiles

        verify_tiles(path, made, options)


def verify_tiff(path: Path, made: Made, options: PyramidOptions) -> None:
    """Raise ``ImageError`` ``not_verified`` unless the file is the pyramid that it should be.

    Tiled in ``tile_size``; as many levels as ``planning.pyramids.level_sizes`` says, each half of
    the former; every tile of the smallest level and a sample of the largest decode; both show the
    picture of ``made.reference``. Raises ``MissingExtra`` where tifffile or imagecodecs is not
    installed.
    """
    tifffile = _tifffile()
    with only_refusals(path.name), tifffile.TiffFile(path) as file:
        levels = _levels(file)
        require(len(levels) > 0, "it has no image")
        _check_sizes(levels, made, options)
        check_picture(_whole(levels[-1]), made, 2 ** (len(levels) - 1))
        _check_sample(levels)


def _tifffile() -> Any:
    try:
        import imagecodecs  # noqa: F401 - tifffile decodes with it, if it is there
        import tifffile
    except ImportError:
        raise MissingExtra("shard pyramid run", "pyramids") from None
    return tifffile


@contextmanager
def only_refusals(name: str) -> Iterator[None]:
    """Make what the reading library throws a refusal of the file."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(REASON, f"the pyramid does not read back ({name}): {said}") from error


def _levels(file: Any) -> Sequence[Any]:
    """Return the pages that are levels: of one page its sub-IFDs, else all pages."""
    first = file.pages[0]
    below = list(first.pages) if first.pages is not None and first.subifds else []
    return [first, *below] if below else list(file.pages)


def _check_sizes(levels: Sequence[Any], made: Made, options: PyramidOptions) -> None:
    wanted = level_sizes(made.size, options.tile_size)
    found = [(page.imagewidth, page.imagelength) for page in levels]
    if found[0] != wanted[0]:
        raise refused(f"it is {_text(found[0])} pixels, not {_text(wanted[0])}")
    require(len(found) == len(wanted), f"it has {len(found)} levels, not {len(wanted)}")
    tile = options.tile_size
    for number, (page, is_size, size) in enumerate(zip(levels, found, wanted, strict=True)):
        if is_size != size:
            raise refused(f"level {number} is {_text(is_size)}, not half the former: {size}")
        tiled = page.is_tiled and (page.tilewidth, page.tilelength) == (tile, tile)
        require(tiled, f"level {number} is not tiled in {tile}x{tile}")
        channels = page.samplesperpixel
        require(channels == made.bands, f"level {number} has {channels} channels")


def _tile(page: Any, index: int) -> Any:
    """Return one decoded tile, (rows, columns, channels), cut to what lies in the image."""
    offset, length = page.dataoffsets[index], page.databytecounts[index]
    require(offset > 0 and length > 0, f"tile {index} of {page.shape} is missing")
    handle = page.parent.filehandle
    handle.seek(offset)
    data = handle.read(length)
    require(len(data) == length, f"tile {index} of {page.shape} is cut short")
    decoded, place, _ = page.decode(data, index, jpegtables=page.jpegtables)
    require(decoded is not None, f"tile {index} of {page.shape} is empty")
    top, left = place[-3], place[-2]
    return decoded[0, : page.imagelength - top, : page.imagewidth - left], (top, left)


def _whole(page: Any) -> Any:
    """Return all of a level, each of its tiles decoded."""
    import numpy as np

    whole = np.zeros((page.imagelength, page.imagewidth, page.samplesperpixel), page.dtype)
    for index in range(len(page.dataoffsets)):
        pixels, (top, left) = _tile(page, index)
        whole[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return whole


def _eight_bits(pixels: Any) -> Any:
    scale = 257.0 if pixels.dtype.itemsize > 1 else 1.0
    return pixels / scale


def check_picture(smallest: Any, made: Made, scale: int) -> None:
    """Compare the smallest level with what went into the pyramid, part by part.

    ``smallest`` is an array of rows, columns, channels, ``scale`` how many pixels of the largest
    level, each way, became one of it. Of a level that is but a few pixels wide only the whole is
    compared: half of what the last of them stands for may be made up.
    """
    import numpy as np

    (across, down), data = made.reference
    cells = np.frombuffer(data, np.uint8).reshape(down, across, made.bands).astype(float)
    columns = _parts(smallest.shape[1], made.size[0], across, scale)
    found = []
    for row in _parts(smallest.shape[0], made.size[1], down, scale):
        strip = row.mean(smallest) * (255.0 / np.iinfo(smallest.dtype).max)
        wanted = cells[row.cells].mean(axis=0)
        found += [abs(one.mean(strip) - wanted[one.cells].mean(axis=0)) for one in columns]
    differences = np.array(found)
    mean, most = float(differences.mean()), float(differences.max())
    allowed = (_MEAN, _MOST) if min(smallest.shape[:2]) >= _PIXELS else (_MOST, 255.0)
    if mean > allowed[0] or most > allowed[1]:
        said = f"{mean:.0f} of 255 on average, {most:.0f} at most"
        raise refused(f"its smallest level differs from the source by {said}")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the picture along one axis: in the reference's grid, and in the smallest level.

    ``weights`` tell how much of each pixel of ``pixels`` lies in it.
    """

    cells: slice
    pixels: slice
    weights: Any

    def mean(self, pixels: Any) -> Any:
        """Return the part's mean along the first axis."""
        import numpy as np

        return np.tensordot(self.weights, pixels[self.pixels], 1)


def _parts(length: int, largest: int, cells: int, scale: int) -> list[_Part]:
    """Divide an axis, ``length`` pixels of the smallest level, into parts to be compared.

    A pixel of it stands for ``scale`` pixels of ``largest``, from the first on; halving drops what
    is left over at the end, or fills it up. So only cells that are covered are compared, joined
    until each part has ``_PIXELS``.
    """
    import numpy as np

    covered = max(1, int(cells * min(1.0, length * scale / largest)))
    cell = largest / cells
    fitting = (n for n in (16, 8, 4, 2) if n <= covered and covered * cell >= n * _PIXELS * scale)
    count = next(fitting, 1)
    parts = []
    for first, end in pairwise(round(part * covered / count) for part in range(count + 1)):
        begins, ends = first * cell, min(end * cell, length * scale)
        pixels = slice(int(begins / scale), ceil(ends / scale))
        edges = np.arange(pixels.start, pixels.stop + 1) * float(scale)
        weights = np.diff(np.clip(edges, begins, ends))
        parts.append(_Part(slice(first, end), pixels, weights / weights.sum()))
    return parts


def _mean(pixels: Any) -> Any:
    """Return the mean colour, 8 bits."""
    return pixels.mean(axis=(0, 1)) / (257.0 if pixels.dtype.itemsize > 1 else 1.0)


def _check_sample(levels: Sequence[Any]) -> None:
    """Decode tiles of the largest level; each must show what the level below it shows there."""
    largest = levels[0]
    count = len(largest.dataoffsets)
    tile, columns = largest.tilewidth, -(-largest.imagewidth // largest.tilewidth)
    for index in sorted({round(step * (count - 1) / (SAMPLE - 1)) for step in range(SAMPLE)}):
        pixels, (top, left) = _tile(largest, index)
        if len(levels) == 1:
            continue
        row, column = divmod(index, columns)
        # Four tiles become one; an odd last row or column goes, perhaps a whole narrow tile.
        across = -(-levels[1].imagewidth // tile)
        if left // 2 >= levels[1].imagewidth or top // 2 >= levels[1].imagelength:
            continue
        below, (top_below, left_below) = _tile(levels[1], row // 2 * across + column // 2)
        part = below[top // 2 - top_below :, left // 2 - left_below :]
        part = part[: min(tile, pixels.shape[0]) // 2, : min(tile, pixels.shape[1]) // 2]
        if not part.size:
            continue
        same = pixels[: 2 * part.shape[0], : 2 * part.shape[1]]
        difference = float(abs(_mean(same) - _mean(part)).max())
        if difference > _TILE_MEAN:
            said = f"tile {index} of the largest level differs by {difference:.0f} of 255"
            raise refused(f"{said} from the level below it")


def require(holds: bool, what: str) -> None:
    """Refuse the pyramid unless this holds."""
    if not holds:
        raise refused(what)


def refused(what: str) -> ImageError:
    """Return the refusal."""
    return ImageError(REASON, f"the pyramid was made, but {what}")


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
