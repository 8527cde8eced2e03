"""What a job gives its task to do: the one thing in which jobs differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shard.execution.signals import Stop
    from shard.execution.work import Work
    from shard.model import Outcome


@dataclass(frozen=True, slots=True)
class Chain:
    """Items whose possible output keys meet, in key order: each waits for the one before it.

    Nearly always one item, and then nothing is contested.
    """

    works: tuple[Work, ...]


Step = Chain | tuple["Outcome", ...] | None
"""Work to hand out; or an item's outcomes where there is nothing to do; or nothing yet."""


class Supply(Protocol):
    """A task's share of a job: decided beforehand, or while the workers are busy.

    The counts are of images and may grow until the steps are through. ``listed``: seen in the
    source. ``ignored``: no inputs, by reason. ``items``: this task's. ``beyond_limit``: needing
    work, left for LIMIT. ``works``: how many are, or at most will be, handed out; ``outcomes``:
    how many outcomes there will be, skipped ones included; ``None`` where nobody can know.
    """

    @property
    def listed(self) -> int:
        """Images seen in the source."""

    @property
    def ignored(self) -> Mapping[str, int]:
        """Objects that are no inputs, by reason."""

    @property
    def items(self) -> int:
        """Images in this task's slice."""

    @property
    def beyond_limit(self) -> int:
        """Images that need work but are over LIMIT."""

    @property
    def works(self) -> int | None:
        """Images that need work; an upper bound until the steps are through."""

    @property
    def outcomes(self) -> int | None:
        """Outcomes that the slice will have."""

    def prepare(self, stop: Stop) -> Iterable[tuple[Outcome, ...]]:
        """Learn what is ahead; return what is known beforehand to need no work.

        May wait for a store, inside ``stop.at_once()``. Raises ``ShardError``, ``Interrupted``.
        """

    def steps(self) -> Iterator[Step]:
        """Yield what is to be done, one step after the other.

        Runs between the task's other duties: rather yield ``None`` than wait for long. May raise
        ``ShardError``: what is in hand is then finished, and the attempt ends as broken.
        """
