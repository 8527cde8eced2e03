"""Which keys have a safe name: on local disk, and on an object store."""

from __future__ import annotations

from shard.errors import KeyRefused

TEMPORARY_PREFIX = ".shard-tmp-"
"""How the names of unfinished local files begin; no listing shows them."""

_NAME_BYTES = 255
_KEY_BYTES = 1024


def check_local_key(url: str, key: str) -> None:
    """Raise ``KeyRefused`` unless ``key`` is a relative path that stays below the root.

    Refused: empty, absolute, NUL, a segment that is empty, ``.``, ``..``, longer than 255 bytes
    or a name of Shard's own unfinished files.
    """
    if "\0" in key:
        raise KeyRefused(url, f"key {key!r} holds a NUL byte")
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            raise KeyRefused(
                url, f"key {key!r} has a segment {segment!r}, which names no file of its own"
            )
        if segment.startswith(TEMPORARY_PREFIX):
            raise KeyRefused(
                url, f"key {key!r}: names that begin with {TEMPORARY_PREFIX} are Shard's own"
            )
        if _length(url, segment) > _NAME_BYTES:
            raise KeyRefused(url, f"key {key!r} has a segment over {_NAME_BYTES} bytes")


def _length(url: str, segment: str) -> int:
    try:
        return len(segment.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise KeyRefused(url, f"key segment {segment!r} stands for no bytes") from None


def check_object_key(url: str, key: str, root: str) -> str:
    """Return the full key below ``root``; raise ``KeyRefused`` if no object can have it.

    Refused: empty, not UTF-8, longer than 1,024 bytes with the root (the limit of S3 and GCS).
    """
    if not key:
        raise KeyRefused(url, "an empty key names no object")
    full = root + key
    try:
        length = len(full.encode())
    except UnicodeEncodeError:
        raise KeyRefused(url, f"key {key!r} is not UTF-8, as object stores ask") from None
    if length > _KEY_BYTES:
        raise KeyRefused(url, f"key {key!r} is over {_KEY_BYTES} bytes with its prefix")
    return full
