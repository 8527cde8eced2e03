"""The sites that a worker serves: each a source with its output, its steps and its recipe.

A batch has one. A service may have several, and opens each one's stores when first asked.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shard.execution.steps import steps_of
from shard.storage import open_store
from shard.storage.discard import DiscardStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.execution.steps import Steps
    from shard.execution.work import Recipe, Work
    from shard.storage.base import Store


@dataclass(frozen=True, slots=True)
class OpenSite:
    """One site in a worker: what is to be done there, and both stores."""

    recipe: Recipe
    steps: Steps
    source: Store
    output: Store


class Sites:
    """A recipe's sites. Thread-safe.

    Without ``Recipe.sites`` the recipe itself is the only one, opened at once. Raises
    ``StorageError`` for a store that cannot be opened, here or, with several, where it is met.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipes: Mapping[str, Recipe] = recipe.sites or {"": recipe}
        self._opened: dict[str, OpenSite] = {}
        self._opening = threading.Lock()
        if not recipe.sites:
            self._open("")

    def of(self, work: Work) -> OpenSite:
        """Return the site of an item, opened."""
        return self._opened.get(work.site) or self._open(work.site)

    def warm(self) -> None:
        """Import what the first item would else wait for."""
        if any(recipe.frames is not None for recipe in self._recipes.values()):
            from shard.execution import frame_item

            frame_item.warm()

    def _open(self, name: str) -> OpenSite:
        with self._opening:
            if name not in self._opened:
                recipe = self._recipes[name]
                output: Store = (
                    DiscardStore(recipe.output)
                    if recipe.discard
                    else open_store(recipe.output, recipe.storage)
                )
                source = open_store(recipe.source, recipe.storage)
                self._opened[name] = OpenSite(recipe, steps_of(recipe), source, output)
            return self._opened[name]


def several(sites: Mapping[str, Recipe]) -> Recipe:
    """Return the one recipe that tells a pool of several sites; limits are those of the first.

    In a worker's hand are as many items as the most patient of them wants.
    """
    depth = max((one.depth for one in sites.values() if one.depth is not None), default=None)
    return replace(next(iter(sites.values())), sites=dict(sites), depth=depth)
