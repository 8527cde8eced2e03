"""What a folder gives a task to do: pyramids that are missing or stale, without markers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import BucketMissing
from shard.execution.job import Job, outcome
from shard.execution.supply import Chain
from shard.execution.work import Order, Work
from shard.model import Item, Outcome, Status
from shard.planning import freshness, markers
from shard.planning.markers import Rules
from shard.planning.partition import owner
from shard.planning.pyramids import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shard.execution.signals import Stop
    from shard.execution.supply import Step
    from shard.model import Task
    from shard.planning.pyramids import PyramidOptions
    from shard.storage.base import Store

ANY: Final = Rules(extensions=())


@dataclass(slots=True)
class Comparison:
    """A source's images beside the pyramids that are there; this task's share of both.

    ``rules`` says which objects are images. ``listed`` counts those of the whole source,
    ``ignored`` the rest, by reason. ``stems`` holds the images that cannot have their own stem.
    """

    rules: Rules
    suffix: str
    listed: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    items: list[Item] = field(default_factory=list)
    stems: dict[str, str] = field(default_factory=dict)
    existing: dict[str, Item] = field(default_factory=dict)

    def take(self, source: Iterable[Item], output: Iterable[Item], task: Task) -> None:
        """List both, once; of each only what is this task's is kept."""
        groups: dict[str, list[str]] = {}
        for item in source:
            judgement = self.rules.judge(item.key)
            if not judgement.accepted:
                self.ignored[judgement.reason] += 1
                continue
            self.listed += 1
            group = markers.group_of(item.key)
            if owner(group, task.count) == task.index:
                self.items.append(item)
                groups.setdefault(group, []).append(item.key)
        self.items.sort(key=lambda item: item.key)
        for keys in groups.values():
            if len(keys) > 1:
                stems = markers.output_stems(keys)
                self.stems |= {k: s for k, s in stems.items() if s != markers.stem_of(k)}
        for item in output:
            name = item.key.removesuffix(self.suffix)
            if name != item.key and markers.group_of(name) in groups:
                self.existing[item.key] = item

    def output_of(self, key: str) -> str:
        """Return where the pyramid of ``key`` goes."""
        return self.stems.get(key, markers.stem_of(key)) + self.suffix

    def decide(self, item: Item, *, overwrite: bool = False) -> freshness.Decision:
        """Decide whether the pyramid of ``item`` has to be made."""
        found = self.existing.get(self.output_of(item.key))
        return freshness.decide(item, [found] if found else [], overwrite=overwrite)


def listing(store: Store) -> Iterator[Item]:
    """List an output; a local folder that is not there yet holds nothing."""
    try:
        yield from store.list()
    except BucketMissing:
        if store.url.startswith(("s3://", "gs://")):
            raise


@dataclass(slots=True)
class Unmade:
    """The supply of pyramids without markers. ``stores`` are source and output."""

    stores: tuple[Store, Store]
    task: Task
    options: PyramidOptions
    is_copyright: Callable[[str], bool]
    exclude: tuple[str, ...] = ()
    overwrite: bool = False
    limit: int | None = None
    beyond_limit: int = 0
    _found: Comparison | None = None
    _needed: list[Item] = field(default_factory=list)

    @property
    def found(self) -> Comparison:
        """What was listed; before that nothing."""
        if self._found is None:
            rules = Rules(extensions=(), exclude=self.exclude)
            self._found = Comparison(rules, self.options.suffix)
        return self._found

    @property
    def listed(self) -> int:
        """Images in the source."""
        return self.found.listed

    @property
    def ignored(self) -> Counter[str]:
        """Objects that are no images, by reason."""
        return self.found.ignored

    @property
    def shared(self) -> list[tuple[str, str]]:
        """The images that cannot have their own stem, and what they have instead."""
        return sorted(self.found.stems.items())

    @property
    def items(self) -> int:
        """Images in this task's slice."""
        return len(self.found.items)

    @property
    def works(self) -> int:
        """Images whose pyramids are made."""
        return len(self._needed)

    @property
    def outcomes(self) -> int:
        """Outcomes that the slice will have."""
        return self.items - self.beyond_limit

    def prepare(self, stop: Stop) -> Iterable[tuple[Outcome, ...]]:
        """List both ends; return what is fresh."""
        source, output = self.stores
        fresh = []
        with stop.at_once():
            self.found.take(source.list(), listing(output), self.task)
        for item in self.found.items:
            decision = self.found.decide(item, overwrite=self.overwrite)
            if decision.needed:
                self._needed.append(item)
                continue
            job = Job(Work(-1, item, (NAME,)))
            skipped = outcome(job, NAME, Status.SKIPPED, decision.reason, output=decision.output)
            fresh.append((skipped,))
        if self.limit is not None and len(self._needed) > self.limit:
            self.beyond_limit = len(self._needed) - self.limit
            del self._needed[self.limit :]
        return fresh

    def keys(self) -> Iterator[str]:
        """Yield the keys of images that need a pyramid, for a dry run."""
        yield from (item.key for item in self._needed)

    def steps(self) -> Iterator[Step]:
        """Yield work for each image that needs a pyramid."""
        for number, item in enumerate(self._needed):
            box = self.options.box(copyright=self.is_copyright(item.key))
            order = Order(self.found.output_of(item.key), box)
            yield Chain((Work(number, item, (NAME,), order=order),))
