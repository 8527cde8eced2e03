"""The verb `pyramid run`: verified pyramids of what markers name, or of a folder."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shard.errors import MissingExtra
from shard.execution.desk import Desk
from shard.execution.marked import Marked, Wanted
from shard.execution.opening import Opening
from shard.execution.runner import Bounds
from shard.execution.scratch import free_bytes, scratch
from shard.execution.session import open_pool, run_session
from shard.execution.signals import Stop
from shard.execution.unmade import Unmade
from shard.execution.work import Pyramids
from shard.planning.copyrights import Copyrights, read_copyrights
from shard.planning.location import below
from shard.planning.pyramids import PyramidLayout, rendition_of
from shard.report import pyramids as report
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shard.execution.account import Progress
    from shard.execution.run_record import RunRecord
    from shard.execution.session import Terms
    from shard.execution.work import Recipe
    from shard.planning.pyramid_settings import PyramidSettings
    from shard.storage.base import Store

_log = logging.getLogger("shard")

_READER = ("tifffile", "imagecodecs")
_DEPTH = 3
"""Images in a worker's hand: one is read, one is made, one is uploaded."""
_SLOWEST = 1_000_000
"""Bytes a second below which a transfer counts as hanging."""


def run_pyramids(settings: PyramidSettings, progress: Progress, say: Callable[[str], None]) -> int:
    """Run one task; return its exit code: 0, 1, 130 or 143.

    ``say`` gets the summary. Raises ``ShardError`` (exit 2) before anything is made.
    """
    _require_reader(settings)
    task = settings.task
    with Stop(task.task_timeout) as stop, scratch() as folder:
        opening = Opening(replace(task, slice="hash"))
        with stop.at_once():
            copyrights = _copyrights(settings, opening)
            source = open_store(task.source.url, opening.options)
            desk = _desk(settings, opening, source)
            record = opening.pin(opening.record(pyramids=settings.options.text))
            output = open_store(settings.output.url, opening.options)
        supply = _supply(settings, (source, output), desk, copyrights)
        try:
            if task.dry_run:
                supply.prepare(stop)
                what = "image" if desk is None else "marker"
                say(report.dry_run(supply.keys(), supply.listed, what, "make a pyramid for"))
                return 0
            recipe = _recipe(settings, opening, record, folder)
            terms = _terms(settings, opening.terms(record), desk, folder)
            pool = open_pool(
                (task.source.scheme, settings.output.scheme),
                opening.workers,
                _silence(settings),
                opening.memory_limit,
            )
            try:
                ending = run_session(terms, supply, recipe, pool, (progress, stop))
            finally:
                pool.close()
        finally:
            if desk is not None:
                desk.close()
        where = (settings.output.url, opening.open_folder(record.run).url)
        counts = None if desk is None else desk.counts
        say(report.run(ending.summary, where, counts, supply.shared))
        code = ending.exit_code
        return code or (1 if desk is not None and desk.problems else 0)


def _require_reader(settings: PyramidSettings) -> None:
    """Refuse to begin where nothing could be verified: markers would count it as failures."""
    if settings.options.format == "tif" and not all(map(find_spec, _READER)):
        raise MissingExtra("shard pyramid run", "pyramids")


def _copyrights(settings: PyramidSettings, opening: Opening) -> Copyrights:
    """Read the sidecar lists, before any image."""
    names: frozenset[str] = frozenset()
    for url in settings.lists:
        folder, _, name = url.rpartition("/")
        data = open_store(folder or ("/" if url.startswith("/") else "."), opening.options).read(
            name
        )
        names |= read_copyrights(data, url)
    return Copyrights(names)


def _desk(settings: PyramidSettings, opening: Opening, source: Store) -> Desk | None:
    if settings.process is None:
        return None
    process = open_store(settings.process.url, opening.options)
    return Desk(process, source, settings.max_attempts)


def _supply(
    settings: PyramidSettings,
    stores: tuple[Store, Store],
    desk: Desk | None,
    copyrights: Copyrights,
) -> Marked | Unmade:
    task, options = settings.task, settings.options
    if desk is not None:
        bucket = task.source.bucket
        wanted = Wanted(task.task, settings.prefix, bucket, options, copyrights.cover, task.limit)
        return Marked(stores, desk, wanted)
    inside = below(task.source, settings.output)
    return Unmade(
        stores,
        task.task,
        options,
        copyrights.cover,
        exclude=() if inside is None else (f"{inside}/",),
        overwrite=task.overwrite,
        limit=task.limit,
    )


def _recipe(settings: PyramidSettings, opening: Opening, record: RunRecord, folder: Path) -> Recipe:
    rendition = rendition_of(settings.options)
    return replace(
        opening.recipe(record),
        renditions=(rendition,),
        layout=PyramidLayout(settings.options.suffix, (rendition,)),
        pyramids=Pyramids(settings.options, str(folder)),
        readers=1,
        writers=1,
        depth=_DEPTH,
    )


def _terms(settings: PyramidSettings, terms: Terms, desk: Desk | None, folder: Path) -> Terms:
    """Bound the sources on disk to a quarter of what is free; the rest is for what is made."""
    bounds = Bounds(
        free_bytes(folder) // 4, cadence=settings.task.cadence, grace=settings.task.grace
    )
    if desk is None:
        return replace(terms, bounds=bounds, job="pyramids")
    return replace(terms, bounds=bounds, job="pyramids", heard=desk.settle)


def _silence(settings: PyramidSettings) -> float:
    """How long a worker may say nothing: a large file's way up or down takes its time."""
    return 2 * settings.task.retry_budget + 60.0 + settings.task.limits.max_bytes / _SLOWEST
