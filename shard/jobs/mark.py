"""The verb `pyramid mark`: markers for images that lie in a bucket already."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shard.errors import AlreadyExists, KeyRefused, ObjectMissing, StorageError
from shard.execution.signals import Stop
from shard.execution.unmade import Comparison, listing
from shard.model import Task
from shard.planning import markers
from shard.planning.location import below
from shard.planning.markers import Marker, MarkerError, Rules
from shard.planning.marking import supersedes
from shard.planning.upload_events import BadEvent
from shard.report import pyramids as report
from shard.report import words
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from shard.model import Item
    from shard.planning.location import Location
    from shard.storage.base import Store

_log = logging.getLogger("shard")

_WRITERS = 16
_ONES_OWN = (KeyRefused, BadEvent)
"""What is wrong with one key, and says nothing of the others."""
_TELL_EVERY = 1_000


@dataclass(frozen=True, slots=True)
class Marking:
    """What is to be marked. ``since``: only what was modified then or later (aware).

    ``output`` is where pyramids lie, where that is known: what is below it is never marked.
    ``only_missing``: only where the pyramid is missing there, or stale.
    """

    source: Location
    process: Location
    prefix: str = markers.PREFIX
    prefixes: tuple[str, ...] = ()
    since: datetime | None = None
    output: Location | None = None
    only_missing: bool = False
    dry_run: bool = False
    storage: StorageOptions = field(default_factory=StorageOptions)


def run_mark(marking: Marking, say: Callable[[str], None]) -> int:
    """Write the markers; return the exit code: 0, or 1 where some could not be written.

    ``say`` gets the summary. Raises ``ShardError`` (exit 2) where a place cannot be listed.
    """
    source = open_store(marking.source.url, marking.storage)
    process = open_store(marking.process.url, marking.storage)
    counts: Counter[str] = Counter(listed=0, marked=0)
    with Stop() as stop:
        wanted = stop.watch(_wanted(marking, source, counts))
        if marking.dry_run:
            keys = [item.key for item in wanted]
            say(report.dry_run(keys, counts["listed"], "object", "mark"))
            return 0
        try:
            _write_all(marking, process, wanted, counts)
        finally:
            say(report.mark(counts, f"{marking.process.url}/{marking.prefix}"))
    return 1 if counts["failed"] or counts["refused"] else 0


def _wanted(marking: Marking, source: Store, counts: Counter[str]) -> Iterator[Item]:
    rules = Rules(prefixes=marking.prefixes, exclude=_own(marking))
    items = _listed(_everything(marking, source), rules, counts)
    if marking.output is None or not marking.only_missing:
        chosen: Iterable[Item] = items
    else:
        # Which key has a stem is known once all of them are: this listing is held.
        compared = Comparison(rules, ".tif")
        pyramids = listing(open_store(marking.output.url, marking.storage))
        compared.take(items, pyramids, Task())
        chosen = (item for item in compared.items if _is_missing(compared, item, counts))
    for item in chosen:
        if marking.since is None or (item.modified and item.modified >= marking.since):
            yield item
        else:
            counts["before --since"] += 1


def _own(marking: Marking) -> tuple[str, ...]:
    """Return the prefix of the source that holds pyramids: of these none are made."""
    inside = None if marking.output is None else below(marking.source, marking.output)
    return () if inside is None else (f"{inside}/",)


def _everything(marking: Marking, source: Store) -> Iterator[Item]:
    """List below each prefix; none of them twice."""
    prefixes = sorted(set(marking.prefixes)) or [""]
    for prefix in prefixes:
        if not any(other != prefix and prefix.startswith(other) for other in prefixes):
            yield from source.list(prefix=prefix)


def _listed(items: Iterable[Item], rules: Rules, counts: Counter[str]) -> Iterator[Item]:
    for item in items:
        counts["listed"] += 1
        judgement = rules.judge(item.key)
        if judgement.accepted:
            yield item
        else:
            counts[judgement.reason] += 1


def _is_missing(compared: Comparison, item: Item, counts: Counter[str]) -> bool:
    decision = compared.decide(item)
    if not decision.needed:
        counts["fresh"] += 1
    return decision.needed


def _write_all(
    marking: Marking, process: Store, items: Iterable[Item], counts: Counter[str]
) -> None:
    """Write them by several threads, no more than twice as many under way."""
    bucket = marking.source.bucket
    under_way: set[Future[str]] = set()
    with ThreadPoolExecutor(_WRITERS, "mark") as pool:
        for item in items:
            if len(under_way) >= 2 * _WRITERS:
                under_way = _count(wait(under_way, return_when=FIRST_COMPLETED), counts)
            marker = Marker.of(item, bucket)
            under_way.add(pool.submit(_write, process, marking.prefix, marker))
        _count(wait(under_way), counts)


def _write(process: Store, prefix: str, marker: Marker) -> str:
    """Write one marker; return what to count it as.

    One that is there for the same upload stays: it knows attempts, and who may only be shown small.
    """
    key = markers.marker_key(prefix, marker.key)
    try:
        process.write(key, marker.to_json(), content_type="application/json", create_only=True)
    except AlreadyExists:
        there = _there(process, key)
        if there is not None:
            verdict = supersedes(marker, there)
            if not verdict.accepted:
                return "marked already"
            marker = replace(marker, copyright=there.copyright)
        process.write(key, marker.to_json(), content_type="application/json")
    return "marked"


def _there(process: Store, key: str) -> Marker | None:
    """Return the marker at ``key``; ``None`` if it went meanwhile, or is not one."""
    try:
        return markers.read_marker(process.read(key))
    except (ObjectMissing, MarkerError):
        return None


def _count(
    settled: tuple[set[Future[str]], set[Future[str]]], counts: Counter[str]
) -> set[Future[str]]:
    done, under_way = settled
    for future in done:
        error = future.exception()
        if error is None:
            counts[future.result()] += 1
            if future.result() == "marked" and counts["marked"] % _TELL_EVERY == 0:
                _log.info("%s written", words.plural(counts["marked"], "marker"))
        elif isinstance(error, _ONES_OWN):
            counts["refused"] += 1
            _log.warning("%s", error)
        elif isinstance(error, StorageError) and error.retryable:
            counts["failed"] += 1
            _log.warning("%s", error)
        else:
            raise error
    return under_way
