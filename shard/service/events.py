"""`POST /events`: uploads become markers (docs/pyramid-events.md), where PROCESS_BUCKET is set."""

from __future__ import annotations

import contextlib
import hmac
from typing import TYPE_CHECKING, Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time
from starlette.responses import Response

from shard.service.part import Part
from shard.service.refusal import ErrorBody, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from shard.planning.service_settings import ServiceSettings

router = APIRouter(tags=["events"])


class Record(BaseModel):
    """What became of one record of an event."""

    written: bool = Field(description="whether a marker was written")
    reason: str = Field(description="new, duplicate, ...", examples=["new"])
    bucket: str | None = Field(None, examples=["scans"])
    key: str | None = Field(None, examples=["maps/a b.tif"])
    error: str | None = None


class Received(BaseModel):
    """What became of all records of a request."""

    records: list[Record]


@router.post(
    "/events",
    response_model=Received,
    response_description="done, or nothing wanted",
    responses={
        400: {"model": Received, "description": "a record cannot be read"},
        401: {"model": ErrorBody, "description": "EVENTS_TOKEN is set, and was not shown"},
        503: {"model": Received, "description": "the store failed"},
    },
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {}}}}},
)
async def receive(
    request: Request,
    token: Annotated[str | None, Query(description="EVENTS_TOKEN, where it is set")] = None,
    authorization: Annotated[
        str | None, Header(description="or `Bearer` and EVENTS_TOKEN here")
    ] = None,
) -> Response:
    """Take CloudEvents (Eventarc), Pub/Sub push or SNS; 200: done, else it is to be sent again."""
    settings: ServiceSettings = request.app.state.settings
    _admit(settings.events_token, token, authorization)
    body = await request.body()
    receiver = request.app.state.events
    headers = dict(request.headers)
    status, said = await anyio.to_thread.run_sync(receiver.receive, headers, body)
    return Response(said, status, media_type="application/json")


def _admit(wanted: str | None, token: str | None, authorization: str | None) -> None:
    """Raise ``Refusal`` unless the caller shows what EVENTS_TOKEN asks for."""
    if wanted is None:
        return
    scheme, _, bearer = (authorization or "").partition(" ")
    shown = [token or "", bearer if scheme.lower() == "bearer" else ""]
    if not any([hmac.compare_digest(text.encode(), wanted.encode()) for text in shown]):  # noqa: C419 - all are compared
        message = "POST /events wants EVENTS_TOKEN, as ?token= or as Authorization: Bearer"
        raise Refusal(401, "not_allowed", message, {"www-authenticate": "Bearer"})


@contextlib.asynccontextmanager
async def _opened(app: FastAPI) -> AsyncIterator[None]:
    from shard.events.http import EventReceiver
    from shard.events.stores import open_markers

    settings: ServiceSettings = app.state.settings
    if settings.events is not None:
        store = await anyio.to_thread.run_sync(open_markers, settings.events.process)
        app.state.events = EventReceiver(settings.events, store)
    yield


PART = Part(router, _opened, lambda settings: settings.events is not None)
