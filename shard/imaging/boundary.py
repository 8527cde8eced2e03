"""The one place where what a decoder throws becomes an ``ImageError``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from shard.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNS_OF_TRUNCATION = (
    "truncated",
    "premature end",
    "unexpected end",
    "end of file",
    "end of data",
    "not enough",
    "read error",
    "out of order read",
    "unable to read",
    "buffer is not large enough",
    "not enough image data",
)
_SIGNS_OF_A_VARIANT = (
    "not supported",
    "unsupported",
    "not configured",
    "not implemented",
    "samples out of range",
    "unknown compression",
    "unrecognized compression",
)
_DISK_FULL = ("no space left", "disk quota exceeded")
_LONGEST = 200


@contextmanager
def only_image_errors(name: str, *, complete: bool) -> Iterator[None]:
    """Let nothing but ``ImageError`` out. ``complete``: the file's end is where it should be.

    A decoder's failure on an incomplete file is ``truncated``, on a complete one ``corrupt``,
    unless the decoder's own words say that data are missing; a variant of the format that it does
    not know is ``unsupported``; where it could not lay down what it made, ``too_little_disk``.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            "too_much_memory", f"this {name} needs more memory than there is"
        ) from error
    except Exception as error:
        text = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        # Python's "'<' not supported between ..." is about a header, not about a variant.
        signs = "" if isinstance(error, TypeError) else text.lower()
        reason = _reason(signs, complete=complete)
        raise ImageError(reason, f"the {name} decoder says: {text}") from error


def _reason(text: str, *, complete: bool) -> str:
    if any(sign in text for sign in _DISK_FULL):
        return "too_little_disk"
    if any(sign in text for sign in _SIGNS_OF_A_VARIANT):
        return "unsupported"
    if not complete or any(sign in text for sign in _SIGNS_OF_TRUNCATION):
        return "truncated"
    return "corrupt"


def is_complete(name: str, data: bytes) -> bool:
    """Tell whether a file ends as its format says; ``True`` where the format does not say."""
    if name == "png":
        return b"IEND" in data[-4096:]
    if name == "gif":
        return b";" in data[-16:]
    if name == "webp":
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    if name == "svg":
        return b">" in data[-64:]
    return True
