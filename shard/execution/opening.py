"""How a task begins: its source opened, its run pinned, its recipe for the workers made."""

from __future__ import annotations

import functools
import hashlib
import itertools
import logging
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

import shard
from shard.errors import BucketMissing, SettingError
from shard.execution import resources, run_record
from shard.execution.runner import Bounds
from shard.execution.session import Terms, open_pool
from shard.execution.work import Memory, Recipe
from shard.planning import fits, limits
from shard.planning.layout import parse_layout
from shard.planning.location import below, default_output, output_base, run_stamp
from shard.planning.renditions import canonical
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.execution.inline import InlinePool
    from shard.execution.pool import Pool
    from shard.execution.run_record import RunRecord
    from shard.model import Item
    from shard.planning.layout import Reversible
    from shard.planning.location import Location
    from shard.planning.settings import TaskSettings
    from shard.storage.base import Store

_log = logging.getLogger("shard")

# A local disk is kept busy by few threads; more only fight over the interpreter.
_LOCAL_THREADS = 4
# Cloud Run kills 10 s after its SIGTERM, and draining has had most of them.
_HURRIED_SECONDS = 2.0


@dataclass(slots=True)
class Opening:
    """A task's settings on their way to stores, a run and a recipe."""

    settings: TaskSettings
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def options(self) -> StorageOptions:
        """How this task opens its stores."""
        return StorageOptions(
            s3_backend=self.settings.s3_backend,
            retry_budget=self.settings.retry_budget,
            concurrency=self.settings.concurrency,
        )

    @property
    def workers(self) -> int:
        """How many render processes the task has."""
        return self.settings.workers or resources.usable_cores()

    @property
    def memory_limit(self) -> int | None:
        """Return the bytes that the task may hold, ``None`` where nobody limits it."""
        return self.settings.memory_limit or resources.memory_limit()

    @property
    def bounds(self) -> Bounds:
        """Return what the task's loop keeps to."""
        settings, in_flight = self.settings, limits.bytes_in_flight(self.memory_limit)
        return Bounds(in_flight, cadence=settings.cadence, grace=settings.grace)

    def start_pool(self) -> Pool | InlinePool:
        """Start the first workers; a recipe is theirs later, so that they import meanwhile."""
        settings = self.settings
        places = (settings.source, settings.output)
        schemes = [place.scheme for place in places if place is not None]
        silence = 2 * settings.retry_budget + 60.0
        return open_pool(schemes, self.workers, silence, self.memory_limit)

    def begin(self) -> tuple[Iterator[Item], RunRecord]:
        """Return the source's listing, begun, and the run's record, pinned unless DRY_RUN.

        The listing's first page comes first: a wrong source leaves no trace in the output.
        Raises ``SettingError``, ``StorageError`` or ``RunConflict``.
        """
        settings = self.settings
        ours = self.check()
        listing = iter(open_store(settings.source.url, self.options).list())
        first = list(itertools.islice(listing, 1))
        return itertools.chain(first, listing), self.pin(ours)

    def pin(self, ours: RunRecord) -> RunRecord:
        """Return the record that holds for all tasks of the run; DRY_RUN leaves no trace."""
        if self.settings.dry_run:
            return ours
        return run_record.pin(self.open_folder(ours.run), ours)

    def terms(self, record: RunRecord) -> Terms:
        """Return what the settings say about this attempt."""
        settings = self.settings
        return Terms(
            task=settings.task,
            started=self.started,
            workers=self.workers,
            bounds=self.bounds,
            max_failures=settings.max_failures,
            texts=settings.texts,
            open_folder=functools.partial(self.open_folder, record.run),
        )

    def check(self) -> RunRecord:
        """Return this task's own record of its run, after all that can be told without a store.

        Raises ``SettingError``.
        """
        settings = self.settings
        ours = self.record()
        in_place = self.layout(ours).in_place
        if not in_place and below(settings.source, self.output_of(ours)) == "":
            accepted = "another folder than INPUT_FOLDER, so that no original is overwritten"
            raise SettingError("OUTPUT_FOLDER", self.output_of(ours).url, accepted)
        return ours

    def layout(self, record: RunRecord) -> Reversible:
        """Return the run's rule for output keys. Raises ``SettingError``."""
        stamp = run_stamp(record.started)
        return parse_layout(self.settings.layout, self.settings.renditions, stamp)

    def output_of(self, record: RunRecord) -> Location:
        """Return the output prefix: OUTPUT_FOLDER, or the default by the run's start time."""
        if self.settings.output is not None:
            return self.settings.output
        return default_output(self.settings.source, record.started, self.settings.output_bucket)

    def open_folder(self, run: str, *, hurried: bool = False) -> Store:
        """Open the run's folder, below the output base: its record and ledgers live there.

        ``hurried``: for last words, before an engine's SIGKILL; a store that is down is given up.
        """
        settings = self.settings
        base = output_base(settings.source, settings.output, settings.output_bucket)
        options = self.options
        if hurried:
            budget = min(_HURRIED_SECONDS, options.retry_budget)
            options = replace(options, retry_budget=budget, request_timeout=_HURRIED_SECONDS)
        return open_store(run_record.folder_url(base.url, run), options)

    def existing(self, recipe: Recipe) -> Iterator[Item]:
        """List what the output holds; a local folder that is not there yet holds nothing.

        Originals that lie in the output (where it contains the source) are no outputs.
        """
        try:
            for item in open_store(recipe.output, self.options).list():
                if not recipe.forbidden or not item.key.startswith(recipe.forbidden):
                    yield item
        except BucketMissing:
            if recipe.output.startswith(("s3://", "gs://")):
                raise

    def excluded(self, record: RunRecord) -> tuple[str, ...]:
        """Return the prefixes of the source that hold outputs, not inputs."""
        inside = below(self.settings.source, self.output_of(record))
        return () if inside is None or self.layout(record).in_place else (inside,)

    def recipe(self, record: RunRecord) -> Recipe:
        """Return what the workers need to know."""
        settings, output = self.settings, self.output_of(record)
        inside = below(output, settings.source)
        threads = ceil(settings.concurrency / self.workers)
        local = min(threads, _LOCAL_THREADS)
        return Recipe(
            source=settings.source.url,
            output=output.url,
            storage=self.options,
            renditions=settings.renditions,
            layout=self.layout(record),
            limits=settings.limits,
            fits=settings.fits,
            overwrite=settings.overwrite,
            readers=local if settings.source.scheme == "file" else threads,
            writers=local if output.scheme == "file" else threads,
            forbidden=f"{inside}/" if inside else "",
            memory=self._memory(),
            ranged=settings.source.scheme not in ("file", "memory"),
        )

    def _memory(self) -> Memory:
        limit = self.memory_limit or resources.physical_memory()
        share, alone = limits.decoding_memory(limit, self.workers)
        return Memory(share, alone)

    def record(self, manifest: str | None = None, pyramids: str | None = None) -> RunRecord:
        """Return this task's own idea of the run's record; another task may come first."""
        settings = self.settings
        record = run_record.RunRecord(
            run="",
            started=self.started,
            source=settings.source.url,
            output=None if settings.output is None else settings.output.url,
            output_bucket=settings.output_bucket if settings.output is None else None,
            renditions=";".join(canonical(rendition) for rendition in settings.renditions),
            layout=settings.layout,
            slice=settings.slice,
            count=settings.task.count,
            version=shard.__version__,
            manifest=manifest,
            fits=fits.canonical(settings.fits),
            pyramids=pyramids,
        )
        return replace(record, run=settings.task.run_id or self._own_run_id(record))

    def _own_run_id(self, record: RunRecord) -> str:
        """Make a run id where neither RUN_ID nor an engine gives one."""
        if record.count == 1:
            return f"{self.started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        if record.output is None and not self.settings.dry_run:
            accepted = (
                "one id, the same in all tasks and retries; without it the tasks would not share "
                "the default output (or set OUTPUT_FOLDER)"
            )
            raise SettingError("RUN_ID", None, accepted)
        what = repr(replace(record, started=datetime.fromtimestamp(0, UTC))).encode()
        run = f"{run_stamp(self.started)}-{hashlib.blake2b(what, digest_size=4).hexdigest()}"
        _log.warning("RUN_ID is not set: tasks that start within this minute share run %s", run)
        return run
