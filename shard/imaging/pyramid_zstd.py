"""Zstandard pyramids, which the libvips wheel cannot write: its plain one, encoded anew."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from shard.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shard.planning.pyramids import PyramidOptions

_ICC = 34675


def recompress(plain: Path, target: Path, options: PyramidOptions) -> None:
    """Write the uncompressed pyramid ``plain`` (levels are pages) to ``target``, tile by tile.

    Raises ``MissingExtra`` where tifffile or imagecodecs is not installed.
    """
    try:
        import imagecodecs  # noqa: F401 - tifffile encodes with it
        import tifffile
    except ImportError:
        raise MissingExtra("--compression zstd", "pyramids") from None
    with (
        tifffile.TiffFile(plain) as file,
        tifffile.TiffWriter(target, bigtiff=file.is_bigtiff) as writer,
    ):
        pages = list(file.pages)
        below = options.levels == "subifds"
        for number, page in enumerate(pages):
            writer.write(
                _tiles(page),
                shape=page.shape,
                dtype=page.dtype,
                subfiletype=1 if number else 0,
                subifds=len(pages) - 1 if below and number == 0 else 0,
                **_facts(page, options),
            )
    if below:
        _unchain(tifffile, target)


def _unchain(tifffile: Any, path: Path) -> None:
    """Let no sub-IFD name the next: tifffile chains them, and the first page lists each already."""
    with tifffile.TiffFile(path, mode="r+") as file:
        form, handle = file.tiff, file.filehandle
        for offset in file.pages[0].subifds or ():
            handle.seek(offset)
            (count,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
            handle.seek(offset + form.tagnosize + count * form.tagsize)
            handle.write(struct.pack(form.offsetformat, 0))


def _facts(page: Any, options: PyramidOptions) -> dict[str, Any]:
    icc = page.tags.get(_ICC)
    return {
        "tile": (page.tilelength, page.tilewidth),
        "compression": "zstd",
        "predictor": True,
        "photometric": page.photometric,
        "extrasamples": page.extrasamples or None,
        "planarconfig": page.planarconfig if page.samplesperpixel > 1 else None,
        "resolution": (options.dpi, options.dpi),
        "resolutionunit": "INCH",
        "iccprofile": None if icc is None else icc.value,
        "metadata": None,
        "software": False,
    }


def _tiles(page: Any) -> Iterator[Any]:
    """Yield each tile's pixels, whole, in order."""
    handle = page.parent.filehandle
    places = zip(page.dataoffsets, page.databytecounts, strict=True)
    for index, (offset, length) in enumerate(places):
        handle.seek(offset)
        decoded, _, _ = page.decode(handle.read(length), index)
        yield decoded[0]
