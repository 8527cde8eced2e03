"""Pyramids: what is written, by another library's word; and what the verification refuses."""

from __future__ import annotations

import io
import itertools
import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from shard.errors import ImageError, SettingError
from shard.imaging.pyramid import peak_memory, write_pyramid
from shard.imaging.pyramid_check import verify
from shard.imaging.pyramid_source import open_source
from shard.model import Limits
from shard.planning.pyramids import COMPRESSIONS, PyramidOptions, fit, level_sizes, parse_size

if TYPE_CHECKING:
    from pathlib import Path

    from shard.imaging.pyramid import Made

SMALL = PyramidOptions(tile_size=64)


def _picture(width: int = 300, height: int = 200, channels: int = 3) -> Any:
    """Return a picture with structure at every scale, (rows, columns, channels)."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(x / (9 + 7 * n) + n) * np.cos(y / (11 + 5 * n)) for n in range(4)]
    return np.stack(waves[:channels], axis=-1).astype(np.uint8)


def _source(folder: Path, name: str = "a.png", pixels: Any = None, **save: Any) -> Path:
    path = folder / name
    pixels = _picture() if pixels is None else pixels
    Image.fromarray(pixels[:, :, 0] if pixels.shape[-1] == 1 else pixels).save(path, **save)
    return path


def _make(source: Path, options: PyramidOptions = SMALL, limits: Limits | None = None) -> Made:
    """Write ``source`` as a pyramid beside it, verify it, return what was made."""
    opened = open_source(source, options, limits or Limits())
    target = source.parent / ("made.tif" if options.format == "tif" else "made")
    made = write_pyramid(opened, target, options.box(copyright=False))
    verify(target, made, options)
    return made


@pytest.mark.parametrize("levels", ["pages", "subifds"])
def test_levels_tiles_and_resolution(tmp_path: Path, levels: str) -> None:
    """Levels are halves down to one tile, tiled, with the resolution, where they are asked for."""
    _make(_source(tmp_path), replace(SMALL, levels=levels))
    with tifffile.TiffFile(tmp_path / "made.tif") as file:
        first = file.pages.first
        sizes = [level.shape[:2] for level in file.series[0].levels]
        resolution = first.tags["XResolution"].value
        pages = len(file.pages)

    assert sizes == [(200, 300), (100, 150), (50, 75), (25, 37)]
    assert pages == (4 if levels == "pages" else 1)
    assert (first.tilewidth, first.tilelength) == (64, 64)
    assert round(resolution[0] / resolution[1]) == 300


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression(tmp_path: Path, compression: str) -> None:
    """Each compression is what another library finds, and shows the picture."""
    _make(_source(tmp_path), replace(SMALL, compression=compression))
    with tifffile.TiffFile(tmp_path / "made.tif") as file:
        found = tifffile.COMPRESSION(file.pages.first.compression).name.lower()
        pixels = file.pages.first.asarray()
    difference = np.abs(pixels.astype(int) - _picture()).mean()

    assert found.endswith(compression)
    assert difference < (3 if compression in ("jpeg", "webp") else 1e-9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    """The pyramid stands as EXIF says, as Pillow understands it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = _source(tmp_path, "a.jpg", quality=95, exif=exif)
    _make(source)
    from PIL import ImageOps

    with Image.open(source) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    found = tifffile.imread(tmp_path / "made.tif")

    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < 2


@pytest.mark.parametrize(
    ("name", "mode", "channels"),
    [
        ("a.tif", "RGB", 3),
        ("a.jpg", "RGB", 3),
        ("a.jpg", "CMYK", 3),
        ("a.jpg", "L", 1),
        ("a.bmp", "RGB", 3),
        ("a.jp2", "RGB", 3),
        ("a.png", "P", 3),
        ("a.png", "RGBA", 4),
        ("a.webp", "RGB", 3),
        ("a.gif", "P", 3),
        ("a.tif", "1", 1),
        ("a.pdf", "RGB", 3),
    ],
)
def test_sources(tmp_path: Path, name: str, mode: str, channels: int) -> None:
    """Whatever is accepted comes out 8 bits deep, with as many channels as it needs."""
    Image.fromarray(_picture()).convert(mode).save(tmp_path / name)
    made = _make(tmp_path / name)
    with tifffile.TiffFile(tmp_path / "made.tif") as file:
        page = file.pages.first

    assert made.bands == page.samplesperpixel == channels
    assert page.dtype == np.uint8


