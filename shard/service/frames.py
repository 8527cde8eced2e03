"""Pictures of an archive's frames: in the bucket, or made; for whom the archive shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, RedirectResponse, Response

from shard.errors import ObjectMissing, ParameterError, StorageError
from shard.planning.archive_records import BadRecord, FrameRefused, accept, choose_colours
from shard.planning.composites import HEAD, read_remark
from shard.planning.frames import Answer, FrameOrder, cache_key, parse_frame_request
from shard.service import conditions
from shard.service.frame_making import KIND
from shard.service.patience import while_wanted
from shard.service.refusal import Refusal
from shard.service.shelf import etag_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import Any

    from starlette.datastructures import Headers
    from starlette.requests import Request

    from shard.planning.archive_records import Frame
    from shard.planning.composites import Remark
    from shard.planning.frame_settings import FrameSettings
    from shard.planning.frames import FrameRequest
    from shard.service.archive import Archive
    from shard.service.metrics import Metrics
    from shard.service.stores import AsyncStore

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_BASENAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=:-]{0,254}")
_UNCHANGED: Final = 304
_ANONYMOUS_SECONDS: Final = 3600


class FramePictures:
    """Answers requests for frames.

    ``made``: what has one picture made and written, or raises; and what counts those served.
    """

    def __init__(
        self,
        settings: FrameSettings,
        archive: Archive,
        store: AsyncStore,
        made: tuple[Callable[[FrameOrder], Awaitable[None]], Metrics],
    ) -> None:
        self._settings, self._archive, self._store = settings, archive, store
        self._make, self._metrics = made

    async def respond(self, name: str, request: Request) -> Response:
        """Answer a request for the frame of this id, or of this name without extension.

        The archive is asked first, whatever is in the bucket: what it does not show to this caller
        is not there for this caller. Raises ``Refusal`` and ``StorageError``.
        """
        answering = self._respond(name, request.query_params.multi_items(), request.headers)
        try:
            return await while_wanted(request.receive, answering)
        except (Refusal, StorageError) as error:
            self._metrics.failed(KIND, error.reason)
            raise

    async def _respond(
        self, name: str, query: Iterable[tuple[str, str]], headers: Headers
    ) -> Response:
        wanted = _wanted(query)
        if "://" not in self._settings.bucket and wanted.answer is not Answer.INLINE:
            message = "pictures are kept in a folder here, which has no URLs: ask with image=inline"
            raise Refusal(400, "no_urls", message)
        authorization = headers.get("authorization")
        frame, frames = await self._permitted(name, wanted, authorization)
        key = cache_key(frame, wanted.picture, frames)
        picture = await self._look(key, wanted)
        origin = "store" if picture else "made"
        if not picture:
            urls = tuple(one.url for one in frames)
            await self._make(FrameOrder(key, urls, wanted.picture, replaces=picture is not None))
            picture = await self._look(key, wanted)
        if not picture:
            raise Refusal(503, "vanished", "the picture was made, and is gone")
        shown = _Shown(frame, picture, read_remark(picture[:HEAD]))
        response = await self._answer(key, wanted, shown, headers)
        self._metrics.served(KIND, "unchanged" if response.status_code == _UNCHANGED else origin)
        return response

    async def _permitted(
        self, name: str, wanted: FrameRequest, authorization: str | None
    ) -> tuple[Frame, tuple[Frame, ...]]:
        """Return the frame, and those that its picture is made of, as this caller sees them."""
        rules, colour = self._settings.rules, wanted.picture.color
        try:
            frame = accept(await self._record(name, authorization), rules, colour=colour)
            if not colour or frame.request is None:
                return frame, (frame,)
            others = await self._archive.frames_of(frame.request, authorization)
            return frame, choose_colours(frame, others, rules)
        except FrameRefused as error:
            status = 404 if error.reason == "no_colour_frames" else 400
            raise Refusal(status, error.reason, str(error)) from None
        except BadRecord as error:
            raise Refusal(502, error.reason, f"the archive failed: {error}") from None

    async def _record(self, name: str, authorization: str | None) -> Mapping[str, Any]:
        if _NUMBER.fullmatch(name):
            return await self._archive.frame(int(name), authorization)
        if _BASENAME.fullmatch(name):
            return await self._archive.frame_called(name, authorization)
        raise Refusal(404, "not_found", "Not found: no frame has such a name")

    async def _look(self, key: str, wanted: FrameRequest) -> bytes | None:
        """Return the picture (its beginning, unless it is wanted whole); ``None``: not there."""
        try:
            if wanted.answer is Answer.INLINE:
                return await self._store.read(key)
            return await self._store.read(key, 0, HEAD)
        except ObjectMissing:
            return None

    async def _answer(
        self, key: str, wanted: FrameRequest, shown: _Shown, headers: Headers
    ) -> Response:
        told = {"vary": "Authorization", **shown.headers}
        if wanted.answer is Answer.INLINE:
            return _inline(shown, told, headers)
        url = await self._store.sign(key, self._settings.url_lifetime)
        told["cache-control"] = "no-store"  # the URL ends, and is for whom the archive said yes
        if wanted.answer is Answer.REDIRECT:
            return RedirectResponse(url, 302, told)
        return JSONResponse({"url": url, "propid": shown.frame.proposal, **shown.facts}, 200, told)


class _Shown:
    """A picture that is there: its bytes or their beginning, and what is to be said of it."""

    def __init__(self, frame: Frame, data: bytes, remark: Remark | None) -> None:
        self.frame, self.data, self._remark = frame, data, remark

    @property
    def facts(self) -> dict[str, Any]:
        """Return what JSON says of a composite; nothing of others."""
        if self._remark is None:
            return {}
        said = {"aligned": self._remark.aligned is not None, "alignment": self._remark.aligned}
        return {**said, "notes": list(self._remark.notes)}

    @property
    def headers(self) -> dict[str, str]:
        """Return the same for answers without JSON."""
        return {} if self._remark is None else {"x-shard-aligned": self._remark.aligned or "no"}


def _wanted(query: Iterable[tuple[str, str]]) -> FrameRequest:
    try:
        return parse_frame_request(query)
    except ParameterError as error:
        raise Refusal(400, error.reason, str(error)) from None


def _inline(shown: _Shown, told: dict[str, str], headers: Headers) -> Response:
    etag = etag_of(shown.data)
    # With credentials: asked again each time, so that the archive is; 304 costs few bytes.
    personal = headers.get("authorization") is not None
    keep = "private, no-cache" if personal else f"public, max-age={_ANONYMOUS_SECONDS}"
    told = {**told, "etag": etag, "cache-control": keep}
    if conditions.is_current(headers.raw, etag, None):
        return Response(status_code=_UNCHANGED, headers=told)
    return Response(shown.data, 200, told, "image/jpeg")
