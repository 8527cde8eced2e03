"""Every decoder against a full-resolution reference that another engine made.

Lossless files are compared with the pixels that went into them (written by tifffile, Pillow or
libvips, whichever does not read them here); lossy ones with another decoder's whole picture.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pillow_heif
import pypdfium2
import pytest
import pyvips
import tifffile
from astropy.io import fits
from PIL import Image

from shard.imaging import open_image, render
from shard.model import Fit, Format, Limits, Rendition

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, np.dtype[Any]]
WIDTH, HEIGHT = 397, 263  # odd, prime: whole factors never fit
BOX = 120

_y, _x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
RAMP: Array = (_x / WIDTH + _y / HEIGHT) / 2
COLOUR: Array = np.stack(
    [RAMP, 0.5 + 0.45 * np.sin(_x / 23) * np.cos(_y / 31), 0.9 - 0.8 * _y / HEIGHT], -1
)
ALPHA: Array = np.clip(1.4 * _x / WIDTH - 0.2, 0, 1)


def _bytes(values: Array) -> Array:
    return np.round(values * 255).astype(np.uint8)


def _words(values: Array) -> Array:
    return np.round(values * 65535).astype(np.uint16)


def _tiff(values: Array, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


def _pillow(values: Array, kind: str, mode: str | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def _vips(values: Array, suffix: str, **options: Any) -> bytes:
    return bytes(pyvips.Image.new_from_array(values).write_to_buffer(suffix, **options))


def _heif(values: Array) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(values)).save(buffer, quality=95)
    return buffer.getvalue()


def _pages(*pages: Array, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for page in pages:
            writer.write(page, metadata=None, **options)
    return buffer.getvalue()


RGB8, GREY8 = _bytes(COLOUR), _bytes(RAMP)
RGBA8 = np.dstack([RGB8, _bytes(ALPHA)])
CMYK8 = np.dstack([255 - RGB8, np.zeros_like(GREY8)])
TILED = {"tile": (64, 64), "photometric": "rgb"}


def _fits(values: Array, compression: str | None = None, **options: Any) -> bytes:
    """Write a frame; row 0 is its bottom."""
    hdu = fits.PrimaryHDU(values)
    if compression:
        options = {"compression_type": compression, "quantize_level": 0, **options}
        hdu = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(values, **options)])
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return buffer.getvalue()


def _observed(values: Array) -> Array:
    """Draw a frame as observatories do: zscale over some 2,000 values, gamma 2.5, bottom up."""
    step = values.size // 2000
    sample = np.sort(values.ravel()[step::step])
    slope, start = np.polyfit(np.arange(sample.size), sample, 1)
    low, high = np.median(sample), min(sample[-1], start + slope / 0.1 * sample.size / 2)
    greys = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255)
    drawn: Array = np.floor(256 * (greys / 256) ** 0.4) / 255
    return drawn[::-1]


FRAME: Array = 30_000 * RAMP**3
"""A sky that zscale leaves shadows, lights and all between of."""


@dataclass(frozen=True)
class Case:
    """A file, its wanted picture (0..1; grey, RGB or RGBA), and how far off it may be (0..255)."""

    name: str
    make: Callable[[], bytes]
    want: Array
    tolerance: float = 1.0


CASES = (
    Case("png-rgb8", lambda: _pillow(RGB8, "PNG"), COLOUR),
    Case("png-rgba8", lambda: _pillow(RGBA8, "PNG"), np.dstack([COLOUR, ALPHA])),
    Case("png-grey8", lambda: _pillow(GREY8, "PNG"), RAMP),
    Case("png-grey16", lambda: _pillow(_words(RAMP), "PNG"), RAMP),
    Case("png-rgb16", lambda: _vips(_words(COLOUR), ".png"), COLOUR),
    Case(
        "png-rgba16",
        lambda: _vips(_words(np.dstack([COLOUR, ALPHA])), ".png"),
        np.dstack([COLOUR, ALPHA]),
    ),
    Case("png-interlaced", lambda: _vips(RGB8, ".png", interlace=True), COLOUR),
    Case(
        "png-1bit",
        lambda: _pillow(np.where(RAMP > 0.5, 255, 0).astype(np.uint8), "PNG", "1"),
        np.round(RAMP),
    ),
    Case(
        "png-grey-alpha",
        lambda: _pillow(np.dstack([GREY8, _bytes(ALPHA)]), "PNG"),
        np.dstack([RAMP, RAMP, RAMP, ALPHA]),
    ),
    Case("tiff-strips", lambda: _tiff(RGB8, photometric="rgb", rowsperstrip=16), COLOUR),
    Case("tiff-tiles-deflate", lambda: _tiff(RGB8, compression="zlib", **TILED), COLOUR),
    Case("tiff-lzw-grey", lambda: _pillow(GREY8, "TIFF", compression="tiff_lzw"), RAMP),
    Case(
        "tiff-planar",
        lambda: _tiff(np.moveaxis(RGB8, -1, 0), photometric="rgb", planarconfig="separate"),
        COLOUR,
    ),
    Case("tiff-big", lambda: _tiff(RGB8, photometric="rgb", bigtiff=True), COLOUR),
    Case("tiff-big-endian", lambda: _tiff(RGB8, photometric="rgb", byteorder=">"), COLOUR),
    Case("tiff-grey16", lambda: _tiff(_words(RAMP)), RAMP),
    Case("tiff-rgb16", lambda: _tiff(_words(COLOUR), photometric="rgb"), COLOUR),
    Case(
        "tiff-grey32",
        lambda: _tiff(_words(RAMP).astype(np.uint32) << 8),
        (RAMP - RAMP.min()) / np.ptp(RAMP),
    ),
    Case(
        "tiff-float",
        lambda: _tiff((RAMP * 40 - 7).astype(np.float32)),
        (RAMP - RAMP.min()) / np.ptp(RAMP),
    ),
    Case(
        "tiff-float-nan",
        lambda: _tiff(np.where(_x < 3, np.nan, RAMP).astype(np.float32)),
        np.where(_x < 3, 0, RAMP) / RAMP.max(),
    ),
    Case("tiff-zstd", lambda: _pillow(RGB8, "TIFF", compression="zstd"), COLOUR),
    Case("tiff-jpeg", lambda: _vips(RGB8, ".tif", compression="jpeg", Q=95), COLOUR, 2.0),
    Case(
        "tiff-g4",
        lambda: _pillow(
            np.where(RAMP > 0.5, 255, 0).astype(np.uint8), "TIFF", "1", compression="group4"
        ),
        np.round(RAMP),
    ),
    Case("tiff-min-is-white", lambda: _tiff(255 - GREY8, photometric="miniswhite"), RAMP),
    Case("tiff-cmyk", lambda: _tiff(CMYK8, photometric="separated"), COLOUR),
    Case("tiff-first-page", lambda: _pages(RGB8, 255 - RGB8, photometric="rgb"), COLOUR),
    Case(
        "tiff-pyramid-pages",
        lambda: _pages(RGB8, RGB8[::2, ::2], RGB8[::16, ::16], **TILED),
        COLOUR,
        3.0,
    ),
    Case(
        "tiff-rgba",
        lambda: _tiff(RGBA8, photometric="rgb", extrasamples=["unassalpha"]),
        np.dstack([COLOUR, ALPHA]),
    ),
    Case("webp-lossless", lambda: _pillow(RGB8, "WEBP", lossless=True), COLOUR, 1.5),
    Case(
        "webp-alpha",
        lambda: _pillow(RGBA8, "WEBP", lossless=True, exact=True),
        np.dstack([COLOUR, ALPHA]),
        1.5,
    ),
    Case("avif", lambda: _pillow(RGB8, "AVIF", quality=95), COLOUR, 2.5),
    Case("heic", lambda: _heif(RGB8), COLOUR, 2.5),
    Case("jpeg2000", lambda: _pillow(RGB8, "JPEG2000"), COLOUR, 1.5),
    Case("jpeg2000-grey16", lambda: _pillow(_words(RAMP), "JPEG2000"), RAMP, 1.5),
    Case("bmp", lambda: _pillow(RGB8, "BMP"), COLOUR),
    Case(
        "bmp-1bit",
        lambda: _pillow(np.where(RAMP > 0.5, 255, 0).astype(np.uint8), "BMP", "1"),
        np.round(RAMP),
    ),
    Case("tga", lambda: _pillow(RGBA8, "TGA"), np.dstack([COLOUR, ALPHA])),
    Case("tga-rle", lambda: _pillow(RGB8, "TGA", compression="tga_rle"), COLOUR),
    Case("ppm", lambda: _pillow(RGB8, "PPM"), COLOUR),
    Case(
        "pgm16",
        lambda: b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + _words(RAMP).astype(">u2").tobytes(),
        RAMP,
    ),
    Case("pcx", lambda: _pillow(RGB8, "PCX"), COLOUR),
    Case("sgi", lambda: _pillow(RGB8, "SGI"), COLOUR),
    Case("qoi", lambda: _pillow(RGB8, "QOI"), COLOUR),
    Case("fits-16", lambda: _fits(FRAME.astype(np.int16)), _observed(FRAME.astype(np.int16))),
    Case("fits-float", lambda: _fits(FRAME.astype(np.float32)), _observed(FRAME)),
    Case("fits-double", lambda: _fits(FRAME), _observed(FRAME)),
    Case("fits-gzip", lambda: gzip.compress(_fits(FRAME)), _observed(FRAME)),
    Case("fits-rice", lambda: _fits(FRAME.astype(np.int32), "RICE_1"), _observed(np.floor(FRAME))),
    Case("fits-tiles", lambda: _fits(FRAME, "GZIP_2", tile_shape=(50, 70)), _observed(FRAME)),
)


def _rendered(data: bytes, box: int = BOX) -> Image.Image:
    source = open_image(data, Limits())
    (thumbnail,) = render(source, [Rendition("t", box, box, format=Format.PNG)], Limits())
    return Image.open(io.BytesIO(thumbnail.data))


def _reference(want: Array, size: tuple[int, int]) -> Array:
    """Scale in floating point, channel by channel, colour weighted by alpha."""
    bands = want[..., None] if want.ndim == 2 else want
    alpha = bands[..., 3:] if bands.shape[-1] == 4 else np.ones((*bands.shape[:2], 1))
    small = _scaled(np.dstack([bands[..., :3] * alpha, alpha]), size)
    return np.clip(small[..., :-1], 0, 1) * 255


def _scaled(values: Array, size: tuple[int, int]) -> Array:
    bands = [
        Image.fromarray(values[..., band].astype(np.float32)) for band in range(values.shape[-1])
    ]
    return np.stack([np.asarray(band.resize(size, Image.Resampling.LANCZOS)) for band in bands], -1)


def _premultiplied(image: Image.Image, channels: int) -> Array:
    values = np.asarray(image.convert("RGBA"), np.float64)
    return (values[..., :3] * values[..., 3:] / 255)[..., :channels]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("box", [BOX, 300])
def test_a_rendition_looks_like_the_whole_picture_resized(case: Case, box: int) -> None:
    """A rendition differs from the reference by less than the case's tolerance, on average."""
    made = _rendered(case.make(), box)

    reference = _reference(case.want, made.size)
    assert np.abs(_premultiplied(made, reference.shape[-1]) - reference).mean() < case.tolerance


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.want.ndim == 3 and c.want.shape[-1] == 4],
    ids=lambda case: case.name,
)
def test_transparency_survives(case: Case) -> None:
    """A rendition's alpha is the source's, resized."""
    made = _rendered(case.make())

    wanted = np.clip(_scaled(ALPHA[..., None], made.size)[..., 0], 0, 1) * 255
    assert np.abs(np.asarray(made.convert("RGBA"))[..., 3] - wanted).mean() < 1.5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_memory_is_predicted(case: Case) -> None:
    """Every decoder predicts at least its rendition, and no more for a smaller one."""
    source = open_image(case.make(), Limits())
    small, large = (source.peak_memory([Rendition("t", box, box)]) for box in (BOX, 300))

    assert BOX * BOX < small <= large


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("fit", [Fit.INSIDE, Fit.COVER])
def test_orientation_is_applied(orientation: int, kind: str, fit: Fit) -> None:
    """A picture stored in any of the 8 orientations stands upright, as Pillow turns it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(RGB8).save(buffer, kind, exif=exif, **options)
    rendition = Rendition("t", 90, 60, fit=fit, format=Format.PNG, gravity="northwest")
    (thumbnail,) = render(open_image(buffer.getvalue(), Limits()), [rendition], Limits())

    from PIL import ImageOps

    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(buffer.getvalue())))
    made = Image.open(io.BytesIO(thumbnail.data))
    if fit is Fit.COVER:
        scale = max(90 / upright.width, 60 / upright.height)
        upright = upright.crop((0, 0, round(90 / scale), round(60 / scale)))
    wanted = upright.convert("RGB").resize(made.size, Image.Resampling.LANCZOS)
    difference = np.abs(np.asarray(made, np.float64) - np.asarray(wanted, np.float64))
    assert difference.mean() < 2.5


def test_first_page_of_a_pdf_lies_on_white() -> None:
    """A PDF's first page is drawn as pdfium draws it on white."""
    buffer = io.BytesIO()
    page = Image.fromarray(RGB8)
    page.save(buffer, "PDF", save_all=True, append_images=[Image.new("RGB", (50, 50))])
    made = _rendered(buffer.getvalue())

    document = pypdfium2.PdfDocument(buffer.getvalue())
    whole = document[0].render(scale=1).to_pil().resize(made.size, Image.Resampling.LANCZOS)
    difference = np.asarray(made, np.float64) - np.asarray(whole.convert("RGB"), np.float64)
    assert np.abs(difference).mean() < 2.5


def test_gif_palette_keeps_its_transparent_colour() -> None:
    """A GIF's transparent pixels stay transparent, its opaque ones their colour."""
    image = Image.new("P", (200, 100), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (100, 0, 200, 100))
    buffer = io.BytesIO()
    image.save(buffer, "GIF", transparency=0)
    made = _rendered(buffer.getvalue()).convert("RGBA")

    assert made.getpixel((10, 10))[3] == 0  # type: ignore[index]  # RGBA has four
    assert made.getpixel((100, 30)) == (0, 0, 255, 255)
