"""An image that was accepted: sniffed, its header read and held against the limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shard.errors import ImageError
from shard.imaging import boundary, geometry
from shard.imaging.decoders import FORMATS, decoder_for, fits_decoder
from shard.imaging.decoders.base import GAP, Want
from shard.imaging.sniff import REFUSED, sniff
from shard.planning import formats
from shard.planning.fits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shard.imaging.decoders.base import Decoder, Header, Raster
    from shard.imaging.geometry import Size
    from shard.model import Format, Limits, Rendition
    from shard.planning.fits import FitsOptions

_ANIMATED = frozenset({"gif", "webp", "avif", "heic", "jxl"})
_SWAPPED = 5
"""EXIF orientations from here on swap the axes."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image, its pixels not yet decoded. ``width`` and ``height`` are upright, in pixels."""

    data: bytes
    header: Header
    decoder: Decoder
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """The content's format: ``jpeg``, ``png``, ``tiff``, ..."""
        return self.header.format

    @property
    def width(self) -> int:
        """The width after orientation."""
        return self.size[0]

    @property
    def height(self) -> int:
        """The height after orientation."""
        return self.size[1]

    @property
    def size(self) -> Size:
        """Width and height after orientation."""
        stored = (self.header.width, self.header.height)
        return stored[::-1] if self.orientation >= _SWAPPED else stored

    @property
    def has_alpha(self) -> bool:
        """Whether the image may be transparent somewhere."""
        return self.header.has_alpha

    @property
    def frames(self) -> int:
        """The number of frames or pages."""
        return self.header.frames

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8."""
        return self.header.orientation

    @property
    def progressive(self) -> bool:
        """Whether the file is progressive or interlaced."""
        return self.header.interlaced

    def peak_memory(self, renditions: Sequence[Rendition]) -> int:
        """Return the bytes that decoding and resizing for ``renditions`` will take at most.

        A prediction from the header; the file's own bytes are counted too.
        """
        want = self.want(renditions)
        made = sum(4 * rendition.width * rendition.height for rendition in renditions)
        return len(self.data) + self.decoder.memory(self.header, want) + 3 * made

    def want(self, renditions: Sequence[Rendition]) -> Want:
        """Return what to decode to, for all ``renditions`` at once."""
        sizes = {geometry.plan(self.size, rendition).scaled for rendition in renditions}
        width, height = max(size[0] for size in sizes), max(size[1] for size in sizes)
        nested = all(
            GAP * size[0] <= width and GAP * size[1] <= height for size in sizes - {(width, height)}
        )
        if self.orientation >= _SWAPPED:
            width, height = height, width
        return Want(width, height, exact=nested)

    def decode(self, want: Want, limits: Limits) -> Raster:
        """Decode once for all; ``ImageError`` is all that it raises."""
        complete = boundary.is_complete(self.format, self.data)
        try:
            with boundary.only_image_errors(self.format, complete=complete):
                return self.decoder.decode(self.data, self.header, want)
        except ImageError as error:
            if not (limits.accept_truncated and error.reason == "truncated"):
                raise
        with boundary.only_image_errors(self.format, complete=complete):
            raster = self.decoder.decode(self.data, self.header, replace(want, lenient=True))
        return replace(raster, notes=tuple(dict.fromkeys((*raster.notes, "truncated"))))


def open_image(
    data: bytes, limits: Limits, name: str | None = None, fits: FitsOptions = DEFAULT
) -> Source:
    """Sniff, read the header, and refuse what is over ``limits``, before any pixel is decoded.

    ``name`` (a key) decides nothing; where its extension says another format, that is noted.
    ``fits`` says how a FITS frame is drawn.
    Raises ``ImageError``: ``empty``, ``not_an_image``, ``unsupported``, ``missing_extra``,
    ``truncated``, ``corrupt``, ``too_many_pixels``, ``too_many_bytes``, ``too_many_frames``.
    """
    if not data:
        raise ImageError("empty", "the object has no bytes")
    if len(data) > limits.max_bytes:
        raise ImageError("too_many_bytes", f"{len(data)} bytes; accepted: up to {limits.max_bytes}")
    kind = sniff(data)
    if kind is None:
        raise ImageError("not_an_image", f"no image format begins with {data[:8]!r}")
    if kind in REFUSED:
        raise ImageError("unsupported", f"{REFUSED[kind]}; accepted: {', '.join(FORMATS)}")
    with boundary.only_image_errors(kind, complete=boundary.is_complete(kind, data)):
        decoder = fits_decoder(fits, limits) if kind == "fits" else decoder_for(kind)
        header = decoder.header(data)
    _check(header, limits)
    return Source(data, header, decoder, (*header.notes, *_name_notes(kind, name)))


def output_format(source: Source, rendition: Rendition) -> Format:
    """Return the format that ``rendition`` of ``source`` is encoded in."""
    return formats.resolve(rendition.format, source.format, source.has_alpha, rendition.otherwise)


def _check(header: Header, limits: Limits) -> None:
    width, height = header.width, header.height
    if width < 1 or height < 1:
        raise ImageError("corrupt", f"the header says {width}x{height} pixels")
    if width * height > limits.max_pixels:
        raise ImageError(
            "too_many_pixels",
            f"{width}x{height} is {width * height} pixels; accepted: up to {limits.max_pixels}",
        )
    if header.format in _ANIMATED and header.frames > limits.max_frames:
        raise ImageError(
            "too_many_frames", f"{header.frames} frames; accepted: up to {limits.max_frames}"
        )


def _name_notes(kind: str, name: str | None) -> tuple[str, ...]:
    said = formats.format_for_extension(formats.extension(name)) if name else None
    return (f"named_{said}_is_{kind}",) if said and said != kind else ()