def test_the_profile(tmp_path: Path) -> None:
    """Srgb converts and drops the profile; keep leaves both values and profile."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    icc = bytearray(lab.tobytes())
    swapped = bytes(icc).replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ")
    swapped = swapped.replace(b"tXYZ", b"gXYZ").replace(b"sRGB", b"GBRs")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "GBRs".encode("utf-16-be"))
    source = _source(tmp_path, icc_profile=swapped)
    _make(source, replace(SMALL, colour="keep"))
    with tifffile.TiffFile(tmp_path / "made.tif") as file:
        kept, tags = file.pages.first.asarray(), file.pages.first.tags
        profile = tags[34675].value
    _make(source)
    with tifffile.TiffFile(tmp_path / "made.tif") as file:
        converted = file.pages.first.asarray()
        still = 34675 in file.pages.first.tags

    assert np.array_equal(kept, _picture())
    assert profile == swapped
    assert not still
    assert np.abs(converted.astype(int) - _picture()).mean() > 10


def test_sixteen_bits(tmp_path: Path) -> None:
    """Keep keeps 16 bits; srgb makes 8 of them."""
    deep = _picture().astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    _make(tmp_path / "a.tif", replace(SMALL, colour="keep"))
    kept = tifffile.imread(tmp_path / "made.tif")
    _make(tmp_path / "a.tif")
    eight = tifffile.imread(tmp_path / "made.tif")

    assert np.array_equal(kept, deep)
    assert np.abs(eight.astype(int) - _picture()).max() <= 1


@pytest.mark.parametrize(
    ("box", "size"),
    [((150, 4000), (150, 100)), ((4000, 50), (75, 50)), ((4000, 4000), (300, 200))],
)
def test_the_box_in_both_dimensions(tmp_path: Path, box: tuple[int, int], size: Any) -> None:
    """The image is shrunk into the box, proportions kept, and never enlarged."""
    made = _make(_source(tmp_path), replace(SMALL, max_size=box))

    assert made.size == size


@given(
    st.tuples(st.integers(1, 60_000), st.integers(1, 60_000)),
    st.tuples(st.integers(1, 9_000), st.integers(1, 9_000)),
    st.sampled_from([64, 256, 512]),
)
def test_sizes_and_levels(size: tuple[int, int], box: tuple[int, int], tile: int) -> None:
    """What is fitted lies in the box and in the source; levels end in one tile or one pixel."""
    width, height = fit(size, box)
    levels = level_sizes((width, height), tile)

    assert 1 <= width <= min(size[0], box[0])
    assert 1 <= height <= min(size[1], box[1])
    assert max(levels[-1]) <= tile or min(levels[-1]) == 1
    assert all(b == (a[0] // 2, a[1] // 2) for a, b in itertools.pairwise(levels))


@pytest.mark.parametrize(
    ("options", "description"),
    [
        (replace(SMALL, format="dzi"), "made.dzi"),
        (replace(SMALL, format="zoomify"), "made/ImageProperties.xml"),
        (replace(SMALL, format="iiif3", base_url="https://e.org/i"), "made/info.json"),
    ],
    ids=["dzi", "zoomify", "iiif3"],
)
@pytest.mark.parametrize("size", [(300, 200), (40, 30), (513, 65), (128, 128), (1, 1)])
def test_tiles(
    tmp_path: Path, options: PyramidOptions, description: str, size: tuple[int, int]
) -> None:
    """Tiles are verified for every shape, and refused when one of them is gone."""
    _make(_source(tmp_path, pixels=_picture(*size)), options)
    tiles = sorted(tmp_path.glob("made*/**/*.jpg"))
    opened = open_source(tmp_path / "a.png", options, Limits())
    made = write_pyramid(opened, tmp_path / "made", options.max_size)
    tiles[-1].unlink()

    assert (tmp_path / description).is_file()
    with pytest.raises(ImageError, match="not_verified"):
        verify(tmp_path / "made", made, options)


def _cut_tile(path: Path) -> None:
    """Cut the last bytes of the largest level's first tile: its length says less than there is."""
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages.first.tags["TileByteCounts"]
        counts = list(tag.value)
        tag.overwrite([counts[0] // 3, *counts[1:]])


def _drop_level(path: Path) -> None:
    with tifffile.TiffFile(path, mode="r+") as file:
        page: Any = file.pages[-2]
        # The offset of the next image follows the last tag's twelve bytes.
        count = len(page.tags)
        file.filehandle.seek(page.offset + 2 + 12 * count)
        file.filehandle.write(struct.pack("<I", 0))


def _wrong_dimension(path: Path) -> None:
    with tifffile.TiffFile(path, mode="r+") as file:
        second: Any = file.pages[1]
        second.tags["ImageWidth"].overwrite(149)


def _cut_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def _other_picture(path: Path) -> None:
    _make_of(path, _picture() // 3)


def _swap_tiles(path: Path) -> None:
    """Let the largest level's first tile be one that is black."""
    black = imagecodecs.zlib_encode(bytes(64 * 64 * 3))
    data = path.read_bytes()
    path.write_bytes(data + black)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages.first.tags
        offsets, counts = list(tags["TileOffsets"].value), list(tags["TileByteCounts"].value)
        tags["TileOffsets"].overwrite([len(data), *offsets[1:]])
        tags["TileByteCounts"].overwrite([len(black), *counts[1:]])


def _make_of(path: Path, pixels: Any) -> None:
    folder = path.parent / "other"
    folder.mkdir()
    _make(_source(folder, pixels=pixels))
    (folder / "made.tif").replace(path)


def _not_tiled(path: Path) -> None:
    tifffile.imwrite(path, _picture(), photometric="rgb")


def _no_tiff(path: Path) -> None:
    path.write_bytes(b"II*\0nothing")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut_tile, ""),
        (_cut_file, ""),
        (_drop_level, "3 levels, not 4"),
        (_wrong_dimension, "level 1 is 149x100"),
        (_other_picture, "smallest level differs"),
        (_swap_tiles, "tile 0 of the largest level differs"),
        (_not_tiled, "1 levels, not 4"),
        (_no_tiff, ""),
    ],
)
def test_what_is_refused(tmp_path: Path, damage: Any, said: str) -> None:
    """Each kind of damage is found before anything is uploaded."""
    made = _make(_source(tmp_path))
    damage(tmp_path / "made.tif")

    with pytest.raises(ImageError, match=f"not_verified: .*{said}"):
        verify(tmp_path / "made.tif", made, SMALL)


