"""`GET /`: what is served here, to try in a browser; to programs the same as JSON or text."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlencode

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time
from starlette.responses import JSONResponse, PlainTextResponse, Response

import shard
from shard.planning.renditions import canonical
from shard.service.pages import html
from shard.service.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shard.planning.location import Location
    from shard.planning.service_settings import ServiceSettings
    from shard.service.recent import Recent

router = APIRouter(tags=["operation"])

_FRAME: Final = "/{frame}/"
_OF_FRAMES: Final = ("width", "height", "label", "color", "median", "percentile", "quality")


@router.get(
    "/",
    responses={
        200: {
            "description": "a page for browsers, text where that is asked for, else JSON",
            "content": {"text/html": {}, "text/plain": {}, "application/json": {}},
        }
    },
    response_class=Response,
)
def index(request: Request) -> Response:
    """Tell what is served here: sources, renditions, frames, limits."""
    settings: ServiceSettings = request.app.state.settings
    accepted = request.headers.get("accept", "")
    if settings.page and "text/html" in accepted:
        return html("index.html", _facts(settings, request))
    headers = {"vary": "Accept", "cache-control": "no-store"}
    if accepted.startswith("text/plain"):
        lines = _lines(_description(request), settings)
        return PlainTextResponse("\n".join(lines) + "\n", headers=headers)
    return JSONResponse(_description(request), headers=headers)


def shown(place: Location) -> str:
    """Return a source as strangers may see it: of a local folder the last name alone."""
    if place.scheme != "file":
        return place.url
    return f".../{posixpath.basename(place.prefix)}"


def _renditions(settings: ServiceSettings) -> list[dict[str, str]]:
    """Return the renditions of all sources, which have the same."""
    of = settings.sources[0].task.renditions if settings.sources else ()
    return [{"name": one.name, "text": canonical(one)} for one in of]


def _limits(settings: ServiceSettings) -> Iterator[tuple[str, str]]:
    if settings.sources:
        limits = settings.sources[0].task.limits
        yield "Largest image", f"{limits.max_pixels:,} pixels, {limits.max_bytes:,} bytes"
    yield "Longest wait", f"{settings.limits.seconds:g} s"


def _has_frames(request: Request) -> bool:
    return _FRAME in request.app.openapi()["paths"]


def _description(request: Request) -> dict[str, Any]:
    settings: ServiceSettings = request.app.state.settings
    sources = [{"name": one.name, "source": shown(one.task.source)} for one in settings.sources]
    root = settings.root_path
    name = "{source}/" if any(one.name for one in settings.sources) else ""
    return {
        "service": "shard",
        "version": shard.__version__,
        "sources": sources,
        "renditions": [one["name"] for one in _renditions(settings)],
        "thumbnail": f"{root}/thumb/{{rendition}}/{name}{{key}}" if sources else None,
        "frame": root + _FRAME if _has_frames(request) else None,
        "endpoints": f"{root}/docs",
        "openapi": f"{root}/openapi.json",
    }


def _lines(described: Mapping[str, Any], settings: ServiceSettings) -> Iterator[str]:
    yield f"Shard {shard.__version__}: thumbnails on request"
    for name, value in described.items():
        if name in ("thumbnail", "frame", "endpoints", "openapi") and value:
            yield f"{name:<10} {value}"
    for rendition in _renditions(settings):
        yield f"rendition  {rendition['text']}"


def _facts(settings: ServiceSettings, request: Request) -> dict[str, Any]:
    asked = dict(request.query_params)
    recent: Recent = request.app.state.recent
    return {
        "here": "index",
        "sources": [
            {"name": source.name, "shown": shown(source.task.source)} for source in settings.sources
        ],
        "renditions": _renditions(settings),
        "frames": _has_frames(request),
        "limits": list(_limits(settings)),
        "asked": asked,
        "shown": address(asked),
        "recent": [(path, unquote(path.split("/", 2)[2])) for path in recent.paths],
    }


def address(asked: Mapping[str, str]) -> str | None:
    """Return where the picture is that a form asks for, relative to the service's root."""
    if asked.get("rendition") and asked.get("key"):
        source = f"{quote(asked['source'], safe='')}/" if asked.get("source") else ""
        key = quote(asked["key"].lstrip("/"))
        return f"thumb/{quote(asked['rendition'], safe='')}/{source}{key}"
    if asked.get("frame"):
        given = {name: asked[name] for name in _OF_FRAMES if asked.get(name)}
        query = urlencode({**given, "image": "inline"})
        return f"./{quote(asked['frame'], safe='')}/?{query}"
    return None


PART = Part(router)
