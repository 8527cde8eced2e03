"""What the first bytes of a large file are good for, so that the rest need not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard.errors import ImageError
from shard.imaging import jpeg_scan
from shard.imaging.decoders.jpeg import is_eighth_enough
from shard.imaging.sniff import sniff
from shard.imaging.source import open_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shard.model import Limits, Rendition

# Refusals that a JPEG's first bytes alone can justify; the others may be the missing rest's fault.
_CERTAIN = frozenset({"unsupported", "too_many_pixels"})


def from_head(head: bytes, renditions: Sequence[Rendition], limits: Limits) -> bytes | None:
    """Return a JPEG made of ``head`` that renders to the same bytes as the whole file would.

    ``None`` if the whole is needed. Raises ``ImageError`` if the head already refuses the file.
    Only JPEG is looked into: this may run beside a decoder, and not all of them bear company.
    The caller still has to see that the file is not cut off: ``ends_jpeg``.
    """
    kind = sniff(head)
    if kind is None:
        raise ImageError("not_an_image", f"no image format begins with {head[:8]!r}")
    if kind != "jpeg":
        return None
    try:
        source = open_image(head, limits)
    except ImageError as error:
        if error.reason in _CERTAIN:
            raise
        return None
    enough = source.progressive and is_eighth_enough(source.header, source.want(renditions))
    return jpeg_scan.dc_cut(head) if enough else None


def ends_jpeg(tail: bytes) -> bool:
    """Tell whether a file that ends so has its end-of-image marker, padding after it allowed."""
    return jpeg_scan.EOI in tail
