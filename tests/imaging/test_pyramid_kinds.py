"""Pyramids of rarer kinds: large, deep, tiny, with alpha, with sub-IFDs, as static IIIF."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from shard.errors import ImageError
from shard.imaging import open_image, pyramid, pyramid_iiif
from shard.imaging.pyramid import is_big, peak_memory, scratch_bytes, write_pyramid
from shard.imaging.pyramid_check import verify
from shard.imaging.pyramid_source import open_source
from shard.model import Limits
from shard.planning.pyramids import PyramidOptions

if TYPE_CHECKING:
    from shard.imaging.pyramid import Made

SMALL = PyramidOptions(tile_size=64)
IIIF = replace(SMALL, format="iiif3", base_url="https://e.org/i")


def _colours(width: int, height: int, channels: int = 3, dtype: Any = np.uint8) -> Any:
    """Return smooth colours that differ from corner to corner."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    bands = [x, y, (x + y) / 2, 0.25 + y / 2][:channels]
    return (np.stack(bands, axis=-1) * np.iinfo(dtype).max).astype(dtype)


def _make(source: Path, options: PyramidOptions) -> Made:
    """Write ``source`` as a pyramid beside it, verify it, return what was made."""
    opened = open_source(source, options, Limits())
    target = source.parent / ("made.tif" if options.format == "tif" else "made")
    made = write_pyramid(opened, target, options.max_size)
    verify(target, made, options)
    return made


