"""One source as a service sees it: the batch's recipe, asked about one image at a time."""

from __future__ import annotations

import itertools
import os.path
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Final

from shard.errors import BucketMissing, KeyRefused, ObjectMissing, SettingError, ShardError
from shard.execution import resources
from shard.execution.opening import Opening
from shard.execution.work import Memory, Work
from shard.model import Task
from shard.planning import limits
from shard.planning.collisions import contested
from shard.planning.inputs import STATE_FOLDER, judge
from shard.planning.layout import parse_layout
from shard.planning.reach import next_of_kin
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shard.execution.work import Recipe
    from shard.model import Item, Rendition
    from shard.planning.layout import Reversible
    from shard.planning.settings import TaskSettings
    from shard.storage.base import Store

MOST_LISTED: Final = 10_000
"""Objects that are looked at to learn with whom an image could share an output key."""
_SIGNED: Final = f"{STATE_FOLDER}/signed"
_SIGNED_LAYOUT: Final = "{rendition}/{dir}/{name}"
# One item is rendered, one is read, so that none waits behind a slow one.
_DEPTH: Final = 2


class NotServed(ShardError):
    """There is no such image here. ``reason`` is a word."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class TooManyNeighbours(ShardError):
    """With whom an image could share an output key cannot be told by a bounded listing."""


@dataclass(frozen=True, slots=True)
class Share:
    """A server process's part of a machine that ``processes`` of them share.

    ``cache`` are the bytes that it keeps in memory, ``patience`` the seconds that a request may
    take: retries of a store end before.
    """

    processes: int
    cache: int
    patience: float


@dataclass(frozen=True, slots=True)
class Seen:
    """An image as it is now. ``works`` are what to do for a rendition of it, one after the other.

    More than one where earlier images could have the same output key; the image's own is the last.
    ``existing`` are the rendition's candidates that exist. ``winner`` is the key of the image that
    surely has the output key instead.
    """

    item: Item
    works: tuple[Work, ...]
    existing: tuple[Item, ...]
    winner: str | None = None

    @property
    def contested(self) -> bool:
        """Whether what exists may be another image's."""
        return self.works[-1].contested


@dataclass(frozen=True)
class ServedSite:
    """A site of the service. ``excluded``: prefixes of the source that hold outputs.

    All methods ask stores and raise ``StorageError``; they are thread-safe.
    """

    name: str
    recipe: Recipe
    excluded: tuple[str, ...]

    @cached_property
    def source(self) -> Store:
        """The source."""
        return open_store(self.recipe.source, self.recipe.storage)

    @cached_property
    def output(self) -> Store:
        """The output."""
        return open_store(self.recipe.output, self.recipe.storage)

    @property
    def is_remote(self) -> bool:
        """Whether a network lies between."""
        return "://" in self.recipe.source or "://" in self.recipe.output

    def layout(self, rendition: Rendition) -> Reversible:
        """Return the rule for the rendition's output keys."""
        known = self.recipe.renditions
        renditions = known if rendition in known else (rendition,)
        return parse_layout(self.recipe.layout.text, renditions, "")

    def look(self, key: str, rendition: Rendition) -> Seen:
        """Return what the batch would see of an image. Raises ``NotServed``, ``TooManyNeighbours``.

        Asks the source once or twice, and the output.
        """
        layout = self.layout(rendition)
        inputs = self._inputs(layout, key)
        item = inputs[key]
        sets = contested(inputs.values(), layout, layout.renditions)
        chain = next((items for items in sets if item in items), [item])
        if len(chain) == 1:
            existing = self._existing(layout.candidates(key, rendition))
            own = self._work(item, rendition)
            return Seen(item, (own,), tuple(existing.values()))
        earlier = chain[: chain.index(item)]
        wanted = layout.candidates(key, rendition)
        rivals = (e for e in earlier if wanted == layout.candidates(e.key, rendition))
        winner = next(rivals, None) if len(wanted) == 1 else None
        if winner is not None:
            return Seen(item, (self._work(item, rendition),), (), winner.key)
        works = tuple(self._contested(layout, one, rendition) for one in (*earlier, item))
        return Seen(item, works, tuple(works[-1].existing.values()))

    def fetch(self, output: str) -> tuple[Item, bytes]:
        """Return an output's facts and bytes. Raises ``ObjectMissing``."""
        item = self.output.stat(output)
        if item is None:
            raise ObjectMissing(
                f"{self.output.url.rstrip('/')}/{output}", "there is no such object"
            )
        return item, self.output.read(output)

    def ask_source(self) -> None:
        """Find out whether the source can be listed."""
        next(iter(self.source.children()), None)

    def ask_output(self) -> None:
        """Find out whether the output can be listed; a local folder is made when it is needed."""
        try:
            next(iter(self.output.children()), None)
        except BucketMissing:
            if self.recipe.output.startswith(("s3://", "gs://")):
                raise

    def _work(self, item: Item, rendition: Rendition) -> Work:
        also = () if rendition in self.recipe.renditions else (rendition,)
        return Work(0, item, (rendition.name,), site=self.name, also=also)

    def _contested(self, layout: Reversible, item: Item, rendition: Rendition) -> Work:
        """Return an item's work where the batch would have all renditions made in one go."""
        candidates = [k for r in layout.renditions for k in layout.candidates(item.key, r)]
        existing = self._existing(tuple(dict.fromkeys(candidates)))
        names = tuple(r.name for r in layout.renditions)
        work = self._work(item, rendition)
        return replace(work, renditions=names, contested=True, existing=existing)

    def _inputs(self, layout: Reversible, key: str) -> dict[str, Item]:
        """Return the inputs that could share an output key with ``key``, by key; it is one."""
        if not layout.accepts(key):
            raise NotServed("not_found", "the layout knows no original of this key")
        found = self._near(layout, key)
        inputs = {k: item for k, item in found.items() if judge(item, self.excluded).accepted}
        if key not in inputs:
            raise NotServed("not_found", _why_not(found.get(key), self.excluded))
        return inputs

    def _near(self, layout: Reversible, key: str) -> dict[str, Item]:
        """Return the objects that could share an output key with ``key``, by key."""
        reach = layout.reach(key)
        # To list a folder on disk is to read all of it; a name costs nothing there.
        if reach.by_name and "://" not in self.recipe.source:
            found = self._named(layout, key)
            if key in found:
                return found
        found = dict(self._listed(layout, reach.prefix))
        told = key in found and found[key].content_type is None
        bare = reach.bare
        # Where listings tell no types, only an image's name makes an input.
        if bare is not None and not (told and not judge(replace(found[key], key=bare)).accepted):
            first = itertools.islice(self.source.list(prefix=bare), 1)
            found.update((item.key, item) for item in first if item.key == bare)
        return found

    def _named(self, layout: Reversible, key: str) -> dict[str, Item]:
        found: dict[str, Item] = {}
        asked, wanted = set[str](), [key]
        while wanted:
            name = wanted.pop()
            if name in asked or not layout.accepts(name):
                continue
            asked.add(name)
            try:
                item = self.source.stat(name)
            except KeyRefused:  # too long with what is appended: no file has that name
                continue
            if item is not None:
                found[name] = item
                wanted.extend(next_of_kin(name))
        return found

    def _listed(self, layout: Reversible, prefix: str) -> Iterator[tuple[str, Item]]:
        for number, item in enumerate(self.source.list(prefix=prefix)):
            if number == MOST_LISTED:
                message = (
                    f"more than {MOST_LISTED:,} objects could share output keys under this LAYOUT; "
                    f"accepted: one with {{dir}}/, as mirror"
                )
                raise TooManyNeighbours(message)
            if layout.accepts(item.key):
                yield item.key, item

    def _existing(self, candidates: Sequence[str]) -> dict[str, Item]:
        """Return those output keys that exist, by key, in the order given."""
        if len(candidates) == 1 or "://" not in self.recipe.output:
            stats = ((key, self.output.stat(key)) for key in candidates)
            return {key: item for key, item in stats if item is not None}
        found = {item.key: item for item in self._listed_outputs(candidates)}
        return {key: found[key] for key in candidates if key in found}

    def _listed_outputs(self, candidates: Iterable[str]) -> Iterator[Item]:
        prefix = os.path.commonprefix(list(candidates))  # noqa: RUF071 - of texts: keys are no paths
        for number, item in enumerate(self.output.list(prefix=prefix)):
            if number == MOST_LISTED:
                raise TooManyNeighbours(f"more than {MOST_LISTED:,} outputs begin with {prefix!r}")
            yield item


