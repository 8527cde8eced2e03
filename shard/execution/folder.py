"""What a folder of originals gives a task to do: list both ends once, then stream the files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.errors import AccessDenied, StorageError
from shard.execution import originals
from shard.execution.job import Job, failure
from shard.execution.supply import Chain
from shard.execution.work import Work
from shard.model import Item
from shard.planning import upload
from shard.planning.partition import owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shard.execution.signals import Stop
    from shard.execution.supply import Step
    from shard.execution.work import Recipe
    from shard.model import Outcome, Task
    from shard.storage.base import Store


@dataclass(slots=True)
class Stock:
    """What is in the folder and at the destination.

    ``items`` are the task's, in key order; ``listed`` counts all images of the folder, ``ignored``
    what is left out, by reason. ``existing`` is the destination's, by key below it. ``moved`` are
    the thumbnails that cannot have their own name. ``unreadable`` names folders that refused.
    """

    items: list[Item] = field(default_factory=list)
    listed: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    existing: dict[str, Item] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    unreadable: AccessDenied | None = None

    @property
    def size(self) -> int:
        """Bytes of the task's files."""
        return sum(item.size for item in self.items)


def take_stock(
    source: Store, destination: Iterable[Item], selection: upload.Selection, task: Task, stop: Stop
) -> Stock:
    """List the folder and the destination, each once, and keep what is this task's.

    Raises ``Interrupted`` between two files, and ``StorageError`` where a listing fails; folders
    below the source that cannot be read are left out and named.
    """
    stock, keys = Stock(), []
    for item in stop.watch(_readable(source, stock)):
        judgement = selection.judge(item.key)
        if not judgement.accepted:
            stock.ignored[judgement.reason] += 1
            continue
        keys.append(item.key)
        if owner(item.key, task.count) == task.index:
            stock.items.append(item)
    stock.listed = len(keys)
    stock.existing = {item.key: item for item in stop.watch(destination)}
    stock.moved = upload.displaced([*keys, *upload.names_in_use(stock.existing)])
    return stock


def _readable(source: Store, stock: Stock) -> Iterator[Item]:
    try:
        yield from source.list()
    except AccessDenied as error:  # after all else was yielded (``LocalStore.list``)
        stock.unreadable = error


@dataclass(slots=True)
class Uploads:
    """An upload's supply. Whether a file is there already is found out by whoever reads it.

    That is a worker, unless a ``limit`` has to be kept: then files that may be there are read here
    first, so that the limit counts only those that need work. ``stores``: folder and destination.
    """

    stock: Stock
    recipe: Recipe
    stores: tuple[Store, Store]
    limit: int | None = None
    beyond_limit: int = 0
    fresh: int = 0

    @property
    def listed(self) -> int:
        """Images in the folder."""
        return self.stock.listed

    @property
    def ignored(self) -> Counter[str]:
        """Files that are left out, by reason."""
        return self.stock.ignored

    @property
    def items(self) -> int:
        """Images that are this task's."""
        return len(self.stock.items)

    @property
    def works(self) -> int:
        """Images that are looked at, or at most uploaded."""
        return self.items - self.beyond_limit - self.fresh

    @property
    def outcomes(self) -> int:
        """Outcomes that the task will have: original and renditions."""
        return self.items * (1 + len(self.recipe.renditions))

    def prepare(self, stop: Stop) -> Iterable[tuple[Outcome, ...]]:  # noqa: ARG002 - as Supply's
        """Say what could not even be listed; all else is known already."""
        if self.stock.unreadable is None:
            return ()
        work = Work(-1, Item(self.stock.unreadable.what, 0), ())
        return ((failure(Job(work), upload.ORIGINAL, self.stock.unreadable),),)

    def steps(self) -> Iterator[Step]:
        """Yield a chain for each file, or its outcomes where there is nothing to do."""
        taken = 0
        for work in self.all():
            if self.limit is None:
                yield Chain((work,))
                continue
            if taken >= self.limit:
                self.beyond_limit += 1
                continue
            done = self.done(work)
            if done:
                self.fresh += 1
                yield done
            else:
                taken += 1
                yield Chain((work,))

    def all(self) -> Iterator[Work]:
        """Yield all files of the task as work, each with what the destination has of it."""
        recipe, existing = self.recipe, self.stock.existing
        names = (upload.ORIGINAL, *(rendition.name for rendition in recipe.renditions))
        for number, item in enumerate(self.stock.items):
            keys = [upload.original_key(item.key)]
            for rendition in recipe.renditions:
                keys.extend(recipe.layout.candidates(item.key, rendition))
            found = {key: existing[key] for key in keys if key in existing}
            yield Work(number, item, names, existing=found)

    def done(self, work: Work) -> tuple[Outcome, ...]:
        """Return the outcomes of a file of which all is there already, of any other nothing.

        Reads the file only where the destination has one of its size.
        """
        item, recipe = work.item, self.recipe
        known = work.existing.get(upload.original_key(item.key))
        if known is None or recipe.overwrite or known.size != item.size:
            return ()
        source, output = self.stores
        try:
            fresh = originals.judge(work, source.md5(item.key) or "", output, recipe)
        except StorageError:
            return ()  # the worker meets it again, and records it
        if len(fresh) < len(work.renditions):
            return ()
        return tuple(originals.settled(work, name, fresh[name]) for name in work.renditions)
