"""Makes a pyramid of a source in a file: a tiled TIFF, or DeepZoom, IIIF or Zoomify tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shard.imaging import boundary, libvips, pyramid_iiif
from shard.imaging.colour import is_srgb_profile
from shard.imaging.decoders import vips
from shard.planning.pyramids import LOSSY, fit, level_sizes

if TYPE_CHECKING:
    from pathlib import Path

    from shard.imaging.pyramid_source import Opened
    from shard.planning.pyramids import PyramidOptions, Size

_MM_PER_INCH = 25.4
_HELD = 64 << 20
"""Up to so many bytes an image is held between decoding and writing, and then compared exactly."""
CLASSIC = 3_900_000_000
"""A TIFF's offsets have 32 bits: what could be larger is a BigTIFF."""
_REFERENCE = 512
"""Pixels that a reference is made of where the image itself is too large to be held."""
CELLS = 16
"""The reference's grid has so many cells across and down, or as many as there are pixels."""
_ROWS = 9
"""Rows in flight while a pyramid is written, in tiles: of libvips and of all levels together."""
_FEW = 16
"""Rows or columns of a level so few that the rest of their tile would bleed into a lossy WebP."""
_SEEN = 1_200
"""Rows in flight of the decoder."""
Grid = tuple[tuple[int, int], bytes]
_LAYOUTS = {"dzi": "dz", "iiif3": "iiif3", "zoomify": "zoomify"}
_TURNED = 5


@dataclass(frozen=True, slots=True)
class Made:
    """A pyramid that was written. ``size`` is (width, height) of its largest level.

    ``reference`` are the mean colours of the cells of a grid over the pixels that went into it,
    for the verification: the grid's (width, height), and 8 bits each of ``bands`` channels.
    """

    size: Size
    bands: int
    reference: Grid
    notes: tuple[str, ...] = ()


def is_big(size: Size, pixel: int) -> bool:
    """Tell whether a pyramid of ``size``, ``pixel`` bytes each, could pass a TIFF's 32 bits."""
    return size[0] * size[1] * pixel * 4 // 3 > CLASSIC


def peak_memory(opened: Opened, box: Size) -> int:
    """Return the bytes that making the pyramid takes at most, predicted from the header."""
    width, height = fit(opened.size, box)
    row = 4 * width * opened.depth
    held = min(_HELD, row * height)
    return (
        opened.whole
        + 2 * held
        + row * _ROWS * opened.options.tile_size
        + 4 * opened.stored[0] * min(_SEEN, opened.stored[1])
    )


def scratch_bytes(opened: Opened, box: Size) -> int:
    """Return the most that making the pyramid puts on disk beside its source, in bytes.

    The formula of docs/pyramids.md: 4 channels of 1 or 2 bytes; the pyramid, uncompressed, is
    4/3 of them, its smaller levels lie there twice while it is written (1/3); and once more all of
    it, for an image that has to be turned, or Zstandard's two steps.
    """
    width, height = fit(opened.size, box)
    return 3 * width * height * 4 * opened.depth


def write_pyramid(opened: Opened, target: Path, box: Size) -> Made:
    """Write the pyramid of ``opened``, shrunk into ``box``, to ``target``; ``ImageError`` alone.

    ``target`` is the file, or for tiles the base name that libvips adds to.
    """
    with boundary.only_image_errors(opened.format, complete=True):
        return _write(opened, target, box)


def _write(opened: Opened, target: Path, box: Size) -> Made:
    size = fit(opened.size, box)
    image, icc, notes = _pixels(opened, size)
    held = image.width * image.height * _pixel(image) <= _HELD
    if held:
        image = image.copy_memory()
    _save(image, target, opened.options, icc)
    if opened.options.format == "iiif3":
        whole = image if held else _pixels(opened, size)[0]
        pyramid_iiif.complete(whole, target, opened.options.quality)
    if not held:
        image, _, _ = _pixels(opened, fit(size, (_REFERENCE, _REFERENCE)))
    return Made(size, image.bands, _reference(image), notes)


def _pixels(opened: Opened, size: Size) -> tuple[Any, bytes | None, tuple[str, ...]]:
    """Return the source at ``size`` (upright) as it is to be written, its profile, what to note."""
    stored = size[::-1] if opened.orientation >= _TURNED else size
    image, icc = opened.load(stored)
    if (image.width, image.height) != stored:
        image = libvips.lanczos(image, stored)
    image, icc = _as_values(image, icc, opened.options)
    image = _upright(image, opened.orientation)
    image, icc, notes = _coloured(image, icc, opened.options)
    return _savable(image, opened.options), icc, notes


