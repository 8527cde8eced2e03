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
_CLASSIC = 1 << 32


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
        smallest = _whole(levels[-1])
        check_picture(smallest, made)
        _check_sample(levels[0], smallest)


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

    ``smallest`` is an array of rows, columns, channels.
    """
    import numpy as np

    (across, down), data = made.reference
    wanted = np.frombuffer(data, np.uint8).reshape(down, across, made.bands)
    height, width = smallest.shape[:2]
    rows, columns = _bounds(height, down), _bounds(width, across)
    found = np.array(
        [
            [
                _eight_bits(smallest[top:bottom, left:right]).mean(axis=(0, 1))
                for left, right in columns
            ]
            for top, bottom in rows
        ]
    )
    differences = np.abs(found - wanted)
    mean, most = float(differences.mean()), float(differences.max())
    if mean > _MEAN or most > _MOST:
        raise refused(
            f"its smallest level differs from the source by {mean:.0f} of 255 on average, "
            f"{most:.0f} at most"
        )


def _bounds(length: int, cells: int) -> list[tuple[int, int]]:
    """Return the (first, end) of each cell; where there are fewer pixels than cells, of one."""
    edges = [round(cell * length / cells) for cell in range(cells + 1)]
    return [
        (min(first, length - 1), max(end, min(first, length - 1) + 1))
        for first, end in pairwise(edges)
    ]


def _check_sample(page: Any, smallest: Any) -> None:
    """Decode tiles of the largest level; each must show what the smallest level shows there."""
    count = len(page.dataoffsets)
    sample = sorted({round(step * (count - 1) / (SAMPLE - 1)) for step in range(SAMPLE)})
    height, width = smallest.shape[:2]
    for index in sample:
        pixels, (top, left) = _tile(page, index)
        rows = (top * height / page.imagelength, (top + pixels.shape[0]) * height)
        first, last = int(rows[0]), max(int(rows[0]) + 1, round(rows[1] / page.imagelength))
        at, end = left * width / page.imagewidth, (left + pixels.shape[1]) * width
        begin, stop = int(at), max(int(at) + 1, round(end / page.imagewidth))
        there = _eight_bits(smallest[first:last, begin:stop]).mean(axis=(0, 1))
        difference = float(abs(_eight_bits(pixels).mean(axis=(0, 1)) - there).max())
        if difference > _TILE_MEAN:
            said = f"tile {index} of the largest level differs by {difference:.0f} of 255"
            raise refused(f"{said} from the smallest level")


def require(holds: bool, what: str) -> None:
    """Refuse the pyramid unless this holds."""
    if not holds:
        raise refused(what)


def refused(what: str) -> ImageError:
    """Return the refusal."""
    return ImageError(REASON, f"the pyramid was made, but {what}")


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
