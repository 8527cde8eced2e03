"""The service's application: its parts in one visible list, and what all of them share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fastapi import FastAPI

import shard
from shard.service import (
    documents,
    errors,
    events,
    first_look,
    frame_routes,
    health,
    page,
    pages,
    thumb_route,
    workers,
)
from shard.service.description import describe
from shard.service.ending import Ending
from shard.service.gate import Gate
from shard.service.metrics import Metrics
from shard.service.readiness import Readiness
from shard.service.recent import Recent
from shard.service.refusal import ErrorBody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shard.planning.service_settings import ServiceSettings

PARTS = (
    health.PART,
    pages.PART,
    documents.PART,
    page.PART,
    events.PART,
    first_look.PART,
    workers.PART,
    thumb_route.PART,
    thumb_route.WITHOUT,
    frame_routes.PART,
    frame_routes.WITHOUT,
)
"""In the order in which routes are tried: what takes any name (``/{frame_id}/``) comes last."""


def create_app(settings: ServiceSettings, metrics_folder: Path | None = None) -> FastAPI:
    """Return the application of one server process; ``metrics_folder`` as in ``Metrics``.

    ``app.state`` holds ``settings``, ``metrics`` (``Metrics``), ``readiness`` (``Readiness``),
    ``recent`` (``Recent``), ``ending`` (``Ending``), and what the parts open (``Part.opened``).
    Nothing is opened before its lifespan begins.
    """
    parts = [part for part in PARTS if part.wanted(settings)]

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as opened:
            for part in parts:
                if part.opened is not None:
                    await opened.enter_async_context(part.opened(app))
            yield

    app = FastAPI(
        title="Shard",
        version=shard.__version__,
        summary="Thumbnails on request, at the same keys and bytes as the batch",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name whatever host the request named
        lifespan=lifespan,
        responses={"default": {"model": ErrorBody, "description": "any error"}},
    )
    app.state.settings = settings
    app.state.metrics_folder = metrics_folder
    app.state.metrics = Metrics(metrics_folder)
    app.state.recent = recent = Recent()
    app.state.readiness = Readiness()
    app.state.ending = Ending(settings.grace)
    for part in parts:
        app.include_router(part.router)
    errors.install(app)
    describe(app)
    app.add_middleware(
        Gate,
        limits=settings.limits,
        metrics=app.state.metrics,
        recent=recent,
        access_log=settings.access_log,
    )
    return app