def _as_values(image: Any, icc: bytes | None, options: PyramidOptions) -> tuple[Any, bytes | None]:
    """Return straight alpha and 8 bits; 16 bits where they are kept."""
    if image.hasalpha() and image.interpretation != "cmyk":
        most = 65535 if image.interpretation == "rgb16" else 255
        interpretation = image.interpretation
        kind = "ushort" if most > 255 else "uchar"  # noqa: PLR2004 - 8 bits
        image = (image.unpremultiply(max_alpha=most) + 0.5).cast(kind)
        image = image.copy(interpretation=interpretation)
    is_deep = image.format == "ushort" and image.interpretation in ("rgb16", "grey16")
    return (image, icc) if is_deep and options.keeps_depth else vips.as_bytes(image, icc)


def _upright(image: Any, orientation: int) -> Any:
    """Turn as EXIF says. Rows are needed in another order: the image is laid down first."""
    if orientation == 1:
        return image
    if image.width * image.height * _pixel(image) <= _HELD:
        image = image.copy_memory()
    else:
        laid = libvips.library().Image.new_temp_file("%s.v")
        image.write(laid)
        image = laid
    if orientation in (2, 4, 5, 7):
        image = image.fliphor()
    turns = {3: "rot180", 4: "rot180", 5: "rot270", 6: "rot90", 7: "rot90", 8: "rot270"}
    return getattr(image, turns[orientation])() if orientation in turns else image


def _coloured(
    image: Any, icc: bytes | None, options: PyramidOptions
) -> tuple[Any, bytes | None, tuple[str, ...]]:
    """Return the image in sRGB, or in its own space with its profile."""
    cmyk = image.interpretation == "cmyk"
    lossless = options.format == "tif" and options.compression not in LOSSY
    if options.colour == "keep" and (lossless or not cmyk):
        return image, icc, ()
    if not cmyk and (icc is None or is_srgb_profile(icc)):
        return image, None, ()
    image = image.copy()
    if icc is None:
        image.remove("icc-profile-data")
    else:
        image.set_type(_blob(), "icc-profile-data", icc)
    grey = image.bands < 3  # noqa: PLR2004 - colours
    try:
        done = image.icc_transform(
            "srgb",
            embedded=icc is not None,
            input_profile="cmyk" if cmyk else "srgb",
            intent="relative",
            black_point_compensation=True,
        )
        if grey:
            done = done.colourspace("b-w")
    except libvips.library().Error:
        done = image.colourspace("srgb") if cmyk else image
        return done, None, ("profile_ignored",)
    return done, None, ()


def _blob() -> Any:
    from pyvips import GValue

    return GValue.blob_type


def _savable(image: Any, options: PyramidOptions) -> Any:
    """Return what the encoder can take: no alpha in a JPEG, three channels in a WebP."""
    tiles = options.format != "tif"
    if image.hasalpha() and (tiles or options.compression == "jpeg"):
        image = image.flatten(background=[255.0])
    if options.compression == "webp" and not tiles and image.bands < 3:  # noqa: PLR2004 - colours
        image = image.colourspace("srgb")
    return image.copy()


def _save(image: Any, target: Path, options: PyramidOptions, icc: bytes | None) -> None:
    if icc is not None:
        image.set_type(_blob(), "icc-profile-data", icc)
    keep = "icc" if icc is not None else "none"
    if options.format != "tif":
        image.dzsave(
            str(target),
            layout=_LAYOUTS[options.format],
            suffix=f".jpg[Q={options.quality},keep={keep}]",
            tile_size=options.tile_size,
            overlap=1 if options.format == "dzi" else 0,
        )
        return
    zstd = options.compression == "zstd"
    plain = target.with_suffix(".plain") if zstd else target
    resolution = options.dpi / _MM_PER_INCH
    image.tiffsave(
        str(plain),
        tile=True,
        pyramid=True,
        tile_width=options.tile_size,
        tile_height=options.tile_size,
        compression="none" if zstd else options.compression,
        Q=options.quality,
        lossless=min(level_sizes((image.width, image.height), options.tile_size)[-1]) < _FEW,
        predictor="horizontal",
        subifd=options.levels == "subifds" and not zstd,
        bigtiff=is_big((image.width, image.height), _pixel(image)),
        xres=resolution,
        yres=resolution,
        resunit="inch",
        keep=keep,
    )
    if zstd:
        from shard.imaging.pyramid_zstd import recompress

        recompress(plain, target, options)
        plain.unlink()


def _pixel(image: Any) -> int:
    return int(image.bands) * {"uchar": 1, "ushort": 2}.get(image.format, 4)


def _reference(image: Any) -> Grid:
    """Return the means of the cells of a grid over the image, 8 bits, by rows."""
    across, down = min(CELLS, image.width), min(CELLS, image.height)
    small = image.shrink(image.width / across, image.height / down)
    if small.format == "ushort":
        small = small / 257.0
    return (small.width, small.height), bytes(small.cast("uchar").write_to_memory())
