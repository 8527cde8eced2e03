"""What the service is made of: a part has routes, and perhaps something to open and to close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from fastapi import APIRouter, FastAPI

    from shard.planning.service_settings import ServiceSettings


@dataclass(frozen=True)
class Part:
    """One part of the service.

    ``opened`` runs once in each server process before requests are taken, and its end after the
    last one; what routes need it keeps in ``app.state``. A ``ShardError`` there ends the start
    with its sentence. ``wanted`` tells whether these settings call for the part.
    """

    router: APIRouter
    opened: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
    wanted: Callable[[ServiceSettings], bool] = lambda _: True
