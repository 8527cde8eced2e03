"""A source in a file, opened for a pyramid: its header held against the limits, pixels streamed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError
from shard.imaging import boundary, libvips
from shard.imaging.decoders import FORMATS, vips
from shard.imaging.decoders.base import Want
from shard.imaging.decoders.tiff import needs_pillow
from shard.imaging.sniff import REFUSED, sniff
from shard.imaging.source import open_image
from shard.planning.fits import DEFAULT
from shard.planning.pyramids import fit

if TYPE_CHECKING:
    from pathlib import Path

    from shard.model import Limits
    from shard.planning.fits import FitsOptions
    from shard.planning.pyramids import PyramidOptions, Size

_LOADERS = {
    "jpeg": "jpeg",
    "png": "png",
    "tiff": "tiff",
    "webp": "webp",
    "gif": "gif",
    "avif": "heif",
}
"""What libvips reads from a file, a few rows at a time; all else is decoded as the job does."""
_HEAD = 1 << 16
_SHRINKS = (8, 4, 2)
_GAP = 2
_SWAPPED = 5
_POINTS = 72.0
_MODES = {"L": "b-w", "RGB": "srgb", "RGBa": "srgb", "CMYK": "cmyk"}
_COEFFICIENTS = 6
"""Bytes a pixel that libjpeg holds of a progressive file: 16 bits a coefficient, 3 channels."""
_DECODED = 8
"""Bytes a pixel while an image that is decoded whole goes from Pillow to libvips."""
_DRAWN = 16
"""Bytes a pixel while a PDF's page goes from its renderer by way of Pillow to libvips."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source whose pixels are not decoded yet. ``stored`` is (width, height) before orientation.

    ``whole``: bytes that decoding holds because it cannot stream. ``depth``: bytes of a channel,
    2 only where 16 bits are kept.
    """

    path: Path
    format: str
    stored: Size
    orientation: int
    whole: int
    options: PyramidOptions
    limits: Limits
    depth: int = 1
    notes: tuple[str, ...] = ()
    fits: FitsOptions = DEFAULT

    @property
    def size(self) -> Size:
        """Width and height, upright, in pixels."""
        return self.stored[::-1] if self.orientation >= _SWAPPED else self.stored

    def load(self, least: Size) -> tuple[Any, bytes | None]:
        """Return a libvips image of ``least`` (stored axes) times two or more, and its profile.

        Where the source is smaller, all of it. Alpha is premultiplied.
        """
        if self.format == "pdf":
            return _page(self, least), None
        if self.format not in _LOADERS or self.notes == ("by_pillow",):
            return self._decoded()
        image = self._open(least)
        icc = image.get("icc-profile-data") if vips.has(image, "icc-profile-data") else None
        return vips.as_sums_allow(image), icc

    def _open(self, least: Size) -> Any:
        options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
        if self.limits.accept_truncated:
            options["fail_on"] = "none"
        if self.format == "jpeg":
            width, height = self.stored
            options["shrink"] = next(
                (
                    n
                    for n in _SHRINKS
                    if width >= n * _GAP * least[0] and height >= n * _GAP * least[1]
                ),
                1,
            )
        elif self.format == "tiff" and self.options.page > 1:
            _require_page(libvips.call("tiffload", str(self.path)), self.options)
            options["page"] = self.options.page - 1
        return libvips.call(f"{_LOADERS[self.format]}load", str(self.path), **options)

    def _decoded(self) -> tuple[Any, bytes | None]:
        """Decode with the job's own decoders: the whole image at once."""
        source = open_image(self.path.read_bytes(), self.limits, None, self.fits)
        raster = source.decode(Want(*self.stored), self.limits)
        mode = raster.image.mode
        image = libvips.from_pillow(raster.image).copy(interpretation=_MODES[mode])
        return image, raster.icc


def open_source(
    path: Path, options: PyramidOptions, limits: Limits, fits: FitsOptions = DEFAULT
) -> Opened:
    """Sniff, read the header, refuse what is over ``limits``, before any pixel is decoded.

    ``fits`` says how a FITS frame is drawn. Raises ``ImageError``, with the reasons of
    ``imaging.open_image``.
    """
    if path.stat().st_size == 0:
        raise ImageError("empty", "the object has no bytes")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    kind = sniff(head)
    if kind is None:
        raise ImageError("not_an_image", f"no image format begins with {head[:8]!r}")
    if kind in REFUSED:
        raise ImageError("unsupported", f"{REFUSED[kind]}; accepted: {', '.join(FORMATS)}")
    with boundary.only_image_errors(kind, complete=_is_complete(kind, path)):
        opened = _open_kind(Opened(path, kind, (0, 0), 1, 0, options, limits, fits=fits))
    width, height = opened.stored
    if width * height > limits.max_pixels:
        said = f"{width}x{height} is {width * height} pixels"
        raise ImageError("too_many_pixels", f"{said}; accepted: up to {limits.max_pixels}")
    return opened


