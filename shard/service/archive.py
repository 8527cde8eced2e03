"""The archive's API: who may see which frame is its word, asked for at every request."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections import OrderedDict
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import httpx

from shard.planning.archive_records import REDUCED
from shard.service.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.frame_settings import FrameSettings

_LARGEST: Final = 16_000_000
"""Bytes of one answer; a page of a hundred records is about 200 kB."""
_PAGES: Final = 20
_REDIRECTS: Final = 3
_TRIES: Final = 2
_REMEMBERED: Final = 8_000_000
"""Bytes of answers that are kept; read, they take several times as many."""
_PASSED_ON: Final = {
    401: ("unauthorized", "the archive wants credentials for this, or does not know these"),
    403: ("forbidden", "the archive does not show this with these credentials"),
    404: ("not_found", "Not found: the archive has no such frame, or does not show it to you"),
    429: ("archive_busy", "the archive is asked too often; try again later"),
}
"""What the archive says to the caller, who gave the credentials; all else is its failure."""
_TOLD_ON: Final = ("www-authenticate", "retry-after")


class Archive:
    """Asks the archive on a caller's behalf, with the caller's Authorization and nothing else.

    The value goes to the archive's own origin only, and stands in no log, error or cache: answers
    are kept for ``archive_cache`` seconds under a digest of it with a secret of this process.
    """

    def __init__(self, settings: FrameSettings) -> None:
        self._base = httpx.URL(settings.archive)
        self._seconds, self._keep = settings.archive_timeout, settings.archive_cache
        # A session that the archive begins for one caller is nobody else's: no cookies are kept.
        none = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx.AsyncClient(timeout=settings.archive_timeout, cookies=none)
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[float, int, Any]] = OrderedDict()
        self._kept_bytes = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def frame(self, number: int, authorization: str | None) -> Mapping[str, Any]:
        """Return the record of a frame by its id. Raises ``Refusal``, as the others here."""
        record = await self._ask(f"frames/{number}/", {}, authorization)
        if not isinstance(record, dict) or record.get("id") != number:
            raise _failed("it answered with another record than that of the frame")
        return record

    async def frame_called(self, basename: str, authorization: str | None) -> Mapping[str, Any]:
        """Return the record of the one frame whose name without extension this is."""
        answer = await self._ask("frames/", {"basename_exact": basename}, authorization)
        found = [one for one in _results(answer) if one.get("basename", basename) == basename]
        if len(found) != 1:
            said = f"{len(found)} frames have this name" if found else "no frame has this name"
            raise Refusal(404, "not_found", f"Not found: {said}")
        return found[0]

    async def frames_of(self, request: str, authorization: str | None) -> list[Mapping[str, Any]]:
        """Return the records of a request's reduced frames, of all pages."""
        query = {"request_id": request, "reduction_level": str(REDUCED)}
        found: list[Mapping[str, Any]] = []
        for _ in range(_PAGES):
            answer = await self._ask("frames/", query, authorization)
            found += _results(answer)
            following = answer.get("next")
            if not isinstance(following, str) or not following:
                return found
            # Only its query: a proxy before the archive may make it name another origin.
            query = _query_of(following)
        return found

    async def _ask(self, path: str, query: Mapping[str, str], authorization: str | None) -> Any:
        url = self._base.join(path).copy_merge_params(query) if query else self._base.join(path)
        key = self._key(str(url), authorization)
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[2]
        answer, size = await self._fetch(url, authorization)
        if self._keep:
            self._remember(key, size, answer)
        return answer

    def _remember(self, key: bytes, size: int, answer: Any) -> None:
        """Keep an answer, and no longer those whose time is over or that are too many."""
        now = time.monotonic()
        self._kept_bytes -= self._kept.pop(key, (0.0, 0, None))[1]
        self._kept[key] = (now + self._keep, size, answer)
        self._kept_bytes += size
        while self._kept:
            until, oldest, _ = next(iter(self._kept.values()))
            if now < until and self._kept_bytes <= _REMEMBERED:
                return
            self._kept.popitem(last=False)
            self._kept_bytes -= oldest

    def _key(self, url: str, authorization: str | None) -> bytes:
        said = json.dumps([url, authorization]).encode()
        return hashlib.blake2b(said, key=self._secret, digest_size=32).digest()

    async def _fetch(self, url: httpx.URL, authorization: str | None) -> tuple[Any, int]:
        """Return an answer and its bytes; raise ``Refusal`` for all that goes wrong.

        Asks once more where the connection failed.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                async with asyncio.timeout(self._seconds):
                    response, body = await self._follow(url, authorization)
            except (TimeoutError, httpx.TimeoutException):
                said = f"the archive did not answer within {self._seconds:g} s"
                raise Refusal(504, "archive_timeout", said) from None
            except httpx.DecodingError:
                raise _failed("its answer is not compressed as it says") from None
            except (httpx.TransportError, httpx.InvalidURL):
                if attempt == _TRIES:
                    raise _failed("it cannot be reached, or broke off") from None
            else:
                return _read(response, body), len(body)
        raise AssertionError("unreachable")  # the last try returns or raises

    async def _follow(
        self, url: httpx.URL, authorization: str | None
    ) -> tuple[httpx.Response, bytes]:
        """Return the answer at the end of the redirects; elsewhere nobody sees the credentials."""
        for _ in range(_REDIRECTS + 1):
            headers = {b"accept": b"application/json"}
            if authorization is not None and _origin(url) == _origin(self._base):
                # As it came, be it ASCII or not: what it is worth is for the archive to say.
                headers[b"authorization"] = authorization.strip(" \t").encode("latin-1")
            async with self._client.stream("GET", url, headers=headers) as response:
                if response.next_request is None:
                    return response, await _body(response)
                url = response.next_request.url
        raise _failed("it redirects too often")


def _query_of(url: str) -> dict[str, str]:
    try:
        return dict(httpx.URL(url).params)
    except httpx.InvalidURL:
        raise _failed("its next page is no URL") from None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST:
            raise _failed(f"its answer has more than {_LARGEST} bytes")
    return bytes(body)


def _read(response: httpx.Response, body: bytes) -> Any:
    status = response.status_code
    if status in _PASSED_ON:
        reason, message = _PASSED_ON[status]
        told = {name: response.headers[name] for name in _TOLD_ON if name in response.headers}
        raise Refusal(status, reason, message, told)
    if not response.is_success:
        raise _failed(f"it answered with status {status}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _failed("its answer is no JSON") from None


def _results(answer: object) -> list[Mapping[str, Any]]:
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise _failed("its answer is no page of records")
    return results


def _failed(what: str) -> Refusal:
    return Refusal(502, "archive", f"the archive failed: {what}")
