"""The marker: a small JSON object that says "this source object wants a pyramid".

Pure, and light: an event function in the cloud is made of this module and little else.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from shard.errors import SettingError, ShardError
from shard.planning.formats import extension, is_image_name
from shard.planning.inputs import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shard.model import Item

PREFIX: Final = "rbsc/"
"""Where markers lie in the process bucket."""
FAILED: Final = "failed/"
"""Beside the prefix: where the markers of what failed too often are moved."""
EXTENSIONS: Final = ("jpeg", "jpg", "bmp", "tif", "tiff", "png", "pdf", "jp2")
_LONG: Final = 1_024
_SUFFIX: Final = ".json"
_ACCEPTED_PREFIX: Final = f"a folder that ends in /, not {FAILED} or below it, as {PREFIX}"


class MarkerError(ShardError):
    """What lies where a marker should be is none. ``reason`` is a word for the ledger."""

    reason = "bad_marker"
    exit_code = 1


@dataclass(frozen=True, slots=True)
class Marker:
    """Wants a pyramid of the object ``key`` (whole, below its bucket) in the folder ``path``.

    ``path`` is empty or ends in ``/``. ``etag`` (without quotes), ``bucket``, ``size`` (bytes) and
    ``time`` (ISO 8601) are as the event told them; older markers have none of these. ``attempts``
    have failed, the last one for ``reason``. ``copyright``: the picture may only be shown small.
    ``sequence`` orders the uploads of one key, where the event told (see ``planning.marking``).
    """

    key: str
    path: str
    etag: str = ""
    bucket: str = ""
    size: int | None = None
    time: str = ""
    attempts: int = 0
    reason: str = ""
    copyright: bool = False
    sequence: str = ""

    @classmethod
    def of(cls, item: Item, bucket: str) -> Marker:
        """Return the marker of a listed object; ``item.key`` is whole."""
        time = "" if item.modified is None else item.modified.isoformat()
        etag = item.fingerprint.strip('"')
        return cls(item.key, folder_of(item.key), etag, bucket, item.size, time)

    def failed(self, reason: str) -> Marker:
        """Return the marker after one more attempt that came to nothing."""
        return replace(self, attempts=self.attempts + 1, reason=reason)

    def to_json(self) -> bytes:
        """Return the marker as it is stored; ``read_marker`` reads it back."""
        facts: dict[str, Any] = {"key": self.key, "path": self.path, "eTag": self.etag}
        facts |= {"bucket": self.bucket, "size": self.size, "time": self.time}
        if self.attempts:
            facts |= {"attempts": self.attempts, "reason": self.reason}
        if self.copyright:
            facts["copyright"] = True
        if self.sequence:
            facts["sequence"] = self.sequence
        return json.dumps(facts, ensure_ascii=True).encode()


def read_marker(data: bytes) -> Marker:
    """Read a marker, of today's form or the older one that has only ``key`` and ``path``.

    A ``path`` that is not told is the key's folder; one without its slash gets it. Raises
    ``MarkerError``.
    """
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MarkerError("this marker is not JSON") from error
    if not isinstance(facts, dict):
        raise MarkerError("this marker is not a JSON object")
    key = facts.get("key")
    if not isinstance(key, str) or not key or key.endswith("/"):
        raise MarkerError(f"its key is {key!r}; accepted: the key of a source object")
    path = facts.get("path", folder_of(key))
    if not isinstance(path, str) or ".." in path.split("/"):
        raise MarkerError(f"its path is {path!r}; accepted: a folder with its slash, or ''")
    path = path.strip("/")
    size, attempts = facts.get("size"), facts.get("attempts", 0)
    return Marker(
        key=key,
        path=f"{path}/" if path else "",
        etag=str(facts.get("eTag") or "").strip('"'),
        bucket=str(facts.get("bucket") or ""),
        size=size if isinstance(size, int) else None,
        time=str(facts.get("time") or ""),
        attempts=attempts if isinstance(attempts, int) and attempts > 0 else 0,
        reason=str(facts.get("reason") or ""),
        copyright=facts.get("copyright") in (True, "true", "yes", "copyright"),
        sequence=str(facts.get("sequence") or ""),
    )


def check_prefix(prefix: str, variable: str) -> str:
    """Return the markers' prefix with its slash. Raises ``SettingError``."""
    whole = prefix.strip("/") + "/"
    if whole == "/" or whole.startswith(FAILED) or ".." in whole.split("/"):
        raise SettingError(variable, prefix, _ACCEPTED_PREFIX)
    return whole


