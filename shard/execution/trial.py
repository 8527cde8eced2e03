"""A trial: some of the job's work, done by its own pool and pipeline, timed, and let go."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from shard.execution import processes
from shard.execution.runner import Runner
from shard.execution.supply import Chain
from shard.execution.totals import Totals
from shard.model import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shard.execution.inline import InlinePool
    from shard.execution.opening import Opening
    from shard.execution.pool import Pool
    from shard.execution.signals import Stop
    from shard.execution.work import Recipe, Work
    from shard.model import Outcome

_TRANSFER = ("read", "write")
_RENDERING = ("open", "decode", "resize", "encode")


@dataclass(frozen=True, slots=True)
class Finish:
    """When an item was settled (seconds of the monotonic clock) and how."""

    at: float
    outcomes: tuple[Outcome, ...]

    @property
    def cpu(self) -> float:
        """Seconds of a processor that the item took in its worker."""
        return max(outcome.cpu_ms for outcome in self.outcomes) / 1000

    @property
    def held_up(self) -> float:
        """Seconds that rendering took beyond the processor's: its worker was kept from one."""
        took = max(sum(o.ms.get(stage, 0.0) for stage in _RENDERING) for o in self.outcomes)
        return max(0.0, took / 1000 - self.cpu)

    @property
    def transfer(self) -> float:
        """Seconds that the item's bytes were on their way, beside other work."""
        return max(sum(o.ms.get(stage, 0.0) for stage in _TRANSFER) for o in self.outcomes) / 1000

    @property
    def written(self) -> int:
        """How many thumbnails were made."""
        return sum(outcome.status is Status.WRITTEN for outcome in self.outcomes)

    @property
    def failed(self) -> bool:
        """Whether any rendition failed."""
        return any(outcome.status is Status.FAILED for outcome in self.outcomes)

    @property
    def lost(self) -> bool:
        """Whether a worker died or was ended over it."""
        return any(outcome.attempts > 1 for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Effort:
    """What an item took: seconds of a processor, and what a worker waited, for whom.

    ``cpu``: of its worker's; ``own``: of the task's own process's. ``crowded``: for other programs
    on this machine; ``waiting``: for the item's bytes.
    """

    cpu: float
    own: float
    crowded: float
    waiting: float


@dataclass(slots=True)
class Trial:
    """What a trial saw.

    ``warm_up``: seconds until the first image was done; ``seconds``: of the trial itself;
    ``task_cpu``: processor seconds of the task's own process; ``others``: share of the cores that
    other programs took; ``worker_memory``: bytes; ``left``: items that were not done.
    """

    workers: int = 1
    warm_up: float = 0.0
    seconds: float = 0.0
    task_cpu: float = 0.0
    others: float = 0.0
    worker_memory: int = 0
    left: int = 0
    finishes: dict[str, Finish] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)

    def settle(self, outcomes: tuple[Outcome, ...]) -> None:
        """Take note of an item's outcomes."""
        self.finishes[outcomes[0].key] = Finish(time.monotonic(), outcomes)
        self.totals.add_item(outcomes)

    def efforts(self) -> dict[str, Effort]:
        """Return what each item took, by key.

        The task's own process is shared out evenly. Of the time that workers did not compute, what
        other programs took is shared as items were seen to be held up (long computations yield to
        others more often than short ones), the rest by transfer time; but an item that killed or
        hung its worker held up all that itself.
        """
        finishes, own = self.finishes, self.task_cpu / max(1, len(self.finishes))
        total = sum(finish.cpu + own for finish in finishes.values())
        idle = max(0.0, self._worker_seconds() - total)
        crowded = min(idle, self.others * self.seconds * self.workers)
        delays = {key: finish.held_up for key, finish in finishes.items()}
        if not (delayed := sum(delays.values())):
            delays, delayed = {key: finish.cpu + own for key, finish in finishes.items()}, total
        lost = {key: 1.0 for key, finish in finishes.items() if finish.lost}
        transfers = lost or {key: finish.transfer for key, finish in finishes.items()}
        moved = sum(transfers.values())
        if not moved:
            transfers, moved = dict.fromkeys(finishes, 1.0), float(len(finishes))
        return {
            key: Effort(
                cpu=finish.cpu,
                own=own,
                crowded=crowded * delays[key] / delayed if delayed else 0.0,
                waiting=(idle - crowded) * transfers.get(key, 0.0) / moved,
            )
            for key, finish in finishes.items()
        }

    def _worker_seconds(self) -> float:
        """Return how long workers were there in all; the uneven end is left out."""
        ends = sorted(finish.at for finish in self.finishes.values())[-self.workers :]
        missing = sum(ends[-1] - end for end in ends) if ends else 0.0
        return max(0.0, self.workers * self.seconds - missing)


def run_trial(
    opening: Opening,
    pool: Pool | InlinePool,
    recipe: Recipe,
    chains: Sequence[Chain],
    around: tuple[Stop, Callable[[Totals], None]],
) -> Trial:
    """Run the chains as the job would, but for the writes and the pauses of CADENCE.

    ``around``: the stop, and who is shown the sums now and then.
    """
    stop, show = around
    trial = Trial(workers=max(1, min(opening.workers, len(chains))))
    pool.equip(replace(recipe, discard=True))
    pool.grow(trial.workers)
    bounds = replace(opening.bounds, cadence=0.0)
    begun, warm = time.monotonic(), []
    first = Runner(
        pool, recipe, bounds, stop, lambda _: warm.append(time.monotonic()), lambda: None
    )
    first.run(_warm_up(chains, trial.workers))
    trial.warm_up = warm[0] - begun if warm else 0.0
    runner = Runner(pool, recipe, bounds, stop, trial.settle, lambda: show(trial.totals))
    cores, own, begun = processes.Cores(), time.process_time(), time.monotonic()
    runner.run(chains)
    trial.left = sum(len(chain.works) for chain in chains) - runner.settled
    trial.seconds = time.monotonic() - begun
    trial.task_cpu = time.process_time() - own
    spent = trial.task_cpu + sum(finish.cpu for finish in trial.finishes.values())
    trial.others = cores.others(spent)
    trial.worker_memory = pool.peak_worker_rss
    return trial


def _warm_up(chains: Sequence[Chain], workers: int) -> list[Chain]:
    """Return the smallest image of each kind, once a worker: libraries load when first needed."""
    smallest: dict[str, Work] = {}
    for work in (chain.works[0] for chain in chains):
        known = smallest.setdefault(PurePosixPath(work.item.key).suffix.lower(), work)
        if work.item.size < known.item.size:
            smallest[PurePosixPath(work.item.key).suffix.lower()] = work
    # The quickest come first: they tell when the workers were ready.
    firsts = sorted(smallest.values(), key=lambda work: work.item.size)
    works = [work for work in firsts for _ in range(workers)]
    return [Chain((replace(work, number=-number),)) for number, work in enumerate(works, 1)]
