"""The verb `verify`: is everything there, fresh, readable, and nothing besides."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from shard.errors import SettingError
from shard.execution import run_record, runs
from shard.execution.decoding import Decoding, Sample
from shard.execution.opening import Opening
from shard.execution.reconcile import Seen, Subject, reconcile
from shard.execution.removal import Removal
from shard.execution.signals import Stop
from shard.execution.verdict_file import VerdictFile
from shard.planning.location import output_base, parse_location
from shard.planning.settings import TaskSettings
from shard.planning.verdicts import WRONG, Kind, Rules, Tally
from shard.report import verify as report
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from shard.execution.run_record import RunRecord
    from shard.manifest import Manifest
    from shard.planning.verdicts import Verdict
    from shard.storage.base import Store


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for besides the sums.

    ``decode``: how many existing thumbnails to open, 0 none, ``None`` all. ``delete``: these are
    to be removed (orphans, duplicates), once ``confirm`` (given what would go) agrees. ``tell``
    gets every wrong verdict as it is found.
    """

    decode: int | None = 0
    delete: frozenset[Kind] = frozenset()
    confirm: Callable[[Removal], bool] = lambda _planned: False
    tell: Callable[[Verdict], None] = lambda _verdict: None


class Say(Protocol):
    """Says a result once it is known."""

    def __call__(self, result: report.Result) -> None:
        """Say it."""


@dataclass(slots=True)
class Case:
    """A subject with the task that it was, or would be, made by."""

    opening: Opening
    record: RunRecord
    subject: Subject
    base: str


def of_run(
    url: str, env: Mapping[str, str], flags: Mapping[str, str], only: Collection[str] = ()
) -> Case:
    """Return the case of a run: ``url`` is its folder, or an output whose latest run is meant.

    What the run was started with holds, except where ``flags`` say otherwise; ``env`` tells the
    rest (how stores are reached, limits).
    """
    options = Opening(TaskSettings.parse({**env, "INPUT_FOLDER": url})).options
    folder, record = runs.find(parse_location(url, "RUN_FOLDER").url, options)
    if record.upload:  # by the folder its thumbnails may be orphans whose originals are beside them
        accepted = "another job's run; `shard upload DIRECTORY DEST --dry-run` compares an upload"
        raise SettingError("INPUT", url, accepted)
    told = {
        "INPUT_FOLDER": record.source,
        "OUTPUT_FOLDER": runs.output_of(record).url,
        "RENDITIONS": record.renditions,
        "LAYOUT": record.layout,
    }
    if "SIZES" in flags:
        del told["RENDITIONS"]
    opening = Opening(TaskSettings.parse({**env, **told, **flags}), record.started)
    base = run_record.base_url(folder.url, record.run) or runs.output_of(record).url
    return _case(opening, record, folder, base, only)


def of_places(env: Mapping[str, str], only: Collection[str] = ()) -> Case:
    """Return the case of a source and an output; the latest run that made it so, if there is one.

    Raises ``SettingError`` where the settings do not say what the outputs are called.
    """
    opening = Opening(TaskSettings.parse(env))
    ours = opening.check()
    settings = opening.settings
    base = output_base(settings.source, settings.output, settings.output_bucket).url
    same = ("source", "renditions", "layout")
    past = [
        (folder, record)
        for folder, record in runs.all_below(base, opening.options)
        if all(getattr(record, name) == getattr(ours, name) for name in same)
        and (settings.output is None or runs.output_of(record) == settings.output)
    ]
    if past:
        folder, record = max(past, key=lambda pair: pair[1].started)
        opening = Opening(settings, record.started)
        return _case(opening, record, folder, base, only)
    if settings.output is None or "{run}" in settings.layout:
        name = "OUTPUT_FOLDER" if settings.output is None else "LAYOUT"
        accepted = "the folder of the outputs, or a run's folder instead of INPUT"
        raise SettingError(name, None if settings.output is None else settings.layout, accepted)
    return _case(opening, ours, None, base, only)