def test_a_black_and_white_page(tmp_path: Path) -> None:
    """Hard edges, as of print, do not make the verification doubt."""
    rng = np.random.default_rng(3)
    page = (rng.random((400, 300, 1)) > 0.8).astype(np.uint8) * 255
    page[:, :40] = 0

    assert _make(_source(tmp_path, pixels=page)).size == (300, 400)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"just text, no image", "not_an_image"),
        (b"%!PS-Adobe", "unsupported"),
        (b"\x89PNG\r\n\x1a\nxxxx", "truncated"),
    ],
)
def test_refused_sources(tmp_path: Path, data: bytes, reason: str) -> None:
    """What cannot be a source is refused with its reason."""
    (tmp_path / "a").write_bytes(data)

    with pytest.raises(ImageError) as caught:
        _make(tmp_path / "a")
    assert caught.value.reason == reason


def test_truncated_sources(tmp_path: Path) -> None:
    """A source that ends too early is refused, whatever its kind."""
    for name in ("a.jpg", "a.png", "a.tif"):
        path = _source(tmp_path, name)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ImageError) as caught:
            _make(path)

        assert caught.value.reason in ("truncated", "corrupt")


def test_limits_hold_before_decoding(tmp_path: Path) -> None:
    """Pixels are counted from the header."""
    with pytest.raises(ImageError, match="too_many_pixels: 300x200"):
        _make(_source(tmp_path), limits=Limits(max_pixels=59_999))


def test_progressive_files_are_predicted_to_be_held(tmp_path: Path) -> None:
    """What cannot be streamed counts in the prediction of memory."""
    pixels = _picture(2000, 1500)
    plain = open_source(_source(tmp_path, "a.jpg", pixels), SMALL, Limits())
    whole = open_source(_source(tmp_path, "b.jpg", pixels, progressive=True), SMALL, Limits())

    assert peak_memory(whole, (400, 400)) - peak_memory(plain, (400, 400)) == 2000 * 1500 * 6


def test_pages_of_a_pdf(tmp_path: Path) -> None:
    """--page names a page; one that is not there is refused."""
    pages = [Image.new("RGB", (100, 80), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "a.pdf", save_all=True, append_images=pages[1:], resolution=300)
    _make(tmp_path / "a.pdf", replace(SMALL, page=2))
    pixels = tifffile.imread(tmp_path / "made.tif")

    assert pixels.shape == (80, 100, 3)
    assert np.abs(pixels.mean(axis=(0, 1)) - [0, 0, 255]).max() < 3
    with pytest.raises(ImageError, match="2 pages; page 3"):
        _make(tmp_path / "a.pdf", replace(SMALL, page=3))


@pytest.mark.parametrize("text", ["", "0x3", "4000", "10x10", "1e3", "9999999x1"])
def test_boxes(text: str) -> None:
    """A box is WxH or one side of a square; anything else is refused by its flag's name."""
    if text in ("4000", "10x10"):
        assert parse_size(text, "--max-size") in ((4000, 4000), (10, 10))
        return

    with pytest.raises(SettingError, match="--max-size"):
        parse_size(text, "--max-size")


def test_bytes_are_the_same_again(tmp_path: Path) -> None:
    """The same source gives the same bytes."""
    source = _source(tmp_path, "a.jpg")
    _make(source)
    first = (tmp_path / "made.tif").read_bytes()
    _make(source)

    assert (tmp_path / "made.tif").read_bytes() == first


def test_the_description_of_iiif(tmp_path: Path) -> None:
    """The description holds the size, and is version 3's."""
    _make(_source(tmp_path), replace(SMALL, format="iiif3", base_url="https://e.org/i"))
    info = json.load(io.StringIO((tmp_path / "made/info.json").read_text()))

    assert (info["width"], info["height"], info["type"]) == (300, 200, "ImageService3")
