"""Verifies tiles with other code than wrote them: their description, their number, Pillow."""

from __future__ import annotations

import json
import re
from math import ceil, log2
from typing import TYPE_CHECKING, Any

from shard.imaging.pyramid_check import SAMPLE, check_picture, only_refusals, refused, require

if TYPE_CHECKING:
    from pathlib import Path

    from shard.imaging.pyramid import Made
    from shard.planning.pyramids import PyramidOptions, Size


def verify_tiles(base: Path, made: Made, options: PyramidOptions) -> None:
    """Raise ``ImageError`` ``not_verified`` unless all tiles are there and show the picture.

    ``base`` is what libvips was told to write. The description says the right size; no tile of any
    level is missing; the level that is one tile shows ``made.reference``, and a sample of the
    largest level's tiles decodes.
    """
    check = {"dzi": _deep_zoom, "iiif3": _iiif, "zoomify": _zoomify}[options.format]
    with only_refusals(base.name):
        smallest, scale, largest = check(base, made.size, options.tile_size)
        for path in [smallest, *largest]:
            require(path.is_file() and path.stat().st_size > 0, f"{path.name} is missing")
        check_picture(_pixels(smallest), made, scale)
        count = len(largest)
        for index in {round(step * (count - 1) / (SAMPLE - 1)) for step in range(SAMPLE)}:
            _pixels(largest[index])


def _pixels(path: Path) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels if pixels.ndim > 2 else pixels[:, :, None]  # noqa: PLR2004 - grey has no third axis


def _deep_zoom(base: Path, size: Size, tile: int) -> tuple[Path, int, list[Path]]:
    """Return the one tile that shows all, its scale, and the largest level's; none is missing."""
    text = base.with_name(base.name + ".dzi").read_text()
    _require_size(size, (_number(text, r'Width="(\d+)"'), _number(text, r'Height="(\d+)"')))
    folder = base.with_name(base.name + "_files")
    top = ceil(log2(max(size))) if max(size) > 1 else 0
    smallest = largest = None
    scale = 1
    for level in range(top, -1, -1):
        width, height = (ceil(side / 2 ** (top - level)) for side in size)
        names = [
            f"{x}_{y}.jpg" for y in range(ceil(height / tile)) for x in range(ceil(width / tile))
        ]
        paths = [folder / str(level) / name for name in names]
        _require_all(paths)
        largest = largest or paths
        if smallest is None and len(paths) == 1:
            smallest, scale = paths[0], 2 ** (top - level)
    if smallest is None or largest is None:
        raise refused("it has no level that is one tile")
    return smallest, scale, largest


def _zoomify(base: Path, size: Size, tile: int) -> tuple[Path, int, list[Path]]:
    """Return the first tier's tile, its scale, and the last tier's; as many as it is said."""
    text = (base / "ImageProperties.xml").read_text()
    _require_size(size, (_number(text, r'WIDTH="(\d+)"'), _number(text, r'HEIGHT="(\d+)"')))
    tiles = {path.stem: path for path in base.glob("TileGroup*/*.jpg")}
    wanted = _number(text, r'NUMTILES="(\d+)"')
    require(len(tiles) == wanted, f"it has {len(tiles)} tiles, not {wanted}")
    tier = max(int(name.partition("-")[0]) for name in tiles)
    columns, rows = ceil(size[0] / tile), ceil(size[1] / tile)
    names = [f"{tier}-{x}-{y}" for y in range(rows) for x in range(columns)]
    missing = [name for name in names if name not in tiles]
    require(not missing, f"{len(missing)} tiles of the largest level are missing")
    return tiles["0-0-0"], 2**tier, [tiles[name] for name in names]


def _iiif(base: Path, size: Size, tile: int) -> tuple[Path, int, list[Path]]:
    """Return the whole at its smallest, its scale, and the tiles at full size; none is missing."""
    info = json.loads((base / "info.json").read_text())
    _require_size(size, (info["width"], info["height"]))
    factors = info["tiles"][0]["scaleFactors"]
    largest: list[Path] = []
    for factor in factors:
        step = tile * factor
        for top in range(0, size[1], step):
            for left in range(0, size[0], step):
                width, height = min(step, size[0] - left), min(step, size[1] - top)
                found = sorted(base.glob(f"{left},{top},{width},{height}/*/0/default.jpg"))
                whole = (width, height) == size
                require(bool(found) or whole, f"the tile {left},{top},{width},{height} is missing")
                largest += found[:1] if factor == 1 else []
    require(bool(info["sizes"]), "it names no size of the whole image")
    names = [f"{one['width']},{one['height']}" for one in info["sizes"]]
    wholes = [base / "full" / name / "0" / "default.jpg" for name in [*names, "max"]]
    _require_all(wholes)
    return wholes[0], factors[-1], largest or wholes[-1:]


def _require_size(wanted: Size, found: Size) -> None:
    require(found == wanted, f"it says {found[0]}x{found[1]} pixels, not {wanted[0]}x{wanted[1]}")


def _require_all(paths: list[Path]) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        first = "/".join(missing[0].parts[-4:])
        raise refused(f"{len(missing)} tiles are missing, the first is {first}")


def _number(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise refused("its description is not complete")
    return int(found[1])
