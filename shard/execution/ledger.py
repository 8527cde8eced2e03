"""The ledger: a task's outcomes, one JSON object a line, and its summary; all a run leaves."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from shard.errors import ObjectMissing, StorageError
from shard.execution.scratch import scratch
from shard.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from shard.model import Item, Task
    from shard.storage.base import Store

# Often enough that little is lost to a SIGKILL, seldom enough for a store that takes one update
# of an object a second. The pause also grows with the file: see Ledger.checkpoint_due().
_CHECKPOINT_SECONDS = 30.0
_BYTES_A_SECOND = 2_000_000
_CHUNK = 4 << 20
_FACTS = tuple(field.name for field in fields(Outcome))


def stem(task: Task) -> str:
    """Return the ledger's file name without suffix, as ``task-00003-of-00010``."""
    return f"task-{task.index:05d}-of-{task.count:05d}"


def line(outcome: Outcome, task_attempt: int) -> str:
    """Return the outcome as a line of JSON, empty facts left out."""
    # Not asdict(): its deep copy would take half the time that a fresh image takes.
    facts = {name: getattr(outcome, name) for name in _FACTS}
    facts = {name: value for name, value in facts.items() if value not in (None, (), "")}
    facts["task_attempt"] = task_attempt
    # Keys are data: a name that is not UTF-8 travels as escapes, so that the line always encodes.
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=True)


def chunks(folder: Store, item: Item) -> Iterator[bytes]:
    """Yield the bytes of a ledger's lines by pieces, since there may be millions of them.

    A task that is still at work only appends: what was listed stays what it was.
    """
    for start in range(0, item.size, _CHUNK):
        yield folder.read(item.key, start, min(start + _CHUNK, item.size))


class Ledger:
    """Spools lines on local disk and writes the whole to the run's ``folder``, atomically.

    An earlier attempt's lines come first and stay. A context manager: the spool lives inside it.
    """

    def __init__(self, folder: Store, task: Task) -> None:
        self._folder = folder
        self._lines_key = f"{stem(task)}.jsonl"
        self._summary_key = f"{stem(task)}.json"
        self._written_at = time.monotonic()
        self._cost = _CHECKPOINT_SECONDS
        self._attempts: list[dict[str, Any]] = []
        self.attempt = task.attempt

    def __enter__(self) -> Self:
        with self._local_disk(), contextlib.ExitStack() as opened:
            place = opened.enter_context(scratch("ledger"))
            self._spool = opened.enter_context((place / "lines.jsonl").open("wb"))
            earlier = self._folder.stat(self._lines_key)
            if earlier is not None:
                self._spool.writelines(chunks(self._folder, earlier))
                self._spool.flush()
            self._opened = opened.pop_all()
        try:
            self._attempts = json.loads(self._folder.read(self._summary_key))["attempts"]
        except (ObjectMissing, ValueError, KeyError):
            self._attempts = []
        # Engines that do not count attempts leave it to the ledger.
        self.attempt = max(self.attempt, len(self._attempts))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk was told of when it filled up
            self._opened.close()

    def reopen(self, folder: Store) -> None:
        """Write through another client of the same folder from now on."""
        self._folder = folder

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Record outcomes; they reach the store at the next ``write``."""
        with self._local_disk():
            for outcome in outcomes:
                self._spool.write(line(outcome, self.attempt).encode() + b"\n")

    @property
    def checkpoint_due(self) -> bool:
        """Whether it is time to write again, so that a SIGKILL loses little."""
        return time.monotonic() - self._written_at >= self._cost

    def write(self, summary: dict[str, Any]) -> None:
        """Write lines and summary; ``summary`` replaces what this attempt wrote before."""
        with self._local_disk():
            self._spool.flush()
        spool = Path(self._spool.name)
        self._folder.write(self._lines_key, spool, content_type="application/x-ndjson")
        attempts = [*self._attempts, {"attempt": self.attempt} | summary]
        text = json.dumps({"attempts": attempts}, indent=2)
        self._folder.write(self._summary_key, text.encode(), content_type="application/json")
        self._written_at = time.monotonic()
        self._cost = max(_CHECKPOINT_SECONDS, 10 * spool.stat().st_size / _BYTES_A_SECOND)

    @staticmethod
    @contextlib.contextmanager
    def _local_disk() -> Iterator[None]:
        """Say which disk is full, or may not be written to: not the one the user looks at."""
        try:
            yield
        except OSError as error:
            remedy = "the ledger is spooled there: set TMPDIR to a folder with room"
            raise StorageError(tempfile.gettempdir(), str(error), remedy) from error
