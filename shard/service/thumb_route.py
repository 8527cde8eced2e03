"""`GET /thumb/{rendition}/{key}`."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time
from starlette.responses import Response

from shard.service.part import Part
from shard.service.refusal import ErrorBody, Refusal
from shard.service.thumbs import Thumbs
from shard.service.workers import SIGNED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from fastapi import FastAPI


class _Lean(APIRoute):
    """A route whose endpoint reads the request itself: a tenth of the cost, documented alike."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint as it is."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


router = APIRouter(tags=["thumbnails"], route_class=_Lean)


def _error(what: str) -> dict[str, Any]:
    return {"model": ErrorBody, "description": what}


def _parameter(name: str, where: str, what: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": what,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


@router.get(
    "/thumb/{rendition}/{key:path}",  # noqa: FAST003 - read from the raw path, decoded once
    response_class=Response,
    responses={
        200: {"description": "the thumbnail", "content": {"image/*": {}}},
        304: {"description": "unchanged: If-None-Match or If-Modified-Since says so"},
        400: _error("the key cannot be one"),
        403: _error("the signature is wrong, or has expired"),
        404: _error("no such image, source or rendition"),
        409: _error("an earlier image has the same output key"),
        413: _error("the image is over a limit"),
        415: _error("not an image, or of an unknown kind"),
        422: _error("the image cannot be decoded: truncated, corrupt, empty, ..."),
        429: _error("too much is waiting already"),
        502: _error("a store refuses"),
        503: _error("a store, or the service, is not usable for the moment"),
        504: _error("not made in time"),
    },
    openapi_extra={
        "parameters": [
            _parameter("rendition", "path", "a rendition's name; signed: its description", "small"),
            _parameter("key", "path", "the image's key below the source", "cats/tabby.jpg"),
            _parameter("signature", "query", "HMAC-SHA256, where SIGNING_KEY is set", "9f2c..."),
            _parameter("expires", "query", "Unix seconds, part of what is signed", "1798761600"),
        ]
    },
)
async def thumb(request: Request) -> Response:
    """Serve a thumbnail; where it is missing or older than its image it is made first."""
    thumbs: Thumbs = request.app.state.thumbs
    return await thumbs.answer(request.scope, request.receive)


@contextlib.asynccontextmanager
async def _opened(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.thumbs = Thumbs(state.settings, state.sites, state.on_demand, state.metrics)
    for name, site in state.sites.items():
        if name.startswith(SIGNED):
            continue
        dot = f" {name}" if name else ""
        for what, ask in (("source", site.ask_source), ("output", site.ask_output)):
            state.readiness.add(f"{what}{dot}", functools.partial(anyio.to_thread.run_sync, ask))
    try:
        yield
    finally:
        state.thumbs.close()


PART = Part(router, _opened, lambda settings: bool(settings.sources))

without = APIRouter()


@without.get("/thumb/{path:path}", include_in_schema=False)
async def not_configured(path: str) -> Response:
    """Say what is not set."""
    said = "thumbnails are not served here: neither INPUT_FOLDER nor THUMB_SOURCES is set"
    raise Refusal(404, "not_configured", f"nothing is at /thumb/{path}; {said}")


WITHOUT = Part(without, wanted=lambda settings: not settings.sources)
