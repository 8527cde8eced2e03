"""The service's application, opened and asked without a socket."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx

from shard.planning.service_settings import ServiceSettings
from shard.service.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from fastapi import FastAPI


def settings_of(folder: Path, variables: Mapping[str, str] | None = None) -> ServiceSettings:
    """Return settings that serve ``folder/in`` into ``folder/out``; both are made."""
    for name in ("in", "out"):
        (folder / name).mkdir(exist_ok=True)
    places = {"INPUT_FOLDER": str(folder / "in"), "OUTPUT_FOLDER": str(folder / "out")}
    return ServiceSettings.parse({**places, **(variables or {})})


@contextlib.asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Open the application, and a client of it."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def service(
    folder: Path, variables: Mapping[str, str] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Open the whole application by settings as ``settings_of`` makes them."""
    async with client_of(create_app(settings_of(folder, variables))) as client:
        yield client
