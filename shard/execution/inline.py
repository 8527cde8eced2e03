"""A pool of no processes, for stores that live in this one only (``memory://``)."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from shard import imaging
from shard.execution.job import Job
from shard.execution.pool import Finished
from shard.execution.steps import steps_of
from shard.execution.work import Done
from shard.storage import open_store
from shard.storage.discard import DiscardStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shard.execution.pool import PoolEvent
    from shard.execution.work import Recipe, Work
    from shard.storage.base import Store


class InlinePool:
    """Renders in the task's own process, one item after the other; nothing isolates a crash."""

    peak_rss = peak_worker_rss = 0

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()
        self.versions: Mapping[str, str] = imaging.engine_versions()

    def grow(self, size: int) -> None:
        """Stay what it is: one process."""

    def equip(self, recipe: Recipe) -> None:
        """Open the recipe's stores."""
        self._recipe, self._steps = recipe, steps_of(recipe)
        self._source = open_store(recipe.source, recipe.storage)
        self._output: Store = (
            DiscardStore(recipe.output)
            if recipe.discard
            else open_store(recipe.output, recipe.storage)
        )

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

    def poll(self, timeout: float, wake: int) -> Iterator[PoolEvent]:  # noqa: ARG002 - as Pool's
        """Render what waits."""
        while self._waiting:
            # Nothing is beside it, so a worker's share of the memory is no bound here.
            job = Job(replace(self._waiting.popleft(), alone=True))
            before = time.process_time()
            self._steps.read(job, self._source, self._recipe)
            self._steps.compare(job, self._output, self._recipe)
            self._steps.render(job, self._recipe)
            job.cpu_ms = (time.process_time() - before) * 1000
            outcomes = self._steps.write(job, self._output, self._recipe)
            yield Finished(job.work, Done(job.work.number, outcomes, tuple(job.claims)))

    def drain(self) -> None:
        """Nothing waits between two polls."""

    def close(self) -> None:
        """Nothing is open."""
