"""What a URL asks for: a source's name, a rendition, a key; nothing that could lead elsewhere."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from shard.errors import SettingError, ShardError
from shard.planning.renditions import canonical, parse_renditions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shard.model import Rendition

LONGEST_KEY: Final = 1024
"""Bytes of a key in UTF-8: no object store takes more."""
_PATH: Final = 4  # "", "thumb", rendition, key
_DELETE: Final = "\x7f"


class BadRequest(ShardError):
    """The URL cannot be meant. ``reason`` is a word, ``status`` HTTP's number."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Asked:
    """A path ``/thumb/{rendition}/{key}``, percent-decoded once."""

    rendition: str
    key: str


def parse_path(raw: bytes) -> Asked:
    """Read a path as it came over the wire, the query left out.

    A byte that is not UTF-8 becomes a surrogate, as in the names of local files. Raises
    ``BadRequest``.
    """
    pieces = raw.split(b"/", _PATH - 1)
    if len(pieces) < _PATH:
        raise BadRequest(404, "no_key", "accepted: /thumb/{rendition}/{key}")
    rendition, key = (
        unquote_to_bytes(piece).decode("utf-8", "surrogateescape") for piece in pieces[2:]
    )
    return Asked(rendition, key)


def check_key(key: str) -> str:
    """Return the key, if it names something below a prefix. Raises ``BadRequest``."""
    if not key:
        raise BadRequest(404, "no_key", "accepted: /thumb/{rendition}/{key}")
    if len(key.encode("utf-8", "surrogateescape")) > LONGEST_KEY:
        raise BadRequest(400, "key_too_long", f"the key is longer than {LONGEST_KEY} bytes")
    if any(char < " " or char in ("\\", _DELETE) for char in key):
        message = "the key holds a backslash or a control character"
        raise BadRequest(400, "key_refused", message)
    if {"", ".", ".."} & set(key.split("/")):
        message = "the key has an empty, '.' or '..' segment"
        raise BadRequest(400, "key_refused", message)
    return key


def named(name: str, renditions: Sequence[Rendition]) -> Rendition:
    """Return the rendition of this name. Raises ``BadRequest`` that tells those there are."""
    for rendition in renditions:
        if rendition.name == name:
            return rendition
    names = ", ".join(rendition.name for rendition in renditions)
    raise BadRequest(404, "no_rendition", f"no such rendition; there are: {names}")


def signature(secret: str, asked: Asked, expires: str = "") -> str:
    """Return what allows ``asked``, whose rendition is a text as in RENDITIONS, until ``expires``.

    HMAC-SHA256 (RFC 2104) in hexadecimal over rendition, key and expiry (Unix seconds, or empty),
    each as the URL says it, percent-decoded, with a newline between two.
    """
    message = f"{asked.rendition}\n{asked.key}\n{expires}"
    return hmac.new(
        secret.encode(), message.encode("utf-8", "surrogateescape"), hashlib.sha256
    ).hexdigest()


def signed(
    secret: str | None, asked: Asked, query: Mapping[str, str], now: float
) -> Rendition | None:
    """Return the rendition that a signed URL describes; ``None`` where the URL is not signed.

    Its name follows from all that it says, so that two that differ never meet. Raises
    ``BadRequest``.
    """
    given = query.get("signature")
    if given is None:
        return None
    if secret is None:
        raise BadRequest(404, "no_signatures", "signed URLs are off: SIGNING_KEY is not set")
    expires = query.get("expires", "")
    wanted = signature(secret, asked, expires)
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape")):
        raise BadRequest(403, "bad_signature", "the signature does not fit this URL")
    if expires and not (expires.isascii() and expires.isdigit() and len(expires) < 16):  # noqa: PLR2004 - no time is so far away
        raise BadRequest(400, "bad_expiry", "expires= takes Unix seconds")
    if expires and int(expires) < now:
        raise BadRequest(403, "expired", "this URL has expired")
    return _described(asked.rendition)


def _described(text: str) -> Rendition:
    if not text.isprintable():
        raise BadRequest(400, "bad_rendition", "the rendition holds a control character")
    try:
        found = parse_renditions(text, "the rendition")
    except SettingError as error:
        raise BadRequest(400, "bad_rendition", str(error)) from None
    if len(found) > 1:
        raise BadRequest(400, "bad_rendition", "accepted: one rendition, as 300x200,fit=cover")
    plain = replace(found[0], name="x")
    digest = hashlib.blake2b(canonical(plain).encode(), digest_size=8).hexdigest()
    return replace(plain, name=f"{plain.width}x{plain.height}-{digest}")