def marker_key(prefix: str, key: str) -> str:
    """Return where the marker of a source object lies: ``<prefix><whole key>.json``."""
    return f"{prefix}{key}{_SUFFIX}"


def is_marker(key: str, prefix: str) -> bool:
    """Tell whether an object of the process bucket is named as a marker."""
    return key.startswith(prefix) and key.endswith(_SUFFIX)


def failed_key(marker: str) -> str:
    """Return where the marker at this key is moved when it failed too often."""
    return FAILED + marker


@dataclass(frozen=True, slots=True)
class Rules:
    """Which source objects want a pyramid.

    ``extensions`` are in lower case, without dot; none given: all that images have. ``prefixes``
    of nothing accepts all keys; ``exclude`` are prefixes of what Shard itself writes into the
    same bucket.
    """

    extensions: tuple[str, ...] = EXTENSIONS
    prefixes: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def judge(self, key: str) -> Judgement:
        """Judge a source key; the first row that fits counts.

        =================================================  ============
        key                                                reason
        =================================================  ============
        ends in ``/``                                      folder
        below one of ``exclude``                           output
        a name or a folder that begins with ``.``          hidden
        ``prefixes`` are given and it begins with none     not_included
        extension (in any case) not one of ``extensions``  other_file
        any other                                          image
        =================================================  ============
        """
        if key.endswith("/") or not key:
            return Judgement(False, "folder")
        if any(key.startswith(prefix) for prefix in self.exclude):
            return Judgement(False, "output")
        if key.startswith(".") or "/." in key:
            return Judgement(False, "hidden")
        if self.prefixes and not key.startswith(self.prefixes):
            return Judgement(False, "not_included")
        known = extension(key)[1:].lower() in self.extensions
        if not (known if self.extensions else is_image_name(key)):
            return Judgement(False, "other_file")
        return Judgement(True, "image")


def folder_of(key: str) -> str:
    """Return the key's folder with its slash, empty at the root."""
    return key[: key.rfind("/") + 1]


def stem_of(key: str) -> str:
    """Return the key without its extension, if that is one of an image."""
    return key[: -len(extension(key))] if is_image_name(key) else key


def group_of(key: str) -> str:
    """Return what all keys have in common that could ever share an output: no image extension."""
    while (shorter := stem_of(key)) != key and not shorter.endswith("/"):
        key = shorter
    return key


def output_stems(keys: Iterable[str]) -> dict[str, str]:
    """Return key -> its output's key without ``.tif``; ``keys`` are all images of a group.

    In the order of the keys' bytes each gets its stem, unless an earlier one has it; then its
    whole name, which no other can have: only itself and later keys could have it as their stem.

    ==================  ======================
    keys                output
    ==================  ======================
    ``a/x.jpg``         ``a/x.tif``
    ``a/x.png``         ``a/x.png.tif``
    ``a/x.png.tif``     ``a/x.png.tif.tif``
    ==================  ======================
    """
    taken: dict[str, str] = {}
    for key in sorted(set(keys), key=lambda key: key.encode("utf-8", "surrogateescape")):
        stem = stem_of(key)
        taken[key if stem in taken else stem] = key
    return {key: stem for stem, key in taken.items()}


def output_key(marker: Marker, stem: str, suffix: str = ".tif") -> str:
    """Return ``<path><stem>.tif``; ``stem`` is the key's from ``output_stems``."""
    return f"{marker.path}{stem[len(folder_of(stem)) :]}{suffix}"


def metadata(key: str, etag: str, size: tuple[int, int]) -> dict[str, str]:
    """Return what a pyramid's object says of itself; ``size`` is its (width, height) in pixels.

    The source's ``key`` is percent-encoded: S3's metadata are ASCII. Where that takes more than
    half of the 2 kB that all of them may have, it is RFC 2047's ``=?UTF-8?B?...?=``.
    """
    width, height = size
    quoted = quote(key, safe="/", errors="surrogateescape")
    if len(quoted) > _LONG:
        coded = b64encode(key.encode("utf-8", "surrogateescape")).decode()
        quoted = f"=?UTF-8?B?{coded}?="
    facts = {"source-key": quoted, "source-etag": etag}
    return {**facts, "width": str(width), "height": str(height)}
