"""Which steps an item goes through in a worker: of renditions, a pyramid, or a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from shard.execution.job import Job
    from shard.execution.work import Recipe
    from shard.model import Outcome
    from shard.storage.base import Store


class Steps(Protocol):
    """A module's functions, called one after the other; each meets its own exceptions."""

    def read(self, job: Job, source: Store, recipe: Recipe) -> None:
        """Fetch the item."""

    def compare(self, job: Job, output: Store, recipe: Recipe) -> None:
        """Settle what needs no work."""

    def render(self, job: Job, recipe: Recipe) -> None:
        """Make what is wanted, in the worker's main thread."""

    def write(self, job: Job, output: Store, recipe: Recipe) -> tuple[Outcome, ...]:
        """Write what was made; return the item's outcomes."""


def steps_of(recipe: Recipe) -> Steps:
    """Return the steps that a recipe asks for."""
    if recipe.pyramids is not None:
        from shard.execution import pyramid_item

        return cast("Steps", pyramid_item)
    if recipe.frames is not None:
        from shard.execution import frame_item

        return cast("Steps", frame_item)
    from shard.execution import item

    return cast("Steps", item)
