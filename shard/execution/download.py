"""Files of frames over HTTP: bounded in bytes and time, in memory as far as that serves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from shard.errors import ImageError
from shard.planning.archive_records import is_web_url

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from shard.execution.work import DownloadBounds

_REDIRECTS: Final = 5
_TRIES: Final = 2
_CONNECT_TIMEOUT: Final = 10.0


class _Again(Exception):
    """The connection failed: worth one more try."""


def download(url: str, path: Path, bounds: DownloadBounds) -> bytes | Path:
    """Return what is at ``url``: its bytes, or ``path`` with them where they are too many.

    Sends no credentials of any kind. Tries once more where the connection failed. Whoever calls
    removes ``path``'s folder, whatever happens. Raises ``ImageError``: ``download_failed``,
    ``download_timeout``, ``too_many_bytes``; the text names the host, never the URL, whose query
    may be a signature.
    """
    try:
        import httpx
    except ImportError as error:
        raise ImageError("missing_extra", "frames need `pip install 'shard[serve]'`") from error
    try:
        return asyncio.run(_within(httpx, url, path, bounds))
    except (TimeoutError, httpx.TimeoutException):
        raise _late(url, bounds) from None
    except (httpx.TransportError, httpx.InvalidURL, _Again):
        raise _failed(url, "it cannot be reached, or broke off") from None


async def _within(library: Any, url: str, path: Path, bounds: DownloadBounds) -> bytes | Path:
    """Try twice, within the time that all of it may take.

    The time-outs of a client are for each wait: one who sends a byte now and then, of a header
    without end, never meets them. A loop of its own ends whatever is under way.
    """
    timeout = library.Timeout(bounds.seconds, connect=min(_CONNECT_TIMEOUT, bounds.seconds))
    async with (
        asyncio.timeout(bounds.seconds),
        library.AsyncClient(timeout=timeout, follow_redirects=False) as client,
    ):
        for _ in range(1, _TRIES):
            with contextlib.suppress(_Again, library.NetworkError, library.RemoteProtocolError):
                return await _follow(client, url, path, bounds)
        return await _follow(client, url, path, bounds)


async def _follow(
    client: httpx.AsyncClient, url: str, path: Path, bounds: DownloadBounds
) -> bytes | Path:
    headers = {"accept-encoding": "identity"}  # what is compressed twice would be counted wrongly
    at = url
    for _ in range(_REDIRECTS + 1):
        if not is_web_url(at):
            raise _failed(at, "it is redirected to what is no http or https URL")
        async with client.stream("GET", at, headers=headers) as response:
            if response.next_request is None:
                return await _take(response, at, path, bounds)
            at = str(response.next_request.url)
    raise _failed(at, "it is redirected too often")


async def _take(
    response: httpx.Response, url: str, path: Path, allowed: DownloadBounds
) -> bytes | Path:
    if not response.is_success:
        raise _failed(url, f"its server answered with status {response.status_code}")
    said = response.headers.get("content-length", "")
    announced = int(said) if said.isdecimal() else None
    _check(announced or 0, allowed)
    held, file, size = bytearray(), None, 0
    try:
        async for chunk in response.aiter_raw():
            size += len(chunk)
            _check(size, allowed)
            if file is None and size > allowed.memory:
                path.parent.mkdir(exist_ok=True)
                file = path.open("wb")
                file.write(held)
                held.clear()
            if file is None:
                held += chunk
            else:
                file.write(chunk)
    finally:
        if file is not None:
            file.close()
    if announced is not None and size != announced:
        raise _Again
    return bytes(held) if file is None else path


def _check(size: int, allowed: DownloadBounds) -> None:
    if size > allowed.bytes:
        detail = f"the frame's file has more bytes than MAX_BYTES accepts: {allowed.bytes}"
        raise ImageError("too_many_bytes", detail)


def _late(url: str, bounds: DownloadBounds) -> ImageError:
    said = f"the frame's file did not come from {_host(url)} within {bounds.seconds:g} s"
    return ImageError("download_timeout", said)


def _failed(url: str, what: str) -> ImageError:
    return ImageError("download_failed", f"the frame's file at {_host(url)}: {what}")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"