def _is_complete(kind: str, path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _HEAD))
        return boundary.is_complete(kind, file.read()) if kind != "webp" else True


def _open_kind(blank: Opened) -> Opened:
    path, kind, options = blank.path, blank.format, blank.options
    if kind == "pdf":
        stored = _page_size(path, options)
        drawn = fit(stored, options.max_size)
        return replace(blank, stored=stored, whole=drawn[0] * drawn[1] * _DRAWN)
    if kind not in _LOADERS or (kind == "tiff" and _is_for_pillow(path, options)):
        return _open_whole(blank)
    image = blank._open((1, 1)) if kind != "jpeg" else libvips.call("jpegload", str(path))  # noqa: SLF001 - our own
    orientation = image.get("orientation") if vips.has(image, "orientation") else 1
    if kind == "avif" or not 1 <= orientation <= 8:  # noqa: PLR2004 - EXIF's eight
        orientation = 1
    return replace(
        blank,
        stored=(image.width, image.height),
        orientation=orientation,
        whole=_whole(image, kind),
        depth=2 if image.format == "ushort" and options.keeps_depth else 1,
    )


def _open_whole(blank: Opened) -> Opened:
    """Open what the job's own decoders read, from memory."""
    source = open_image(blank.path.read_bytes(), blank.limits, None, blank.fits)
    width, height = source.header.width, source.header.height
    return replace(
        blank,
        stored=(width, height),
        orientation=source.orientation,
        whole=width * height * _DECODED + blank.path.stat().st_size,
        notes=("by_pillow",),
    )


def _is_for_pillow(path: Path, options: PyramidOptions) -> bool:
    """Tell whether libvips leaves this TIFF's compression out; its page must be the first then."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for_pillow = needs_pillow(data)
    if for_pillow and options.page > 1:
        said = f"of a TIFF compressed like this only page 1 can be read, not page {options.page}"
        raise ImageError("unsupported", said)
    return for_pillow


def _require_page(image: Any, options: PyramidOptions) -> None:
    """Refuse a page that a TIFF does not have."""
    pages = image.get("n-pages") if vips.has(image, "n-pages") else 1
    if options.page > pages:
        raise _no_page("TIFF", pages, options)


def _no_page(what: str, pages: int, options: PyramidOptions) -> ImageError:
    has = "1 page" if pages == 1 else f"{pages} pages"
    return ImageError("no_such_page", f"this {what} has {has}; page {options.page} is asked for")


def _whole(image: Any, kind: str) -> int:
    """Return the bytes that decoding holds because the file cannot be streamed."""
    pixels = int(image.width * image.height)
    interlaced = vips.has(image, "interlaced") and bool(image.get("interlaced"))
    if kind == "jpeg":
        return pixels * _COEFFICIENTS if interlaced else 0
    if kind in ("webp", "avif", "gif"):
        return pixels * 4
    return pixels * int(image.bands) * 2 if interlaced else 0


def _page_size(path: Path, options: PyramidOptions) -> Size:
    """Return a PDF page's size in pixels at ``dpi``."""
    with _document(path) as document:
        if options.page > len(document):
            raise _no_page("PDF", len(document), options)
        width, height = document.get_page_size(options.page - 1)
    scale = options.dpi / _POINTS
    return max(1, round(width * scale)), max(1, round(height * scale))


def _page(opened: Opened, least: Size) -> Any:
    """Draw the page at the size that is wanted: it has no pixels of its own to shrink."""
    options = opened.options
    width, height = fit(opened.stored, least)
    with _document(opened.path) as document:
        page = document[options.page - 1]
        across = page.get_size()[0] or 1.0
        bitmap = page.render(scale=width / across, fill_color=(255,) * 4)
        image = bitmap.to_pil().convert("RGB").resize((width, height))
    return libvips.from_pillow(image).copy(interpretation="srgb")


def _document(path: Path) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(str(path))
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise ImageError("unsupported", "this PDF wants a password") from error
        raise
