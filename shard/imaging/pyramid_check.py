"""Verifies a pyramid with other code than wrote it: tifffile and imagecodecs, or Pillow for tiles.

A function of its own beside the writer: nothing is uploaded that it has not accepted.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
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
"""A cell of the grid has so many pixels of the smallest level, each way."""


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
        check_picture(_whole(levels[-1]), made)
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


def check_picture(smallest: Any, made: Made) -> None:
    """Compare the smallest level with what went into the pyramid, cell by cell.

    ``smallest`` is an array of rows, columns, channels. Cells are joined until each has pixels
    enough: halving drops odd rows and columns, so a level's edge lies up to a pixel off.
    """
    import numpy as np

    (across, down), data = made.reference
    wanted = np.frombuffer(data, np.uint8).reshape(down, across, made.bands).astype(float)
    height, width = smallest.shape[:2]
    wanted = _joined(_joined(wanted, 0, height), 1, width)
    rows, columns = _bounds(height, wanted.shape[0]), _bounds(width, wanted.shape[1])
    found = [
        [_mean(smallest[top:bottom, left:right]) for left, right in columns] for top, bottom in rows
    ]
    differences = np.abs(np.array(found) - wanted)
    mean, most = float(differences.mean()), float(differences.max())
    if mean > _MEAN or most > _MOST:
        said = f"{mean:.0f} of 255 on average, {most:.0f} at most"
        raise refused(f"its smallest level differs from the source by {said}")


def _joined(cells: Any, axis: int, length: int) -> Any:
    """Return the means of so many neighbours that each cell has ``_PIXELS`` of ``length``."""
    count = cells.shape[axis]
    wanted = next((n for n in (16, 8, 4, 2) if count % n == 0 and length >= n * _PIXELS), 1)
    shape = list(cells.shape)
    shape[axis : axis + 1] = [wanted, count // wanted]
    return cells.reshape(shape).mean(axis=axis + 1)


def _bounds(length: int, cells: int) -> list[tuple[int, int]]:
    """Return the (first, end) of each cell."""
    return list(pairwise(round(cell * length / cells) for cell in range(cells + 1)))


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
