"""Digests of what goes up: streamed, compared with what was announced, in the forms APIs want."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from shard.errors import ContentChanged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shard.storage.base import Headers

CHUNK = 1 << 20


def md5() -> hashlib._Hash:
    """Return a new MD5, which here names contents and keeps no secrets."""
    return hashlib.md5(usedforsecurity=False)


def md5_of(chunks: Iterable[bytes]) -> str:
    """Return the MD5 of all chunks together, in hexadecimal."""
    whole = md5()
    for chunk in chunks:
        whole.update(chunk)
    return whole.hexdigest()


def base64_of(hexadecimal: str) -> str:
    """Return a digest as HTTP headers and Google's JSON spell it."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def hexadecimal_of(text: str | None) -> str:
    """Return a digest that was spelled in base64; empty for none."""
    return base64.b64decode(text).hex() if text else ""


class Announced:
    """Follows a file on its way up; ``check`` tells whether it was what ``headers`` announce."""

    def __init__(self, headers: Headers) -> None:
        self._wanted = {"md5": headers.md5, "sha256": headers.sha256}
        self._digests = {name: hashlib.new(name) for name, text in self._wanted.items() if text}

    def update(self, chunk: bytes) -> None:
        """Take note of the next bytes."""
        for digest in self._digests.values():
            digest.update(chunk)

    def check(self, url: str) -> None:
        """Raise ``ContentChanged`` that names ``url`` if other bytes came."""
        for name, digest in self._digests.items():
            if digest.hexdigest() != self._wanted[name]:
                raise ContentChanged(url, "the file changed while it was uploaded")
