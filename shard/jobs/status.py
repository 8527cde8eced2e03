"""The verb `status`: find a run's folder, add up its ledgers."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from shard.errors import BucketMissing, ObjectMissing, StorageError
from shard.execution import plan_record, run_record
from shard.planning.location import default_output, parse_location
from shard.report import against, status, summary
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.execution.plan_record import PlanRecord
    from shard.execution.run_record import RunRecord
    from shard.storage.base import Store

_log = logging.getLogger("shard")

_RUN = re.compile(r"([^/]+)/run\.json")


def run_status(url: str, say: Callable[[str], None]) -> int:
    """Say how a run stands; return 0 if it is done and without failures, else 1.

    ``url`` is a run's folder, or an output (base) whose latest run is meant.
    """
    folder, record = _find(parse_location(url, "RUN_FOLDER").url)
    state = status.read(folder, record)
    said = status.text(state, summary.Where(record.run, _output(record), folder.url))
    plan = _plan(folder, record)
    if plan is not None and against.matches(plan, state):
        said += "\n" + against.text(plan, state)
    say(said)
    return 0 if state.done and not state.failed_items else 1


def _plan(folder: Store, record: RunRecord) -> PlanRecord | None:
    """Return the plan that lies beside the run; one that cannot be read is only a warning."""
    base = run_record.base_url(folder.url, record.run)
    try:
        return None if base is None else plan_record.load(open_store(base, StorageOptions()))
    except StorageError as error:
        _log.warning("%s", error)
        return None


def _find(url: str) -> tuple[Store, RunRecord]:
    options = StorageOptions()
    folder = open_store(url, options)
    try:
        return folder, run_record.load(folder)
    except ObjectMissing:
        pass
    runs = open_store(run_record.runs_url(url), options)
    try:
        names = [match[1] for item in runs.list() if (match := _RUN.fullmatch(item.key))]
    except BucketMissing:
        names = []  # the bucket itself was there a moment ago: only this folder is not
    found = [open_store(f"{runs.url}/{name}", options) for name in names]
    records = [(run_record.load(store), store) for store in found]
    if not records:
        raise StorageError(
            url, "holds no run", "name the folder that the summary calls the ledger, or an output"
        )
    record, folder = max(records, key=lambda pair: pair[0].started)
    return folder, record


def _output(record: RunRecord) -> str:
    if record.output is not None:
        return record.output
    source = parse_location(record.source, "source")
    return default_output(source, record.started, record.output_bucket).url
