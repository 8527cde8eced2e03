"""What becomes of a marker in the end: it goes away, back with a reason, or to ``failed/``."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import AlreadyExists, ContentChanged
from shard.model import Outcome, Status
from shard.planning import markers

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.model import Item
    from shard.planning.markers import Marker, MarkerError
    from shard.storage.base import Store

_log = logging.getLogger("shard")

_THREADS = 8
_NOT_THE_IMAGE: Final = frozenset(
    {
        *("access_denied", "bucket_missing", "unavailable", "changed"),
        *("missing_extra", "too_little_disk"),
    }
)
"""Reasons that say nothing of the image: they count as no attempt."""
_LONGEST = 1_000
"""Characters of a reason in an object's metadata: S3 takes 2 kB of them in all, in ASCII."""


@dataclass(frozen=True, slots=True)
class Found:
    """A marker as it lies in the process bucket: its key, its fingerprint, what it says."""

    key: str
    fingerprint: str
    marker: Marker

    def wants_as(self, other: Found) -> bool:
        """Tell whether both want the same pyramid of the same image."""
        ours, theirs = self.marker, other.marker
        return (ours.path, ours.copyright) == (theirs.path, theirs.copyright)


@dataclass(slots=True)
class Desk:
    """Where markers are taken from, and where they go: away, back with a reason, to ``failed/``.

    Whatever it does it does only while the marker is the one that was read. ``source`` is where
    images are: one that was replaced while its pyramid was made is to be made again, also if the
    new upload's marker is the old one's very bytes, as the older form's are. ``counts`` tells how
    many went which way; ``problems`` are those that a store would not let go.
    """

    process: Store
    source: Store
    max_attempts: int
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _in_hand: dict[str, list[Found]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "desk"))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, found: Found) -> str:
        """Remember whose work is handed out: ``first`` of its key, or ``same`` as the one in hand.

        ``other``: it wants another pyramid of the same key than the one in hand, and is left.
        """
        with self._lock:
            in_hand = self._in_hand.setdefault(found.marker.key, [])
            if in_hand and not in_hand[0].wants_as(found):
                return "other"
            in_hand.append(found)
            return "same" if in_hand[1:] else "first"

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
        act = self._done if one.status is Status.WRITTEN else self._failed
        self._guarded(found.key, lambda: act(found, one))

    def _guarded(self, key: str, act: Callable[[], str]) -> None:
        try:
            way = act()
        except ContentChanged:
            way = "newer"
            _log.info("%r: a newer marker came meanwhile; it stays for the next run", key)
        except Exception as error:  # noqa: BLE001 - one marker must not take the others with it
            way = "problem"
            self.problems.append(f"{key!r}: {error}")
            _log.warning("the marker %r could not be updated: %s", key, error)
        with self._lock:
            self.counts[way] += 1

    def _done(self, found: Found, one: Outcome) -> str:
        now = self.source.stat(one.key)
        if now is not None and now.fingerprint != one.fingerprint:
            _log.info("%r was uploaded anew meanwhile; its marker stays for the next run", one.key)
            return "newer"
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
        reason = {"reason": ascii(str(error))[1:-1][:_LONGEST]}
        self.process.write(key, data, content_type="application/octet-stream", metadata=reason)
        self.process.delete(item.key, fingerprint=item.fingerprint)
        return "failed"

    def _write(self, key: str, marker: Marker) -> None:
        self.process.write(key, marker.to_json(), content_type="application/json")
