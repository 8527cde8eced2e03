"""PNG, TIFF, WebP, AVIF and GIF: libvips, streamed top to bottom and shrunk on the way."""

from __future__ import annotations

from typing import Any

from shard.imaging import libvips
from shard.imaging.decoders import pillow, tiff
from shard.imaging.decoders.base import GAP, Header, Raster, Want

_LOADERS = {"avif": "heif"}
"""Formats whose loader has another name."""
_DEPTHS = {"uchar": 8, "char": 8, "ushort": 16, "short": 16, "uint": 32, "int": 32, "float": 32}
_MODES = {1: "L", 3: "RGB", 4: "RGBa"}
_WEBP_GAP = 1.25
"""libwebp's own scaler averages areas: a little more than the size, then LANCZOS, adds 2 dB."""
_ROWS = 1_800
"""Rows that a streamed decode holds, as measured: strips or tiles, libvips' buffers, the heap."""
_HELD = {"avif": 16, "gif": 8}
"""Bytes a pixel, as measured, of the formats that are decoded whole."""
_MADE = 8
"""Bytes a pixel of what is handed on: the pixels and Pillow's copy of them."""


class VipsDecoder:
    """One of these formats."""

    def __init__(self, name: str) -> None:
        self._name = name

    def header(self, data: bytes) -> Header:
        """Read what libvips reads when it opens a file."""
        if self._name == "tiff" and tiff.needs_pillow(data):
            return pillow.PillowDecoder("tiff").header(data)
        image = load(self._name, data)
        width, height = (
            image.width,
            image.get("page-height") if has(image, "page-height") else image.height,
        )
        return Header(
            format=self._name,
            width=width,
            height=height,
            orientation=_orientation(image, self._name),
            has_alpha=bool(image.hasalpha()),
            frames=image.get("n-pages") if has(image, "n-pages") else 1,
            subimages=image.get("n-subifds") if has(image, "n-subifds") else 0,
            interlaced=_is_whole(image, data),
            channels=image.bands,
            depth=_DEPTHS.get(image.format, 64),
            exif=image.get("exif-data") if has(image, "exif-data") else None,
        )

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Stream the pixels down to what is needed."""
        options: dict[str, Any] = {"fail_on": "none" if want.lenient else "error"}
        if self._name == "webp":
            gap = _WEBP_GAP if want.exact else GAP
            scale = gap * max(want.width / header.width, want.height / header.height)
            options["scale"] = min(1.0, scale)
        elif self._name == "tiff":
            if tiff.needs_pillow(data):
                return pillow.PillowDecoder("tiff").decode(data, header, want)
            options |= tiff.best_level(data, header, want, load)
        return to_raster(load(self._name, data, **options), want)

    def memory(self, header: Header, want: Want) -> int:
        """Count the whole image where it has to be held, else the rows in flight."""
        whole = header.width * header.height
        row = header.width * header.channels * max(1, header.depth // 8)
        width, height = want.size if want.exact else want.least
        made = min(width * height, whole) * _MADE
        if self._name in _HELD:
            return whole * _HELD[self._name] + made
        if header.interlaced:
            return row * header.height * 3 // 2 + made
        if self._name == "webp":
            return made * 3 + header.width * 4
        rows = min(header.height, _ROWS) * (5 if header.has_alpha else 2) // 2
        return row * rows + made


def decoder(name: str) -> VipsDecoder:
    """Return the decoder of one format of this module."""
    return VipsDecoder(name)


def _is_whole(image: Any, data: bytes) -> bool:
    """Tell whether decoding holds the whole image: interlaced PNG, lossless WebP."""
    interlaced = has(image, "interlaced") and bool(image.get("interlaced"))
    return interlaced or (data[:4] == b"RIFF" and b"VP8L" in data[12:64])


def load(name: str, data: bytes, **options: Any) -> Any:
    """Open ``data`` with the one loader of its format."""
    return libvips.load(_LOADERS.get(name, name), data, **options)


def has(image: Any, field: str) -> bool:
    """Tell whether the file gave this field."""
    return bool(image.get_typeof(field))


def to_raster(image: Any, want: Want) -> Raster:
    """Run the pipeline: premultiply, shrink, make 8 bits of each channel."""
    icc = image.get("icc-profile-data") if has(image, "icc-profile-data") else None
    width, height = image.width, image.height
    image = as_sums_allow(image)
    if want.exact and _has_white(image) and want.width < width and want.height < height:
        image = libvips.lanczos(image, want.size)
        width, height = want.size
    elif (factor := want.factor(width, height)) > 1:
        image = image.shrink(factor, factor, ceil=True)
        width, height = width / factor, height / factor
    image, icc = as_bytes(image, icc)
    mode = "CMYK" if image.interpretation == "cmyk" else _MODES[image.bands]
    return Raster(libvips.to_pillow(image, mode), (0.0, 0.0, float(width), float(height)), icc)


def _has_white(image: Any) -> bool:
    """Tell whether the type says what white is, so that overshoots are cut there."""
    return image.format in ("uchar", "ushort") or bool(image.hasalpha())


def as_sums_allow(image: Any) -> Any:
    """Return the image in a form whose pixels may be averaged: no NaN, alpha premultiplied."""
    if image.format in ("float", "double"):
        # Infinities go the way of NaN: neither has a place between black and white.
        image = (image.abs() < float("inf")).ifthenelse(image, 0)
    elif image.format in ("complex", "dpcomplex"):
        image = image.abs()
    if image.hasalpha():
        interpretation = image.interpretation
        if image.bands == 2:  # noqa: PLR2004 - grey and alpha; from here on three channels and alpha
            image = image[0].bandjoin([image[0], image[0], image[1]])
            interpretation = "rgb16" if image.format == "ushort" else "srgb"
        image = image.copy(interpretation=interpretation)
        image = image.premultiply(max_alpha=65535 if interpretation == "rgb16" else 255)
    return image


def as_bytes(image: Any, icc: bytes | None) -> tuple[Any, bytes | None]:
    """Return the image as 8-bit L, RGB, RGBa or CMYK, and its profile if that still fits."""
    if image.interpretation in ("lab", "labs", "labq", "xyz", "scrgb", "hsv", "lch", "yxy"):
        return image.colourspace("srgb"), None
    interpretation = image.interpretation
    if image.format in ("float", "double") and interpretation in ("srgb", "rgb16", "grey16"):
        image = image if interpretation == "srgb" else image / 257.0
    elif image.format == "ushort":
        image = image / 257.0
    elif image.format != "uchar":
        image = _stretch(image)
    if image.bands not in (1, 3, 4):
        image = image[:3] if image.bands > 4 else image[0]  # noqa: PLR2004
    if image.format != "uchar":
        image = (image + 0.5).cast("uchar")
    if interpretation == "cmyk":
        return image[:4].copy(interpretation="cmyk"), icc
    return image.copy(interpretation="b-w" if image.bands == 1 else "srgb"), icc


def _stretch(image: Any) -> Any:
    """Scale values that have no natural white (float, 32-bit, signed) by their own range."""
    image = image.copy_memory()
    low, high = image.min(), image.max()
    return (image - low) * (255.0 / (high - low)) if high > low else image * 0


def _orientation(image: Any, name: str) -> int:
    """Return the EXIF or TIFF orientation; AVIF's own transforms are applied by its decoder."""
    if name == "avif" or not has(image, "orientation"):
        return 1
    value = image.get("orientation")
    if not 1 <= value <= 8:  # noqa: PLR2004
        return 1
    return int(value)
