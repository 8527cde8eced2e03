"""A pool of no processes, for stores that live in this one only (``memory://``)."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from shard import imaging
from shard.execution.job import Job
from shard.execution.pool import Finished
from shard.execution.processes import hush
from shard.execution.sites import Sites
from shard.execution.work import Done

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shard.execution.pool import PoolEvent
    from shard.execution.work import Recipe, Work


class InlinePool:
    """Renders in the task's own process, one item after the other; nothing isolates a crash."""

    peak_rss = peak_worker_rss = 0
    ready = True

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()
        self.versions: Mapping[str, str] = imaging.engine_versions()

    def grow(self, size: int) -> None:
        """Stay what it is: one process."""

    def equip(self, recipe: Recipe) -> None:
        """Open the recipe's stores."""
        self._sites = Sites(recipe)

    @property
    def in_hand(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether another item can be taken."""
        return not self._waiting

    def submit(self, work: Work) -> None:
        """Take an item; it is rendered by the next ``poll``."""
        self._waiting.append(work)

    def poll(self, timeout: float, wake: int) -> Iterator[PoolEvent]:
        """Render what waits; where nothing does, wait for ``wake``."""
        if not self._waiting and wait([wake], timeout):
            hush(wake)
        while self._waiting:
            # Nothing is beside it, so a worker's share of the memory is no bound here.
            job = Job(replace(self._waiting.popleft(), alone=True))
            before = time.process_time()
            site = self._sites.of(job.work)
            site.steps.read(job, site.source, site.recipe)
            site.steps.compare(job, site.output, site.recipe)
            site.steps.render(job, site.recipe)
            job.cpu_ms = (time.process_time() - before) * 1000
            outcomes = site.steps.write(job, site.output, site.recipe)
            yield Finished(job.work, Done(job.work.number, outcomes, tuple(job.claims)))

    def drain(self) -> None:
        """Nothing waits between two polls."""

    def close(self) -> None:
        """Nothing is open."""
