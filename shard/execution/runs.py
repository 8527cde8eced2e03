"""Runs found again: their folders, their records, what their ledgers say."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from shard.errors import BucketMissing, ObjectMissing, StorageError
from shard.execution import ledger, run_record
from shard.planning.location import default_output, parse_location
from shard.storage import open_store
from shard.storage.lines import lines as split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.execution.run_record import RunRecord
    from shard.model import Item
    from shard.planning.location import Location
    from shard.storage.base import StorageOptions, Store

_RUN: Final = re.compile(r"([^/]+)/run\.json")
_LEDGER: Final = re.compile(r"task-\d{5,}-of-\d{5,}\.jsonl")


def find(url: str, options: StorageOptions) -> tuple[Store, RunRecord]:
    """Return the folder and record of a run.

    ``url`` is its folder, or an output whose latest run is meant. Raises ``StorageError`` where
    there is none.
    """
    folder = open_store(url, options)
    try:
        return folder, run_record.load(folder)
    except ObjectMissing:
        pass
    found = list(all_below(url, options))
    if not found:
        raise StorageError(
            url, "holds no run", "name the folder that the summary calls the ledger, or an output"
        )
    return max(found, key=lambda pair: pair[1].started)


def all_below(base_url: str, options: StorageOptions) -> Iterator[tuple[Store, RunRecord]]:
    """Yield folder and record of every run of an output (base)."""
    runs = open_store(run_record.runs_url(base_url), options)
    try:
        names = [match[1] for item in runs.list() if (match := _RUN.fullmatch(item.key))]
    except BucketMissing:
        return  # the folder is not there: no run yet
    for name in names:
        folder = open_store(f"{runs.url}/{name}", options)
        yield folder, run_record.load(folder)


def output_of(record: RunRecord) -> Location:
    """Return where the run's outputs are."""
    if record.output is not None:
        return parse_location(record.output, "output")
    source = parse_location(record.source, "source")
    return default_output(source, record.started, record.output_bucket)


def lines(folder: Store) -> Iterator[dict[str, Any]]:
    """Yield every line of every ledger of a run, in the order in which a task wrote them."""
    for item in folder.list(prefix="task-"):
        if _LEDGER.fullmatch(item.key):
            yield from lines_of(folder, item)


def lines_of(folder: Store, item: Item) -> Iterator[dict[str, Any]]:
    """Yield every line of one ledger, ``item`` as it was listed."""
    for number, line in enumerate(split(ledger.chunks(folder, item)), 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            what = f"line {number} is no line of a ledger ({error})"
            raise StorageError(f"{folder.url}/{item.key}", what, "run the job again") from error
