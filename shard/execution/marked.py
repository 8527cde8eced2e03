"""What markers give a task to do."""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import ObjectMissing, StorageError
from shard.execution.desk import Found
from shard.execution.job import Job, failure, outcome
from shard.execution.supply import Chain
from shard.execution.work import Order, Work
from shard.model import Item, Outcome, Status
from shard.planning import markers
from shard.planning.markers import Marker, MarkerError, Rules
from shard.planning.partition import owner
from shard.planning.pyramids import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shard.execution.desk import Desk
    from shard.execution.signals import Stop
    from shard.execution.supply import Step
    from shard.model import Task
    from shard.planning.pyramids import PyramidOptions
    from shard.storage.base import Store

_AHEAD, _THREADS = 16, 8
_PATIENCE = 0.05
_TWICE = {"same": "marked_twice", "other": "marked_otherwise"}
_ANY: Final = Rules(extensions=())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the task takes and makes. ``is_copyright`` tells whether a key's picture is shown small.

    ``bucket`` is the sources': markers of another bucket are left (empty: all are taken).
    ``limit``: at most so many images.
    """

    task: Task
    prefix: str
    bucket: str
    options: PyramidOptions
    is_copyright: Callable[[str], bool]
    limit: int | None = None


@dataclass(slots=True)
class Marked:
    """The supply of pyramids by markers: listed by name, read a few ahead of their turn.

    ``stores`` are source and output. ``shared``: images that cannot have their own stem, and what
    they have instead.
    """

    stores: tuple[Store, Store]
    desk: Desk
    wanted: Wanted
    listed: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    beyond_limit: int = 0
    shared: list[tuple[str, str]] = field(default_factory=list)
    _mine: list[Item] = field(default_factory=list)
    _idle: int = 0

    @property
    def items(self) -> int:
        """Markers in this task's slice."""
        return len(self._mine) + self.beyond_limit

    @property
    def works(self) -> int:
        """Markers whose images are to be made; fewer once it is known which need no work."""
        return len(self._mine) - self._idle

    @property
    def outcomes(self) -> int:
        """Outcomes that the slice will have."""
        return len(self._mine)

    def prepare(self, stop: Stop) -> Iterable[tuple[Outcome, ...]]:
        """List the markers and keep this task's: siblings that could share an output together."""
        prefix, task = self.wanted.prefix, self.wanted.task
        with stop.at_once():
            # A source that cannot be listed is a wrong setting, and no marker's failure.
            next(iter(self.stores[0].list()), None)
            for item in self.desk.process.list(prefix=prefix):
                if not markers.is_marker(item.key, prefix):
                    self.ignored["other_file"] += 1
                    continue
                self.listed += 1
                key = item.key[len(prefix) : -len(".json")]
                if owner(markers.group_of(key), task.count) == task.index:
                    self._mine.append(item)
        self._mine.sort(key=lambda item: item.key)
        limit = self.wanted.limit
        if limit is not None and len(self._mine) > limit:
            self.beyond_limit = len(self._mine) - limit
            del self._mine[limit:]
        return ()

    def keys(self) -> Iterator[str]:
        """Yield the markers' keys, for a dry run."""
        yield from (item.key for item in self._mine)

    def steps(self) -> Iterator[Step]:
        """Yield work for each marker, or the outcome where there is none."""
        ahead: deque[Future[Work | tuple[Outcome, ...]]] = deque()
        todo = iter(enumerate(self._mine))
        with ThreadPoolExecutor(_THREADS, "markers") as pool:
            while True:
                while len(ahead) < _AHEAD and (more := next(todo, None)) is not None:
                    ahead.append(pool.submit(self._look, *more))
                if not ahead:
                    return
                try:
                    step = ahead[0].result(_PATIENCE)
                except NotYet:
                    yield None
                    continue
                ahead.popleft()
                if isinstance(step, Work):
                    yield Chain((step,))
                else:
                    self._idle += 1
                    yield step

    def _look(self, number: int, item: Item) -> Work | tuple[Outcome, ...]:
        """Read a marker and find its source; an error is the marker's outcome."""
        job = Job(Work(number, item, (NAME,)))
        try:
            data = self.desk.process.read(item.key)
        except ObjectMissing:
            detail = "another task has made it"
            return (outcome(job, NAME, Status.SKIPPED, "marker_gone", detail=detail),)
        except StorageError as error:
            return (failure(job, NAME, error),)
        try:
            return self._judged(job, item, markers.read_marker(data))
        except MarkerError as error:
            self.desk.refuse(item, error, data)
            return (outcome(job, NAME, Status.FAILED, MarkerError.reason, detail=str(error)),)
        except Exception as error:  # noqa: BLE001 - the marker's boundary: any failure is its outcome
            return (failure(job, NAME, error),)

    def _judged(self, job: Job, item: Item, marker: Marker) -> Work | tuple[Outcome, ...]:
        """Return the work that a marker asks for, or why it is none of this task's."""

        def skipped(reason: str, detail: str) -> tuple[Outcome, ...]:
            return (outcome(job, NAME, Status.SKIPPED, reason, detail=detail),)

        if marker.bucket and self.wanted.bucket not in ("", marker.bucket):
            return skipped("other_bucket", f"its image is in {marker.bucket!r}")
        taken = self.desk.take(Found(item.key, item.fingerprint, marker))
        if taken != "first":
            return skipped(_TWICE[taken], f"another marker of {marker.key!r} is in hand")
        # From here on what becomes of the image is heard by the desk.
        job.work = Work(job.work.number, Item(marker.key, 0), (NAME,))
        return self._order(job.work.number, marker)

    def _order(self, number: int, marker: Marker) -> Work:
        source = self.stores[0].stat(marker.key)
        if source is None:
            place = f"{self.stores[0].url.rstrip('/')}/{marker.key}"
            raise ObjectMissing(place, "there is no such object")
        small = marker.copyright or self.wanted.is_copyright(marker.key)
        options = self.wanted.options
        key = markers.output_key(marker, self._stem(marker), options.suffix)
        return Work(number, source, (NAME,), order=Order(key, options.box(copyright=small)))

    def _stem(self, marker: Marker) -> str:
        """Return the output's stem, by what else lies in the source now under the same stem."""
        group, folder = markers.group_of(marker.key), markers.folder_of(marker.key)
        siblings: dict[str, Item] = {}
        for item in self.stores[0].list(prefix=f"{group}."):
            beside = markers.folder_of(item.key) == folder
            if beside and markers.group_of(item.key) == group and _ANY.judge(item.key).accepted:
                siblings[item.key] = item
        stems = markers.output_stems({marker.key, *siblings})
        for key, stem in stems.items():
            if stem != markers.stem_of(key):
                self._share(marker, siblings.get(key), stem)
        return stems[marker.key]

    def _share(self, marker: Marker, sibling: Item | None, stem: str) -> None:
        """Report a key that cannot have its stem; see that its pyramid is made there.

        It may have had the stem until an earlier key came: then it has no pyramid at its new place
        and, without a marker of its own, would get none.
        """
        if sibling is None or sibling.key == marker.key:
            self.shared.append((marker.key, stem))
            return
        other = Marker.of(sibling, marker.bucket)
        if self.stores[1].stat(markers.output_key(other, stem, self.wanted.options.suffix)) is None:
            self.desk.mark(markers.marker_key(self.wanted.prefix, sibling.key), other)
