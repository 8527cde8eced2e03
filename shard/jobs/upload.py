"""The verb `upload`: a folder of originals into a bucket, each with its thumbnails."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from shard.errors import AccessDenied, BucketMissing, StorageError
from shard.execution import resources
from shard.execution.folder import Uploads, take_stock
from shard.execution.opening import Opening
from shard.execution.runner import Bounds
from shard.execution.session import open_pool, run_session
from shard.execution.signals import Stop
from shard.execution.work import Originals
from shard.planning.upload import UploadLayout
from shard.report import upload as report
from shard.report import words
from shard.storage import open_store, requests
from shard.storage.base import Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shard.execution.folder import Stock
    from shard.execution.run_record import RunRecord
    from shard.execution.session import Crew, Terms
    from shard.execution.work import Recipe
    from shard.model import Item
    from shard.planning.upload_settings import UploadSettings
    from shard.report.upload import Watch
    from shard.storage.base import Store

_log = logging.getLogger("shard")

# A worker that uploads a large original says nothing meanwhile: the longest that one may take.
_SLOWEST = 100_000
# Interactively a first Ctrl-C waits for what is being uploaded, a second one for nothing.
_PATIENCE = 3600.0
_PROBE = ".shard/preflight"
_DRY_RUN_KEYS = 20


def run_upload(
    settings: UploadSettings, watch: Watch, say: Callable[[str], None], log: str | None
) -> int:
    """Run one task of an upload; return its exit code: 0, 1, 130 or 143.

    ``say`` gets the summary, ``log`` is the log file's name for it. Raises ``ShardError`` (exit 2)
    where a setting, the folder or the destination is wrong, before anything is uploaded.
    """
    task, began = settings.task, time.monotonic()
    with Stop(task.task_timeout) as stop:
        opening, crew = Opening(task), _crew(settings)
        pool = None if task.dry_run else _pool(settings, opening, crew)
        try:
            with stop.at_once(), _remedied(settings):
                source = open_store(task.source.url, opening.options)
                output = open_store(settings.output.url, opening.options)
                record = _preflight(settings, opening, source, output)
                stock = take_stock(
                    source, _existing(output), settings.options.selection, task.task, stop
                )
            recipe = _recipe(settings, opening, record, stock)
            supply = Uploads(stock, recipe, (source, output), task.limit)
            _announce(settings, stock)
            if pool is None:
                say(_dry_run(supply, stop))
                return 0
            watch.ahead(len(stock.items), stock.size)
            terms = _terms(settings, opening.terms(record), watch)
            ending = run_session(terms, supply, recipe, pool, (watch, stop))
            folder = opening.open_folder(record.run).url
            where = report.Where(task.source.url, settings.output.url, folder, log)
            made = watch.tally.requests + requests.made()
            spent = {"seconds": time.monotonic() - began}
            say(report.text({**ending.summary, **spent}, watch.tally, made, where))
            return ending.exit_code
        finally:
            if pool is not None:
                pool.close()


@contextlib.contextmanager
def _remedied(settings: UploadSettings) -> Iterator[None]:
    """Say what to check in the words of whoever named the destination (Spaces' variables)."""
    try:
        yield
    except AccessDenied as error:
        if settings.remedy is None or error.url.startswith(settings.task.source.url):
            raise
        raise AccessDenied(error.url, error.what, settings.remedy) from None


def _crew(settings: UploadSettings) -> int:
    """How many worker processes: one a core, no more than files at a time."""
    return min(resources.usable_cores(), settings.options.concurrency)


def _pool(settings: UploadSettings, opening: Opening, crew: int) -> Crew:
    task = settings.task
    silence = 2 * task.retry_budget + 60.0 + task.limits.max_bytes / _SLOWEST
    schemes = [task.source.scheme, settings.output.scheme]
    return open_pool(schemes, crew, silence, opening.memory_limit)


def _preflight(
    settings: UploadSettings, opening: Opening, source: Store, output: Store
) -> RunRecord:
    """List both ends and write, before any work: whatever is wrong is said now, with its remedy."""
    list(itertools.islice(source.list(), 1))
    try:
        list(itertools.islice(output.list(), 1))
    except BucketMissing as error:
        if settings.output.scheme != "file":
            remedy = "make it first, or check its name, region and endpoint"
            raise BucketMissing(error.url, error.what, remedy) from None
    try:
        record = opening.pin(replace(opening.check(), upload=True))
        _probe(settings, output)
    except AccessDenied as error:
        remedy = (
            "these credentials may list but not write here: give them the right to write "
            "(s3:PutObject; a Spaces key with Read/Write/Delete; roles/storage.objectUser)"
        )
        raise AccessDenied(error.url, error.what, remedy) from None
    return record


def _probe(settings: UploadSettings, output: Store) -> None:
    """Write an empty object with the wanted ACL and storage class: both may be refused."""
    headers = _headers(settings)
    if settings.task.dry_run or not (headers.acl or headers.storage_class):
        return
    try:
        output.write(_PROBE, b"", content_type="application/octet-stream", headers=headers)
    except AccessDenied:
        raise
    except StorageError as error:
        if error.retryable:
            raise
        remedy = (
            f"the store refused ACL {headers.acl!r}, storage class {headers.storage_class!r}; "
            "where a bucket has ACLs switched off, say --acl none"
        )
        raise StorageError(error.url, error.what, remedy) from None
    try:
        output.delete(_PROBE)
    except AccessDenied:
        _log.info("%s/%s stays: these credentials may not delete", output.url, _PROBE)


def _existing(output: Store) -> Iterator[Item]:
    """List the destination; a local folder that is not there yet holds nothing."""
    try:
        yield from output.list()
    except BucketMissing:
        return  # the preflight has seen that the bucket is there: only a local folder may not be


def _headers(settings: UploadSettings) -> Headers:
    options = settings.options
    acl = None if options.acl == "none" else options.acl
    return Headers(acl, options.cache_control, options.storage_class)


def _recipe(settings: UploadSettings, opening: Opening, record: RunRecord, stock: Stock) -> Recipe:
    options, crew = settings.options, _crew(settings)
    base = opening.recipe(record)
    files, more = divmod(options.concurrency, crew)
    return replace(
        base,
        layout=UploadLayout(record.layout, settings.task.renditions, stock.moved),
        originals=Originals(options.keep_corrupt, options.sha256),
        headers=_headers(settings),
        metadata=options.metadata,
        shares=tuple(files + (slot < more) for slot in range(crew)),
        depth=-(-_in_hand(settings) // crew),
    )


def _in_hand(settings: UploadSettings) -> int:
    """How many files are scheduled at the same time; one after the other means just that."""
    options = settings.options
    return 1 if options.concurrency == 1 else max(options.concurrency, options.ahead)


def _terms(settings: UploadSettings, terms: Terms, watch: Watch) -> Terms:
    local = settings.task.task.engine == "local"
    bounds = Bounds(
        terms.bounds.bytes_in_flight,
        cadence=settings.task.cadence,
        grace=_PATIENCE if local else settings.task.grace,
        items=_in_hand(settings),
    )
    return replace(terms, workers=_crew(settings), bounds=bounds, heard=watch.heard)


def _announce(settings: UploadSettings, stock: Stock) -> None:
    task = settings.task.task
    mine = f" (task {task.index} of {task.count})" if task.count > 1 else ""
    files = words.plural(len(stock.items), "file")
    _log.info(
        "%s, %s, from %s to %s%s",
        *(files, words.size(stock.size), settings.task.source.url, settings.output.url, mine),
    )
    if (settings.options.acl or "").startswith("public"):
        _log.warning(
            "ACL %s: anyone on the internet can read what is uploaded (--acl private: nobody else)",
            settings.options.acl,
        )
    if not stock.listed:
        _log.warning("no images in %s: nothing to do", settings.task.source.url)
    renditions = settings.task.renditions
    layout = UploadLayout("", renditions, stock.moved)
    moved = {
        item.key: layout.candidates(item.key, renditions[0])[0]
        for item in stock.items
        if item.key in stock.moved
    }
    if moved:
        _log.warning("%s", report.moved(moved))


def _dry_run(supply: Uploads, stop: Stop) -> str:
    """Say what would be uploaded; files that may be there already are read to know it."""
    wanted = [work.item for work in stop.watch(supply.all()) if not supply.done(work)]
    taken = wanted if supply.limit is None else wanted[: supply.limit]
    size = words.size(sum(item.size for item in taken))
    there = supply.items - len(wanted)
    lines = [
        f"Dry run, nothing was uploaded: {words.plural(supply.items, 'image')} looked at",
        f"  would upload {words.plural(len(taken), 'file')} ({size}) with their thumbnails",
        f"  would skip   {words.plural(there, 'file')}, there already",
        f"  to           {supply.recipe.output}",
        *(f"    {item.key!r}" for item in taken[:_DRY_RUN_KEYS]),
    ]
    if len(taken) > _DRY_RUN_KEYS:
        lines.append(f"    ... and {words.number(len(taken) - _DRY_RUN_KEYS)} more")
    return "\n".join(lines)
