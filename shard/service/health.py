"""What machines ask: `/healthz`, `/readyz`, `/metrics`, `/robots.txt`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time
from starlette.responses import JSONResponse, PlainTextResponse, Response

from shard.service.metrics import CONTENT_TYPE, Metrics
from shard.service.part import Part
from shard.service.readiness import Readiness  # noqa: TC001 - as Request
from shard.service.refusal import ErrorBody, request_id

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """The process answers."""

    status: str = Field(examples=["ok"])


class Ready(BaseModel):
    """Every part is usable."""

    status: str = Field(examples=["ready"])
    parts: dict[str, str] = Field(examples=[{"source": "ok", "output": "ok"}])


class NotReady(ErrorBody):
    """Some part is not usable."""

    parts: dict[str, str] = Field(examples=[{"source": "ok", "output": "access_denied"}])


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


@router.get("/healthz", response_description="alive")
async def healthz() -> Health:
    """Tell that the process is alive."""
    return Health(status="ok")


@router.get(
    "/readyz",
    response_model=Ready,
    response_description="everything is usable",
    responses={503: {"model": NotReady, "description": "some part is not usable"}},
)
async def readyz(
    request: Request, readiness: Annotated[Readiness, Depends(_readiness)]
) -> Response:
    """Tell whether stores and render processes are usable, as known for at most 5 seconds."""
    faults = await readiness.faults()
    parts = {name: faults.get(name, "ok") for name in readiness.names}
    if not faults:
        return JSONResponse({"status": "ready", "parts": parts})
    message = "not usable: " + ", ".join(f"{name} ({word})" for name, word in faults.items())
    body = NotReady(
        message=message, reason="not_ready", request_id=request_id(request), parts=parts
    )
    headers = {"retry-after": "5", "cache-control": "no-store"}
    return JSONResponse(body.model_dump(), 503, headers)


@router.get("/metrics", response_class=PlainTextResponse, response_description="the counters")
def metrics(metrics: Annotated[Metrics, Depends(_metrics)]) -> Response:
    """Return the counters of all server processes in Prometheus' text format."""
    return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE})


@router.get("/robots.txt", response_class=PlainTextResponse, response_description="the rules")
async def robots() -> PlainTextResponse:
    """Ask crawlers to stay away: each picture that they ask for may have to be made."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


PART = Part(router)
