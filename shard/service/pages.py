"""How pages are made: templates that escape by themselves, files beside them, strict headers."""

from __future__ import annotations

import functools
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time
from starlette.responses import HTMLResponse, Response

import shard
from shard.service.part import Part
from shard.service.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    "favicon.ico": "image/x-icon",
    "mark.svg": "image/svg+xml",
    "page.js": "text/javascript; charset=utf-8",
    "shard.css": "text/css; charset=utf-8",
}
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "vary": "Accept",
}


@functools.cache
def _asset(name: str) -> tuple[bytes, str]:
    """Return a file's bytes and its version."""
    data = (_FOLDER / name).read_bytes()
    return data, blake2b(data, digest_size=6).hexdigest()


@functools.cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("shard.service"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["version"] = shard.__version__
    templates.globals["asset"] = lambda name: f"static/{name}?v={_asset(name)[1]}"
    return templates


def html(template: str, facts: Mapping[str, Any]) -> HTMLResponse:
    """Return a page; links in it are relative to the service's root, wherever a proxy shows it."""
    return HTMLResponse(_templates().get_template(template).render(facts), headers=_HEADERS)


@router.get("/static/{name}")
async def static(name: str, request: Request) -> Response:
    """Return a page's style, script or mark."""
    if name not in _TYPES:
        raise Refusal(404, "not_found", f"nothing is at {request.url.path}")
    data, version = _asset(name)
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "etag": f'"{version}"',
        "content-type": _TYPES[name],
    }
    return Response(data, headers=headers)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Return the mark, as browsers ask for it unasked."""
    headers = {"cache-control": "public, max-age=86400", "content-type": _TYPES["favicon.ico"]}
    return Response(_asset("favicon.ico")[0], headers=headers)


PART = Part(router)
