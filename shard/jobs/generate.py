"""The verb `generate`: a task that makes what a manifest shows to be missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shard.errors import SettingError, StorageError
from shard.execution.inventory import Inventory, Window
from shard.execution.opening import Opening
from shard.execution.session import run_session
from shard.execution.signals import Stop
from shard.report import generation, summary, words
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shard.execution.account import Progress
    from shard.execution.session import Ending
    from shard.manifest import Manifest, Record
    from shard.model import Outcome
    from shard.planning.settings import TaskSettings
    from shard.storage.base import Store

FRESH_FOR = timedelta(hours=24)
"""How old a manifest may be, unless the user insists."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a manifest. ``resume``: a file name, or a key, to go on from."""

    manifest: Manifest
    collections: tuple[str, ...] = ()
    resume: str | None = None
    force: bool = False

    @property
    def text(self) -> str:
        """What all tasks of a run have in common."""
        said = [self.manifest.header.created_at.isoformat(), *self.collections]
        return " ".join([*said, f"from {self.resume}"] if self.resume else said)

    @property
    def images(self) -> int:
        """How many images the manifest has in these collections."""
        stats = self.manifest.header.collection_stats
        return sum(stats[name].total_images for name in self.collections or stats if name in stats)


@dataclass(frozen=True, slots=True)
class Speech:
    """How the job is heard.

    ``say`` gets the summary; ``again`` returns the command that goes on at a file name, ``None``:
    from the beginning; ``heard`` gets each image's outcomes.
    """

    progress: Progress
    say: Callable[[str], None]
    again: Callable[[str | None], str]
    heard: Callable[[tuple[Outcome, ...]], None]


def checked(wish: Wish, now: datetime) -> Wish:
    """Return the wish with ``resume`` as a key. Raises ``SettingError`` for what cannot be.

    ``now`` is aware. Too old a manifest is refused unless forced; a file name that is in none of
    its records is no place to go on from.
    """
    manifest = wish.manifest
    age = manifest.header.age(now)
    if age > FRESH_FOR and not wish.force:
        said = f"{manifest.url} ({words.duration(age.total_seconds())} old)"
        accepted = "one younger than 24 h: `shard scan` makes it; or --force"
        raise SettingError("--manifest", said, accepted)
    for name in wish.collections:
        if name not in manifest.header.collections:
            there = ", ".join(manifest.header.collections) or "none, it is empty"
            raise SettingError("--collection", name, f"of this manifest: {there}")
    if wish.resume is None or "/" in wish.resume:
        return wish
    for record in manifest.records(wish.collections):
        if record.filename == wish.resume:
            return replace(wish, resume=record.original_key)
    accepted = "the file name of an original in the manifest, as the interrupted command printed it"
    raise SettingError("--resume", wish.resume, accepted)


def run_generate(settings: TaskSettings, wish: Wish, speech: Speech) -> int:
    """Run one task and return its exit code: 0, 1, 130 or 143.

    ``settings`` have the manifest's source as INPUT_FOLDER and ``collections`` as layout, ``wish``
    is checked. Raises ``ShardError`` (exit 2) before anything is made.
    """
    with Stop(settings.task_timeout) as stop:
        opening = Opening(replace(settings, slice="manifest"))
        store = open_store(settings.source.url, opening.options)
        with stop.at_once():
            _require_something(store)
        mine = _Mine(wish, settings)
        supply = Inventory(
            records=stop.watch(mine.records()),
            store=store,
            renditions=settings.renditions,
            window=Window.of(local=settings.source.scheme == "file", cadence=settings.cadence),
            limit=settings.limit,
            images=wish.images,
            expected=mine.count(stop),
            ignored=mine.ignored,
        )
        with stop.at_once():
            record = opening.pin(opening.record(wish.text))
        if settings.dry_run:
            with stop.at_once():
                speech.say(generation.dry_run(supply, wish.manifest))
            return 0
        pool = opening.start_pool()
        try:
            recipe = opening.recipe(record)
            terms = replace(opening.terms(record), job="generate", heard=speech.heard)
            ending = run_session(terms, supply, recipe, pool, (speech.progress, stop))
        finally:
            pool.close()
        folder = opening.open_folder(record.run)
        where = summary.Where(record.run, recipe.output, folder.url)
        speech.say(summary.task(ending.summary, where, _rows(supply, ending, speech)))
        return ending.exit_code


def _require_something(store: Store) -> None:
    """Raise ``StorageError`` where the collections are not, before anything is written there."""
    if next(iter(store.children()), None) is None:
        remedy = "say where the images are now: --local-root, --local-prefix, --s3-bucket, ..."
        raise StorageError(store.url, "the manifest's source holds nothing", remedy)


@dataclass(slots=True)
class _Mine:
    """The records of this task. ``ignored`` counts, while they pass, what comes before the rest."""

    wish: Wish
    settings: TaskSettings
    ignored: Counter[str] = field(default_factory=Counter)

    def count(self, stop: Stop) -> int:
        """Return how many there are; a part is read through for it, so that the rest is known."""
        if self.settings.task.count == 1 and self.wish.resume is None:
            return self.wish.images
        return sum(not self._is_before(record) for record in stop.watch(self._part()))

    def records(self) -> Iterator[Record]:
        """Yield them, in key order."""
        for record in self._part():
            if self._is_before(record):
                self.ignored["before --resume"] += 1
            else:
                yield record

    def _part(self) -> Iterator[Record]:
        task, wish = self.settings.task, self.wish
        return wish.manifest.slice(task.index, task.count, wish.collections)

    def _is_before(self, record: Record) -> bool:
        return self.wish.resume is not None and record.original_key < self.wish.resume


def _rows(supply: Inventory, ending: Ending, speech: Speech) -> list[tuple[str, str]]:
    """Return what the summary ends with: how to go on, where the task did not come to its end."""
    if ending.summary["ended_by"] != "complete":
        keys = [*ending.unsettled, *([supply.at] if supply.at else [])]
        return [("go on", speech.again(min(keys).rpartition("/")[2] if keys else None))]
    return [("limit", "reached: there may be more")] if supply.limited else []


def now() -> datetime:
    """Return the time by which a manifest's age is counted."""
    return datetime.now(UTC)