def _why_not(item: Item | None, excluded: Sequence[str]) -> str:
    if item is None:
        return "the source has no such object"
    reason = judge(item, excluded).reason
    return {
        "state": "the key lies in a .shard/ folder",
        "output": "the key lies in the output",
        "folder": "the key is a folder",
    }.get(reason, "neither its name nor its type says that the object is an image")


def served_site(name: str, settings: TaskSettings, share: Share) -> ServedSite:
    """Return the site that a source's settings describe. Raises ``SettingError``."""
    if "{run}" in settings.layout:
        accepted = "a layout without {run}: a service's outputs do not depend on when it began"
        raise SettingError("LAYOUT", settings.layout, accepted)
    opening = Opening(_of_process(settings, share))
    record = opening.check()
    recipe = replace(opening.recipe(record), memory=_memory(opening, share), depth=_DEPTH)
    return ServedSite(name, recipe, opening.excluded(record))


def served_recipe(settings: TaskSettings, share: Share) -> Recipe:
    """Return a recipe with this process's part of the machine, for what has no source to list."""
    opening = Opening(_of_process(settings, share))
    return replace(opening.recipe(opening.record()), memory=_memory(opening, share), forbidden="")


def signed_site(site: ServedSite, name: str) -> ServedSite:
    """Return the site of renditions that URLs describe: beside the batch's, in its state folder.

    There they meet neither its outputs nor its inputs, and `verify` knows that they are no orphans.
    """
    recipe = replace(
        site.recipe,
        output=f"{site.recipe.output.rstrip('/')}/{_SIGNED}",
        layout=parse_layout(_SIGNED_LAYOUT, site.recipe.renditions, ""),
        ranged=False,  # how much of an object is enough depends on renditions known beforehand
        forbidden="",
    )
    return ServedSite(name, recipe, site.excluded)


def part_of_machine(
    workers: int | None, memory_limit: int | None, share: Share
) -> tuple[int, int | None]:
    """Return this process's render processes and bytes, by WORKERS and MEMORY_LIMIT of all.

    ``None`` bytes where nobody limits them.
    """
    cores = workers or resources.usable_cores()
    limit = memory_limit or resources.memory_limit()
    most = None if limit is None else max(1, limit // share.processes - share.cache)
    return max(1, ceil(cores / share.processes)), most


def _of_process(settings: TaskSettings, share: Share) -> TaskSettings:
    """Return a source's settings with this process's part, without what is a run's alone."""
    workers, memory = part_of_machine(settings.workers, settings.memory_limit, share)
    return replace(
        settings,
        task=Task(),
        overwrite=False,
        workers=workers,
        memory_limit=memory,
        retry_budget=min(settings.retry_budget, share.patience / 4),
    )


def _memory(opening: Opening, share: Share) -> Memory:
    whole = opening.memory_limit or resources.physical_memory() // share.processes - share.cache
    return Memory(*limits.decoding_memory(whole, opening.workers))
