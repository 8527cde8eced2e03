"""The verb `status`: find a run's folder, add up its ledgers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shard.errors import StorageError
from shard.execution import plan_record, run_record, runs
from shard.planning.location import parse_location
from shard.report import against, status, summary
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.execution.plan_record import PlanRecord
    from shard.execution.run_record import RunRecord
    from shard.storage.base import Store

_log = logging.getLogger("shard")


def run_status(url: str, say: Callable[[str], None]) -> int:
    """Say how a run stands; return 0 if it is done and without failures, else 1.

    ``url`` is a run's folder, or an output (base) whose latest run is meant.
    """
    folder, record = runs.find(parse_location(url, "RUN_FOLDER").url, StorageOptions())
    state = status.read(folder, record)
    where = summary.Where(record.run, runs.output_of(record).url, folder.url)
    said = status.text(state, where)
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
