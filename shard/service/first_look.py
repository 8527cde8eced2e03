"""A look at the stores when the service starts: what will not work is said before anyone asks."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter

from shard.errors import AccessDenied, StorageError
from shard.execution.opening import Opening
from shard.service.part import Part
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from shard.planning.service_settings import Source

_log = logging.getLogger("shard")

PROBE: Final = ".shard/serve/probe"
"""Written and removed again; the same object each time, for where removing is not allowed."""
_PATIENCE: Final = 10.0


@contextlib.asynccontextmanager
async def _opened(app: FastAPI) -> AsyncIterator[None]:
    """Look in a thread beside the start; of several server processes one does."""
    if _is_first(app.state.metrics_folder):
        sources = app.state.settings.sources
        threading.Thread(target=_look, args=(sources,), daemon=True).start()
    yield


def _is_first(folder: Path | None) -> bool:
    if folder is None:
        return True
    try:
        Path(folder, "looked").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _look(sources: tuple[Source, ...]) -> None:
    for source in sources:
        for warning in faults(source):
            _log.warning("%s", warning)


def faults(source: Source) -> list[str]:
    """Return what is wrong with a source's stores, a sentence each."""
    opening = Opening(source.task)
    options = replace(opening.options, retry_budget=_PATIENCE)
    found = []
    try:
        store = open_store(source.task.source.url, options)
        list(itertools.islice(store.list(), 1))
    except StorageError as error:
        found.append(f"the source cannot be listed, so nothing of it is served: {error}")
    output = source.task.output
    if output is None:
        return found
    try:
        store = open_store(output.url, options)
        store.write(PROBE, b"shard serve was here\n", content_type="text/plain")
    except StorageError as error:
        found.append(f"the output cannot be written, so only what is there is served: {error}")
        return found
    with contextlib.suppress(AccessDenied):  # nothing else here is ever removed
        store.delete(PROBE)
    return found


PART = Part(APIRouter(), _opened, lambda settings: bool(settings.sources))
