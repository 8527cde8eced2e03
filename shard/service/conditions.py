"""Conditional requests (RFC 9110, 13): whether the client has what it would get."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

_OF_304: Final = frozenset({b"etag", b"last-modified", b"cache-control", b"vary"})


class Raw(Response):
    """A response whose headers are ready as they go over the wire."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status_code, self.raw_headers, self.body = status, headers, body
        self.background = None


def kept(headers: Headers) -> Headers:
    """Return the headers that a 304 has of those that a 200 would have."""
    return [header for header in headers if header[0] in _OF_304]


def is_current(
    headers: Iterable[tuple[bytes, bytes]], etag: str, modified: datetime | None
) -> bool:
    """Tell whether If-None-Match or, only without it, If-Modified-Since is answered by a 304.

    ``headers`` are the request's, their names in lower case.
    """
    since = b""
    tags: list[bytes] = []
    for name, value in headers:
        if name == b"if-none-match":
            tags.append(value)
        elif name == b"if-modified-since":
            since = value
    if tags:
        return any(_matches(value, etag.encode()) for value in tags)
    return bool(since) and modified is not None and _not_since(since, modified)


def _matches(value: bytes, etag: bytes) -> bool:
    given = (tag.strip() for tag in value.split(b","))
    return any(tag == b"*" or tag.removeprefix(b"W/") == etag for tag in given)


def _not_since(value: bytes, modified: datetime) -> bool:
    try:
        moment = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, OverflowError):
        return False
    if moment.tzinfo is None:  # "-0000" and old forms: a date in HTTP is always GMT
        moment = moment.replace(tzinfo=UTC)
    return modified.replace(microsecond=0) <= moment
