"""What markers give a task to do, and what becomes of each marker in the end."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import AlreadyExists, ContentChanged, ObjectMissing, StorageError
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

    from shard.execution.signals import Stop
    from shard.execution.supply import Step
    from shard.model import Task
    from shard.planning.pyramids import PyramidOptions
    from shard.storage.base import Store

_log = logging.getLogger("shard")

_AHEAD, _THREADS = 16, 8
_PATIENCE = 0.05
_ANY: Final = Rules(extensions=())
_NOT_THE_IMAGE: Final = frozenset({"access_denied", "bucket_missing", "unavailable", "changed"})
"""Reasons that say nothing of the image: they count as no attempt."""


@dataclass(frozen=True, slots=True)
class Found:
    """A marker as it lies in the process bucket: its key, its fingerprint, what it says."""

    key: str
    fingerprint: str
    marker: Marker


@dataclass(slots=True)
class Desk:
    """Where markers are taken from, and where they go: away, back with a reason, to ``failed/``.

    Whatever it does it does only while the marker is the one that was read. ``counts`` tells how
    many went which way; ``problems`` are those that a store would not let go.
    """

    process: Store
    max_attempts: int
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _in_hand: dict[str, list[Found]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "desk"))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, found: Found) -> bool:
        """Remember whose work is handed out; ``False``: another marker of this key is already."""
        with self._lock:
            first = found.marker.key not in self._in_hand
            self._in_hand.setdefault(found.marker.key, []).append(found)
        return first

    def settle(self, outcomes: tuple[Outcome, ...]) -> None:
        """Hear what became of an item; its markers are dealt with by a thread."""
        for one in outcomes:
            with self._lock:
                taken = self._in_hand.pop(one.key, [])
            for found in taken:
                self._pool.submit(self._deal, found, one)

    def mark(self, key: str, marker: Marker) -> None:
        """Write a marker, if there is none."""
        with contextlib.suppress(AlreadyExists):
            data = marker.to_json()
            self.process.write(key, data, content_type="application/json", create_only=True)
            with self._lock:
                self.counts["marked"] += 1

    def refuse(self, item: Item, error: MarkerError, data: bytes) -> None:
        """Move what is no marker to ``failed/``, as it is, with the reason in its metadata."""
        self._pool.submit(self._guarded, item.key, lambda: self._refuse(item, error, data))

    def close(self) -> None:
        """Wait for all that is under way."""
        self._pool.shutdown(wait=True)

    def _deal(self, found: Found, one: Outcome) -> None:
        written = one.status is Status.WRITTEN
        act = self._done if written else lambda found: self._failed(found, one)
        self._guarded(found.key, lambda: act(found))

    def _guarded(self, key: str, act: Callable[[], str]) -> None:
        try:
            way = act()
        except ContentChanged:
            way = "newer"
            _log.info("%r: a newer marker came meanwhile; it stays for the next run", key)
        except Exception as error:  # noqa: BLE001 - one marker must not take the others with it
            way = "problem"
            self.problems.append(f"{key!r}: {error}")
            _log.warning("the marker %r stays as it was: %s", key, error)
        with self._lock:
            self.counts[way] += 1

    def _done(self, found: Found) -> str:
        self.process.delete(found.key, fingerprint=found.fingerprint)
        self.process.delete(markers.failed_key(found.key))  # of earlier days
        return "done"

    def _failed(self, found: Found, one: Outcome) -> str:
        if one.reason in _NOT_THE_IMAGE or one.status is Status.SKIPPED:
            return "kept"
        now = self.process.stat(found.key)
        if now is None or now.fingerprint != found.fingerprint:
            return "newer"
        marker = found.marker.failed(": ".join(part for part in (one.reason, one.detail) if part))
        if marker.attempts < self.max_attempts:
            self._write(found.key, marker)
            return "kept"
        self._write(markers.failed_key(found.key), marker)
        self.process.delete(found.key, fingerprint=found.fingerprint)
        return "failed"

    def _refuse(self, item: Item, error: MarkerError, data: bytes) -> str:
        key = markers.failed_key(item.key)
        reason = {"reason": str(error)}
        self.process.write(key, data, content_type="application/octet-stream", metadata=reason)
        self.process.delete(item.key, fingerprint=item.fingerprint)
        return "failed"

    def _write(self, key: str, marker: Marker) -> None:
        self.process.write(key, marker.to_json(), content_type="application/json")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the task takes and makes. ``is_copyright`` tells whether a key's picture is shown small.

    ``limit``: at most so many images.
    """

    task: Task
    prefix: str
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
            marker = markers.read_marker(data)
        except ObjectMissing:
            detail = "another task has made it"
            return (outcome(job, NAME, Status.SKIPPED, "marker_gone", detail=detail),)
        except MarkerError as error:
            self.desk.refuse(item, error, data)
            return (outcome(job, NAME, Status.FAILED, MarkerError.reason, detail=str(error)),)
        except StorageError as error:
            return (failure(job, NAME, error),)
        found = Found(item.key, item.fingerprint, marker)
        if not self.desk.take(found):
            detail = f"another marker of {marker.key!r} is in hand"
            return (outcome(job, NAME, Status.SKIPPED, "marked_twice", detail=detail),)
        job.work = Work(number, Item(marker.key, 0), (NAME,))
        try:
            return self._order(number, marker)
        except StorageError as error:
            lost = (failure(job, NAME, error),)
            self.desk.settle(lost)
            return lost

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