def test_when_a_tiff_is_big() -> None:
    """Where the uncompressed pyramid, 4/3 of its first level, could pass 32 bits."""
    assert not is_big((30_000, 32_000), 3)
    assert is_big((30_000, 33_000), 3)
    assert is_big((20_000, 25_000), 6)


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
@pytest.mark.parametrize("levels", ["pages", "subifds"])
def test_a_big_tiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str, levels: str
) -> None:
    """Above the limit, lowered here, the file is a BigTIFF that is verified and reads back."""
    monkeypatch.setattr(pyramid, "CLASSIC", 100_000)
    Image.fromarray(_colours(300, 200)).save(tmp_path / "large.png")
    Image.fromarray(_colours(100, 200)).save(tmp_path / "small.png")
    options = replace(SMALL, compression=compression, levels=levels)
    _make(tmp_path / "small.png", options)
    classic = (tmp_path / "made.tif").read_bytes()[:4]
    _make(tmp_path / "large.png", options)
    with tifffile.TiffFile(tmp_path / "made.tif") as file:
        pixels, shapes = file.asarray(), [level.shape for level in file.series[0].levels]

    assert struct.unpack("<2sH", classic) == (b"II", 42)
    assert struct.unpack("<2sH", (tmp_path / "made.tif").read_bytes()[:4]) == (b"II", 43)
    assert np.array_equal(pixels, _colours(300, 200))
    assert shapes == [(200, 300, 3), (100, 150, 3), (50, 75, 3), (25, 37, 3)]


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
def test_no_level_is_named_twice(tmp_path: Path, compression: str) -> None:
    """Each sub-IFD ends its own chain: a reader that follows chains meets every level once."""
    Image.fromarray(_colours(300, 200)).save(tmp_path / "a.png")
    _make(tmp_path / "a.png", replace(SMALL, compression=compression, levels="subifds"))
    data = (tmp_path / "made.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "made.tif") as file:
        offsets = file.pages.first.subifds or ()
    nexts: list[int] = []
    for offset in offsets:
        (count,) = struct.unpack_from("<H", data, offset)
        nexts += struct.unpack_from("<I", data, offset + 2 + 12 * count)

    assert nexts == [0, 0, 0]


def test_sixteen_bits_with_alpha(tmp_path: Path) -> None:
    """Keep keeps 16 bits beside an alpha channel too, but for what the averaging rounds."""
    deep = _colours(300, 200, 4, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", extrasamples=["unassalpha"])
    _make(tmp_path / "a.tif", replace(SMALL, colour="keep"))
    kept = tifffile.imread(tmp_path / "made.tif")

    assert kept.dtype == np.uint16
    assert np.abs(kept.astype(int) - deep).max() <= 2


def test_sixteen_bits_take_twice_the_room(tmp_path: Path) -> None:
    """The predictions of memory and of disk know where a channel keeps two bytes."""
    tifffile.imwrite(tmp_path / "a.tif", _colours(300, 200, 3, np.uint16), photometric="rgb")
    eight, kept = (
        open_source(tmp_path / "a.tif", replace(SMALL, colour=colour), Limits())
        for colour in ("srgb", "keep")
    )

    assert scratch_bytes(eight, (150, 150)) == 3 * 4 * 150 * 100
    assert scratch_bytes(kept, (150, 150)) == 2 * scratch_bytes(eight, (150, 150))
    assert peak_memory(kept, (150, 150)) > peak_memory(eight, (150, 150))


@pytest.mark.parametrize("compression", ["jpeg", "webp", "deflate"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (500, 1), (9, 400)])
def test_tiny_and_narrow_images(tmp_path: Path, compression: str, size: tuple[int, int]) -> None:
    """The empty rest of their tiles leaves them near what they were."""
    pixels = np.full((size[1], size[0], 3), (250, 20, 130), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    _make(tmp_path / "a.png", replace(SMALL, compression=compression))
    found = tifffile.imread(tmp_path / "made.tif").reshape(pixels.shape)

    assert np.abs(found.astype(int) - pixels).max() < 16


@pytest.mark.parametrize(
    "options", [SMALL, IIIF, replace(SMALL, format="dzi")], ids=["tif", "iiif3", "dzi"]
)
@pytest.mark.parametrize("size", [(3, 287), (15, 900), (900, 31), (513, 65), (129, 129)])
def test_what_halving_drops_is_no_damage(
    tmp_path: Path, options: PyramidOptions, size: tuple[int, int]
) -> None:
    """Levels that leave out, or fill up, half of a narrow side are right, and are accepted."""
    Image.fromarray(_colours(*size)).save(tmp_path / "a.png")

    assert _make(tmp_path / "a.png", options).size == size


def test_a_tiff_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TIFF of any size is opened by its header and streamed."""
    tifffile.imwrite(tmp_path / "a.tif", _colours(300, 200), photometric="rgb")

    def refuse(path: Path) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)

    assert _make(tmp_path / "a.tif", SMALL).size == (300, 200)


@pytest.mark.parametrize("compression", ["lerc", "webp"])
def test_a_tiff_that_nobody_decodes(tmp_path: Path, compression: str) -> None:
    """It is unsupported, by its compression's name: nothing is wrong with the file."""
    pixels = _colours(64, 64)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression=compression)

    with pytest.raises(ImageError, match=f"(?i)unsupported: .* {compression}"):
        open_source(tmp_path / "a.tif", SMALL, Limits())
    with pytest.raises(ImageError, match=f"(?i)unsupported: .* {compression}"):
        open_image((tmp_path / "a.tif").read_bytes(), Limits())


def test_a_large_page_of_a_pdf_is_predicted(tmp_path: Path) -> None:
    """A page is drawn whole at the size of its pyramid: that counts, not its size at 300 dpi."""
    Image.new("RGB", (600, 400)).save(tmp_path / "a.pdf", resolution=10)
    small, large = (
        open_source(tmp_path / "a.pdf", replace(SMALL, max_size=box), Limits())
        for box in ((600, 600), (6_000, 6_000))
    )

    assert small.size == large.size == (18_000, 12_000)
    assert (small.whole, large.whole) == (600 * 400 * 16, 6_000 * 4_000 * 16)


def test_a_full_disk_is_no_fault_of_the_image(tmp_path: Path) -> None:
    """What the encoder cannot lay down is said to be the disk's."""
    Image.fromarray(_colours(300, 200)).save(tmp_path / "a.png")
    opened = open_source(tmp_path / "a.png", replace(SMALL, compression="none"), Limits())

    with pytest.raises(ImageError) as caught:
        write_pyramid(opened, Path("/dev/full"), (300, 200))
    assert caught.value.reason == "too_little_disk"


@pytest.mark.parametrize("size", [(300, 200), (513, 65), (64, 64), (65, 1), (1, 1), (257, 129)])
def test_static_iiif(tmp_path: Path, size: tuple[int, int]) -> None:
    """Whatever a client of level 0 asks for by info.json is there, in the size that it expects.

    IIIF Image API 3.0, sections 4.7 (canonical URIs) and 5.4 (tiles); compliance level 0.
    """
    Image.fromarray(_colours(*size)).save(tmp_path / "a.png")
    _make(tmp_path / "a.png", IIIF)
    info = json.loads((tmp_path / "made/info.json").read_text())
    (tiles,), (width, height) = info["tiles"], size
    wanted = {"full/max": size}
    wanted |= {f"full/{s['width']},{s['height']}": (s["width"], s["height"]) for s in info["sizes"]}
    for factor in tiles["scaleFactors"]:
        step = tiles["width"] * factor
        for top in range(0, height, step):
            for left in range(0, width, step):
                part = min(step, width - left), min(step, height - top)
                scaled = ceil(part[0] / factor), ceil(part[1] / factor)
                region = "full" if part == size else f"{left},{top},{part[0]},{part[1]}"
                name = "max" if scaled == size else f"{scaled[0]},{scaled[1]}"
                wanted[f"{region}/{name}"] = scaled
    found = {}
    for name in wanted:
        with Image.open(tmp_path / "made" / name / "0/default.jpg") as image:
            found[name] = image.size

    assert found == wanted
    assert (info["width"], info["height"], info["profile"]) == (*size, "level0")
    assert info["sizes"]


def test_an_image_too_large_for_one_jpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`max` is then what fits, and info.json says how large that is."""
    monkeypatch.setattr(pyramid_iiif, "LONGEST", 150)
    Image.fromarray(_colours(300, 200)).save(tmp_path / "a.png")
    _make(tmp_path / "a.png", IIIF)
    info = json.loads((tmp_path / "made/info.json").read_text())
    with Image.open(tmp_path / "made/full/max/0/default.jpg") as image:
        size = image.size

    assert (info["maxWidth"], info["maxHeight"]) == size == (150, 100)
