"""The first page of a PDF, on white: pdfium through pypdfium2. Scripts and forms are not run."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError
from shard.imaging.decoders.base import Header, Raster, Want

if TYPE_CHECKING:
    from PIL import Image


_POINTS_TO_PIXELS = 2.0
"""A page has no pixels of its own: it counts as 144 dots an inch, so A4 is 1190x1684."""


@lru_cache(maxsize=1)
def _library() -> Any:
    import pypdfium2

    return pypdfium2


class PdfDecoder:
    """Draws the page at the size that is needed."""

    def header(self, data: bytes) -> Header:
        """Read the page's size."""
        with _open(data) as document:
            if len(document) == 0:
                raise ImageError("corrupt", "this PDF has no page")
            width, height = document.get_page_size(0)
            frames = len(document)
        return Header("pdf", _pixels(width), _pixels(height), frames=frames)

    def decode(self, data: bytes, header: Header, want: Want) -> Raster:
        """Draw at ``GAP`` times the need, at most at the page's nominal size."""
        ratio = max(want.least[0] / header.width, want.least[1] / header.height)
        with _open(data) as document:
            page = document[0]
            bitmap = page.render(scale=_POINTS_TO_PIXELS * min(1.0, ratio), fill_color=(255,) * 4)
            image: Image.Image = bitmap.to_pil().convert("RGB")
        return Raster(image, (0.0, 0.0, float(image.width), float(image.height)))

    def memory(self, header: Header, want: Want) -> int:
        """Count the bitmap and its copies; a page's own images are not known beforehand."""
        drawn = min(header.width * header.height, (want.least[0] + 1) * (want.least[1] + 1))
        return drawn * 12


def decoder(_name: str) -> PdfDecoder:
    """Return the decoder of this module."""
    return PdfDecoder()


def _pixels(points: float) -> int:
    return max(1, round(points * _POINTS_TO_PIXELS))


def _open(data: bytes) -> Any:
    pdfium = _library()
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise ImageError("unsupported", "this PDF wants a password") from error
        raise
