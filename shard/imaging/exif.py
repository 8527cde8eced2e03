"""The one fact of EXIF that pixels need: which way is up."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 1_000


def orientation(exif: bytes | None) -> int:
    """Return the orientation 1-8 of an EXIF block (with or without its ``Exif`` prefix).

    1 where there is none, or where the block is damaged: a picture is not refused for its EXIF.
    """
    if not exif:
        return 1
    tiff = exif[6:] if exif[:6] == b"Exif\x00\x00" else exif
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, offset)
        for entry in range(min(count, _MAX_ENTRIES)):
            at = offset + 2 + 12 * entry
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, at)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1  # noqa: PLR2004
    except struct.error:
        return 1
    return 1


def upright(exif: bytes) -> bytes:
    """Return an EXIF block that says that the pixels are upright; empty if it is damaged."""
    from PIL import Image

    block = Image.Exif()
    try:
        block.load(exif)
        if _ORIENTATION in block:
            block[_ORIENTATION] = 1
        return block.tobytes()
    except Exception:  # noqa: BLE001 - a damaged block fails in many ways; the picture is fine
        return b""
