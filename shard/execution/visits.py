"""Visits to the source and the output, as a task will make them, for `doctor`.

Nothing is left behind: the probe is removed, and so are the local folders that were made for it.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from shard.errors import AlreadyExists, BucketMissing, StorageError, Unavailable
from shard.execution import run_record
from shard.planning.checkup import Finding, Level
from shard.planning.inputs import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shard.execution.run_record import RunRecord
    from shard.planning.location import Location
    from shard.storage.base import Store

_T = TypeVar("_T")

_PAGE: Final = 1000
_HEAD: Final = 64
_SKEW: Final = 5.0
_SLOW: Final = 10.0


@dataclass(slots=True)
class Visit:
    """What was learnt of one place; ``findings`` are in the order they were made."""

    role: str
    url: str
    facts: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    failure: StorageError | None = None

    def add(self, level: Level, text: str, remedy: str = "") -> None:
        """Record a finding about this place."""
        self.findings.append(Finding(level, self.role, text, remedy))

    @contextlib.contextmanager
    def telling(self, what: str) -> Iterator[None]:
        """Turn a store's error into a finding; the block ends there."""
        try:
            yield
        except StorageError as error:
            self.failure = error
            self.add(Level.WRONG, f"{what}: {error.url}: {error.what}", error.remedy)


class Asked(Generic[_T]):
    """A question put in a thread of its own; it is given up by not waiting for it any longer.

    A library that waits for a dead network file system or a metadata server listens to nobody:
    such a thread ends with the process.
    """

    def __init__(self, url: str, ask: Callable[[], _T]) -> None:
        self._url, self._ask = url, ask
        self._answers: list[_T] = []
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answers.append(self._ask())
        except BaseException as error:  # noqa: BLE001  # raised again where the answer is wanted
            self._failures.append(error)

    def answer(self, seconds: float) -> _T:
        """Return the answer; raise ``Unavailable`` if there is none after so many seconds."""
        self._thread.join(seconds)
        if self._failures:
            raise self._failures[0]
        if not self._answers:
            raise Unavailable(
                self._url,
                f"no answer within {seconds:g} s",
                "check the network, the endpoint and the mount",
            )
        return self._answers[0]


def check_skew(visit: Visit, skew: float | None) -> None:
    """Record how far the store's clock is from ours; freshness compares the stores' times."""
    if skew is None:
        return
    visit.facts["clock"] = "the same" if abs(skew) <= _SKEW else f"{abs(skew):,.0f} s off"
    if abs(skew) > _SKEW:
        way = "ahead of" if skew > 0 else "behind"
        visit.add(
            Level.WARNING,
            f"the store's clock is {abs(skew):,.0f} s {way} this machine's; an output counts as "
            f"fresh by its time, and S3 refuses requests 15 minutes off",
            "set this machine's clock (NTP)",
        )


def visit_source(visit: Visit, store: Store, exclude: tuple[str, ...]) -> None:
    """List the first page and read the head of the first image, as a task will."""
    with visit.telling("cannot be listed"):
        began = time.monotonic()
        page = list(itertools.islice(store.list(), _PAGE))
        took = time.monotonic() - began
        images = [item for item in page if judge(item, exclude).accepted]
        more = " (first page)" if len(page) == _PAGE else ""
        visit.facts["listing"] = (
            f"objects: {len(page):,}{more}; images: {len(images):,}; took {took:.2f} s"
        )
        visit.add(Level.OK, "can be listed")
        if took > _SLOW:
            visit.add(Level.WARNING, f"the first page of its listing took {took:.0f} s")
        if not images:
            where = f"among the first {_PAGE:,} objects" if more else "here"
            visit.add(Level.WARNING, f"there are no images {where}", "check the prefix")
            return
        visit.facts["first image"] = repr(images[0].key)
        with visit.telling("can be listed, but not read"):
            store.read(images[0].key, 0, _HEAD)
            visit.add(Level.OK, "can be read")


def visit_output(visit: Visit, base: Location, store: Store, *, write: bool) -> None:
    """List the output and, if ``write``, create, refuse, replace and remove a probe."""
    created = _new_folders(base)
    with visit.telling("cannot be listed"):
        try:
            list(itertools.islice(store.list(), _PAGE))
            visit.add(Level.OK, "can be listed")
        except BucketMissing:
            if base.scheme in ("s3", "gs"):
                raise
            visit.add(Level.NOTE, f"{base.url} is not there yet; a task makes it")
    if not write:
        visit.add(Level.NOTE, "nothing was written, because of DRY_RUN")
    elif not isinstance(visit.failure, Unavailable | BucketMissing):  # it would only say it again
        try:
            _probe(visit, store)
        finally:
            for folder in created:
                with contextlib.suppress(OSError):  # somebody else put something there meanwhile
                    folder.rmdir()


def _probe(visit: Visit, store: Store) -> None:
    key = f"{run_record.STATE}/doctor/{secrets.token_hex(8)}"
    with visit.telling("cannot be written"):
        store.write(key, b"first", content_type="text/plain", create_only=True)
        visit.add(Level.OK, "can be written")
        try:
            _second_writes(visit, store, key)
        finally:
            _remove(visit, store, key)


def _second_writes(visit: Visit, store: Store, key: str) -> None:
    try:
        store.write(key, b"second", content_type="text/plain", create_only=True)
    except AlreadyExists:
        pass
    else:
        visit.add(
            Level.WARNING,
            "this store ignores create-only writes: tasks whose settings differ would not notice",
            "give all tasks the same settings",
        )
    with visit.telling("objects can be created, but not replaced, as each ledger must be"):
        store.write(key, b"third", content_type="text/plain")
        if store.read(key) != b"third":
            visit.add(Level.WRONG, "what was written does not read back", "check what lies between")


def _remove(visit: Visit, store: Store, key: str) -> None:
    try:
        store.delete(key)
    except StorageError as error:
        visit.add(
            Level.WARNING,
            f"objects cannot be removed ({error.what}); the probe stays: {store.url}/{key}",
            "a task removes nothing, so this may be meant; remove the probe yourself",
        )


def visit_run(visit: Visit, folder: Store, ours: RunRecord) -> None:
    """Compare with the run's record, if the run has begun. Raises ``RunConflict``."""
    try:
        theirs = run_record.load(folder)
    except StorageError:
        return
    run_record.agree(ours, theirs)
    visit.add(Level.NOTE, f"run {ours.run} has begun, at {theirs.started:%Y-%m-%d %H:%M} UTC")


def _new_folders(base: Location) -> list[Path]:
    """Return the local folders that the probe will make, innermost first."""
    if base.scheme != "file":
        return []
    inner = Path(base.url) / run_record.STATE / "doctor"
    return list(itertools.takewhile(_is_absent, (inner, *inner.parents)))


def _is_absent(folder: Path) -> bool:
    try:
        return not folder.exists()
    except OSError:  # a folder above may not be entered
        return False
