"""How long making thumbnails takes: by the latest run's ledger, else by a stated assumption."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from shard.errors import ShardError
from shard.execution import runs
from shard.report import words
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from shard.planning.location import Location
    from shard.storage.base import Store

ASSUMED = 10.0
"""Images a second of one task, where nothing was measured: a cautious figure for two cores and
photographs of a few megabytes on an object store."""
TASKS = (1, 10, 100)
CADENCES = (0.0, 0.1, 0.5, 1.0)
# In a run of fewer images the start of its processes is most of the time.
_ENOUGH = 20
# A report is about a file; it waits little for a store that may not even be reachable from here.
_PATIENCE = StorageOptions(retry_budget=2.0, request_timeout=5.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """Images a second that one task makes, and who says so (``None``: assumed)."""

    rate: float = ASSUMED
    run: str | None = None

    def seconds(self, images: int, tasks: int, cadence: float) -> float:
        """Return how long ``tasks`` tasks take, each one image every ``cadence`` s at most."""
        return ceil(images / tasks) * max(cadence, 1 / self.rate)

    @property
    def told(self) -> str:
        """Where the figure comes from."""
        if self.run is None:
            return f"assuming {self.rate:g} images a second and task (no run has shown it yet)"
        return f"at {words.rate(1, 1 / self.rate)} and task, as in run {self.run}"


def pace(source: Location) -> Pace:
    """Return the pace of the latest run beside these originals that rendered enough to tell.

    A run that was told to go slowly tells nothing.
    """
    try:
        past = sorted(runs.all_below(source.url, _PATIENCE), key=lambda pair: pair[1].started)
        for folder, record in reversed(past):
            images, seconds = _rendered(folder)
            if images >= _ENOUGH and seconds > 0:
                return Pace(images / seconds, record.run)
    except (ShardError, ValueError, KeyError):
        return Pace()
    return Pace()


def _rendered(folder: Store) -> tuple[int, float]:
    """Return how many images all tasks rendered at full speed, and the seconds of all of them."""
    images, seconds = 0, 0.0
    for item in folder.list(prefix="task-"):
        if item.key.endswith(".json"):
            for attempt in json.loads(folder.read(item.key))["attempts"]:
                if float(attempt.get("settings", {}).get("CADENCE") or 0):
                    continue
                images += attempt["totals"]["items_rendered"]
                seconds += attempt["seconds"]
    return images, seconds