def of_manifest(
    manifest: Manifest, env: Mapping[str, str], source: str | None, only: Collection[str] = ()
) -> Case:
    """Return the case of a manifest: what it lists, against the thumbnails that there are now.

    ``source`` says where the collections lie, if not where they were scanned.
    """
    at = {"INPUT_FOLDER": source or manifest.header.source.url, "LAYOUT": "collections"}
    if "OUTPUT_FOLDER" in env:
        at["OUTPUT_FOLDER"] = at["INPUT_FOLDER"]
    records = manifest.records(only)  # an unknown collection is told now, not in the middle
    case = of_places({**env, **at}, only or manifest.header.collections)
    case.subject = replace(case.subject, items=lambda: (record.item for record in records))
    return case


def _case(
    opening: Opening,
    record: RunRecord,
    folder: Store | None,
    base: str,
    only: Collection[str],
) -> Case:
    settings, recipe = opening.settings, opening.recipe(record)
    if only and not recipe.layout.in_place:
        accepted = "nothing, unless LAYOUT is collections"
        raise SettingError("--collection", ", ".join(only), accepted)
    subject = Subject(
        source=settings.source.url,
        output=recipe.output,
        rules=Rules(opening.layout(record), settings.renditions),
        list_source=lambda: open_store(settings.source.url, opening.options).list(),
        list_output=lambda: opening.existing(recipe),
        exclude=opening.excluded(record),
        exclude_runs=not settings.source.prefix,
        folder=folder,
        collections=frozenset(only),
    )
    return Case(opening, record, subject, base)


def run_verify(case: Case, wishes: Wishes, say: Say) -> int:
    """Verify; return 0 if the sums close, else 1. ``say`` gets the result."""
    tally, seen = Tally(), Seen()
    with Stop() as stop, stop.at_once(), ExitStack() as files:
        unwanted = files.enter_context(VerdictFile())
        everything = files.enter_context(VerdictFile()) if wishes.decode is None else None
        sample = Sample(wishes.decode or 0)
        for verdict in reconcile(case.subject, seen):
            tally.add(verdict)
            if verdict.kind in WRONG:
                wishes.tell(verdict)
            if verdict.kind in wishes.delete:
                unwanted.add(verdict)
            elif verdict.kind is Kind.FRESH:
                (everything or sample).add(verdict)
        opened = 0
        if wishes.decode != 0:
            opened = _decode(case, everything or sample.verdicts, tally, wishes, stop)
        result = report.Result(case.subject, case.record, tally, seen, opened)
        if unwanted.count:
            result.removal = _remove(case, unwanted, seen, wishes)
        say(result)
    return 0 if result.closes else 1


def _decode(
    case: Case, verdicts: Iterable[Verdict], tally: Tally, wishes: Wishes, stop: Stop
) -> int:
    def tell(verdict: Verdict) -> None:
        tally.add(verdict)
        wishes.tell(verdict)

    opening = case.opening
    pool = opening.start_pool()
    try:
        pool.grow(opening.workers)
        decoding = Decoding(opening.recipe(case.record), opening.bounds, tell)
        decoding.run(verdicts, pool, stop)
    finally:
        pool.close()
    return decoding.opened


def _remove(case: Case, unwanted: VerdictFile, seen: Seen, wishes: Wishes) -> Removal:
    """Say what would go, and, if that is agreed to, let it go."""
    subject, options = case.subject, case.opening.options
    if not seen.items:
        accepted = "a source with images: one without would make an orphan of every thumbnail"
        raise SettingError("INPUT_FOLDER", subject.source, accepted)

    def run(*, dry: bool) -> Removal:
        stores = (open_store(subject.source, options), open_store(subject.output, options))
        removal = Removal(subject, *stores, dry=dry)
        removal.run(unwanted, runs.all_below(case.base, options))
        return removal

    planned = run(dry=True)
    agreed = planned.removed.total() > 0 and wishes.confirm(planned)
    return run(dry=False) if agreed else planned
