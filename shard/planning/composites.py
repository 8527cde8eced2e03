"""What is to be known of a composite beside its pixels: carried in the JPEG itself, as a comment.

So it is there whenever the picture is, without a second object or a store's metadata.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

HEAD: Final = 4096
"""Bytes of a picture's beginning that hold its remark."""
_START: Final = b"\xff\xd8"
_COMMENT, _SCAN = 0xFE, 0xDA
_MARKER: Final = 0xFF


@dataclass(frozen=True, slots=True)
class Remark:
    """``aligned``: by ``wcs`` or ``stars``, ``None``: not at all; ``notes`` are sentences."""

    aligned: str | None
    notes: tuple[str, ...] = ()


def to_comment(remark: Remark) -> bytes:
    """Return the comment that ``read_remark`` reads back."""
    said = {"aligned": remark.aligned, "notes": list(remark.notes)}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def read_remark(head: bytes) -> Remark | None:
    """Return the remark in a JPEG's beginning; ``None`` where there is none."""
    at = len(_START)
    while head.startswith(_START) and at + 4 <= len(head) and head[at] == _MARKER:
        marker, size = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker == _SCAN:
            return None
        if marker == _COMMENT:
            return _parse(head[at + 4 : at + 2 + size])
        at += 2 + size
    return None


def _parse(comment: bytes) -> Remark | None:
    try:
        said = json.loads(comment)
        return Remark(said["aligned"], tuple(said["notes"]))
    except (ValueError, KeyError, TypeError):
        return None
