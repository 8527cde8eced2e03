"""`GET /{frame_id}/` and `GET /{basename}/`: pictures of an archive's frames."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time
from starlette.responses import Response

from shard.errors import ObjectMissing
from shard.execution.opening import Opening
from shard.planning.fits import FILTERS, STRETCHES
from shard.planning.frames import LARGEST, LONGEST_LABEL
from shard.service.archive import Archive
from shard.service.frame_making import FrameMaker
from shard.service.frames import FramePictures
from shard.service.part import Part
from shard.service.refusal import ErrorBody, Refusal
from shard.service.stores import AsyncStore
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shard.planning.frame_settings import FrameSettings
    from shard.planning.service_settings import ServiceSettings

router = APIRouter(tags=["frames"])

_STORE_SECONDS: Final = 10.0
"""How long the bucket is asked again while somebody waits: a worker has the whole RETRY_BUDGET."""
_PROBE: Final = "shard-is-ready"
_BOOLEAN: Final = {
    "type": "string",
    "pattern": r"(?i)^\s*(true|false|1|0|yes|no|on|off|)\s*$",
    "example": "true",
}


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_SIDE: Final = {"type": "integer", "minimum": 1, "maximum": LARGEST, "default": 200}
_PARAMETERS: Final = [
    _query("width", "of the box that the picture fits in, in pixels", **_SIDE),
    _query("height", "of that box", **_SIDE),
    _query("label", "a text, white, in the lower left", type="string", maxLength=LONGEST_LABEL),
    _query("color", "a composite of the request's red, visual and blue frames", **_BOOLEAN),
    _query("median", "then subtract the median, and draw the percentile white", **_BOOLEAN),
    _query(
        "percentile",
        "of median, and of the stretches that go by it",
        type="number",
        exclusiveMinimum=0,
        maximum=100,
        default=99.5,
    ),
    _query("quality", "of the JPEG", type="integer", minimum=1, maximum=100, default=80),
    _query(
        "image",
        "true: a redirect to the picture; inline: the picture",
        type="string",
        pattern=r"(?i)^\s*(inline|true|false|1|0|yes|no|on|off|)\s*$",
        example="inline",
    ),
    _query("stretch", "how values become grey", type="string", enum=list(STRETCHES)),
    _query("zmin", "the value that is drawn black", type="number"),
    _query("zmax", "the value that is drawn white", type="number"),
    _query(
        "hdu",
        "number from 0, EXTNAME or EXTNAME:EXTVER",
        type="string",
        pattern=r"^[!-+\--~]([ !-+\--~]{0,66}[!-+\--~])?$",
    ),
    _query("plane", "of a cube, from 1", type="integer", minimum=1, maximum=999_999_999),
    _query("filter", "of the finished picture: 3x3", type="string", enum=list(FILTERS)),
    _query("mosaic", "lay a detector's sections together", **_BOOLEAN),
]
_FOUND: Final = {
    "description": "a presigned URL; with `image=inline` the picture itself",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["url", "propid"],
                "properties": {
                    "url": {"type": "string", "format": "uri"},
                    "propid": {"type": ["string", "null"]},
                    "aligned": {"type": "boolean", "description": "of composites only"},
                    "alignment": {"enum": ["wcs", "stars", None]},
                    "notes": {"type": "array", "items": {"type": "string"}},
                },
            }
        },
        "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
    },
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: _FOUND,
    302: {"description": "`image=true`: where the picture is"},
    304: {"description": "`image=inline`: the picture is the one with that ETag"},
    **{
        status: {"model": ErrorBody, "description": said}
        for status, said in (
            (400, "a parameter, or a frame that no such picture is made of"),
            (401, "the archive wants credentials"),
            (403, "the archive refuses these credentials"),
            (404, "the archive shows no such frame, or no frames of all three colours"),
            (413, "the frame is over a limit"),
            (415, "the frame's file is compressed in a way that is not known here"),
            (422, "the frame's file cannot be read"),
            (429, "too much is waiting"),
            (502, "the archive, its file server or the bucket failed"),
            (503, "the bucket or the workers cannot be used at the moment"),
            (504, "the archive or the picture took too long"),
        )
    },
}


@router.get(
    "/{frame}/",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra={"parameters": _PARAMETERS},
    summary="Picture of a frame, by its id or by its name without extension",
)
async def picture(frame: str, request: Request) -> Response:
    """Find the picture, or make it.

    The caller's Authorization is passed on to the archive, which decides who may see what; to
    nobody else.
    """
    pictures: FramePictures = request.app.state.frames
    return await pictures.respond(frame, request)


router.add_api_route("/{frame}", picture, response_class=Response, include_in_schema=False)


@contextlib.asynccontextmanager
async def opened(app: FastAPI) -> AsyncIterator[None]:
    """Open what frames need beside the workers: the archive's client and the bucket."""
    service: ServiceSettings = app.state.settings
    settings = service.frames
    if settings is None:
        raise RuntimeError("frames are not set up")
    archive, store = Archive(settings), _store(settings)
    app.state.readiness.add("frames bucket", lambda: _probe(store))
    maker = FrameMaker(app.state.on_demand, service, app.state.metrics)
    app.state.frames = FramePictures(settings, archive, store, (maker.make, app.state.metrics))
    try:
        yield
    finally:
        store.close()
        await archive.close()


def _store(settings: FrameSettings) -> AsyncStore:
    options = Opening(settings.task).options
    budget = min(_STORE_SECONDS, options.retry_budget)
    options = replace(options, retry_budget=budget, s3_endpoint=settings.endpoint)
    return AsyncStore(open_store(settings.bucket, options), options.concurrency)


async def _probe(store: AsyncStore) -> None:
    with contextlib.suppress(ObjectMissing):
        await store.read(_PROBE, 0, 1)


PART: Final = Part(router, opened, wanted=lambda settings: settings.frames is not None)

without = APIRouter(tags=["frames"])


@without.get("/{frame}/", include_in_schema=False)
async def not_configured(frame: str) -> Response:
    """Say what is not set."""
    said = "frames are not served here: ARCHIVE_API_URL is not set"
    raise Refusal(404, "not_configured", f"nothing is at /{frame}/; {said}")


WITHOUT: Final = Part(without, wanted=lambda settings: settings.frames is None)
