"""The render processes of one server process, shared by all that is served."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from shard.errors import ShardError
from shard.execution.on_demand import OnDemand, Staff
from shard.execution.served import Share, part_of_machine, served_site, signed_site
from shard.execution.session import open_pool
from shard.execution.sites import several
from shard.planning import limits
from shard.service.frame_making import SITE, frames_recipe
from shard.service.part import Part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fastapi import FastAPI

    from shard.execution.served import ServedSite
    from shard.execution.work import Recipe
    from shard.planning.service_settings import ServiceSettings

SIGNED = "signed:"
"""What the name of a site begins with whose renditions are described by signed URLs."""


def share_of(settings: ServiceSettings) -> Share:
    """Return the part of the machine that each server process has."""
    return Share(settings.processes, settings.thumbs.cache_memory, settings.limits.seconds)


def thumb_sites(settings: ServiceSettings) -> dict[str, ServedSite]:
    """Return the sites of `/thumb` by name. Raises ``SettingError``."""
    share = share_of(settings)
    sites = {
        source.name: served_site(source.name, source.task, share) for source in settings.sources
    }
    if settings.thumbs.signing_key is not None:
        signed = (signed_site(site, f"{SIGNED}{name}") for name, site in list(sites.items()))
        sites.update((site.name, site) for site in signed)
    return sites


def _recipes(app: FastAPI) -> Mapping[str, Recipe]:
    """Return what the workers serve, by the site's name."""
    return {name: site.recipe for name, site in app.state.sites.items()}


def _staff(settings: ServiceSettings, recipes: Mapping[str, Recipe]) -> Staff:
    share = share_of(settings)
    workers, memory = part_of_machine(settings.workers, settings.memory_limit, share)
    recipe = several(recipes)
    places = [place for one in recipes.values() for place in (one.source, one.output)]
    schemes = {place.partition("://")[0] for place in places if "://" in place}
    silence = 2 * recipe.storage.retry_budget + 60.0
    return Staff(
        functools.partial(open_pool, schemes, workers, silence, memory),
        recipe,
        workers,
        settings.thumbs.queue,
        limits.bytes_in_flight(memory),
    )


@contextlib.asynccontextmanager
async def _opened(app: FastAPI) -> AsyncIterator[None]:
    settings: ServiceSettings = app.state.settings
    app.state.sites = thumb_sites(settings)
    with contextlib.ExitStack() as opened:
        recipes = dict(_recipes(app))
        if settings.frames is not None:
            recipe = opened.enter_context(frames_recipe(settings.frames, share_of(settings)))
            recipes[SITE] = recipe
        async with _working(app, _staff(settings, recipes)):
            yield


@contextlib.asynccontextmanager
async def _working(app: FastAPI, staff: Staff) -> AsyncIterator[None]:
    on_demand = OnDemand(staff)
    app.state.on_demand = on_demand

    async def ask() -> None:
        if on_demand.broken is not None:
            raise ShardError(on_demand.broken)
        if not on_demand.ready:
            raise ShardError("no render process is up yet")

    app.state.readiness.add("workers", ask)
    try:
        yield
    finally:
        await run_in_threadpool(on_demand.close, app.state.ending.left)


PART = Part(APIRouter(), _opened, lambda settings: bool(settings.sources or settings.frames))
