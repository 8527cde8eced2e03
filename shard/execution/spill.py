"""Listings and ledgers cut up by group on local disk, so that memory does not grow with a bucket.

Two listings can be merged as they come only if both come in the same order, which no store
promises (SeaweedFS) and no layout keeps (``flat``). So each line goes to one of a number of files
by its group, and what lies in one file is put side by side in memory: about a hundredth of all.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from shard.errors import StorageError
from shard.execution.scratch import scratch
from shard.model import Item
from shard.planning.verdicts import LastWord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from shard.planning.verdicts import Words

_PARTS: Final = 128
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class Part:
    """What was said of some groups; ``twice`` counts keys that a listing named again.

    ``bystanders`` are keys of originals that are there, whether or not they are items.
    """

    items: dict[str, Item] = field(default_factory=dict)
    outputs: dict[str, Item] = field(default_factory=dict)
    words: Words = field(default_factory=dict)
    bystanders: set[str] = field(default_factory=set)
    twice: int = 0


class Spill:
    """Takes items, outputs and ledger lines, each with its group; gives them back in parts.

    A context manager: the files live inside it. About 100 bytes an object, in TMPDIR.
    """

    def __init__(self) -> None:
        self._files: dict[int, IO[str]] = {}

    def __enter__(self) -> Self:
        with local_disk():
            self._opened = contextlib.ExitStack()
            self._folder = self._opened.enter_context(scratch("verify"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk was told of when it filled up
            for file in self._files.values():
                file.close()
        self._opened.close()

    def add_item(self, item: Item, group: str) -> None:
        """Take a source object."""
        self._write(group, ("item", *_facts(item)))

    def add_output(self, output: Item, group: str) -> None:
        """Take an object of the output."""
        self._write(group, ("output", *_facts(output)))

    def add_bystander(self, key: str, group: str) -> None:
        """Take an original that is there, of which nothing need be expected."""
        self._write(group, ("bystander", key))

    def add_word(self, key: str, rendition: str, word: LastWord, group: str) -> None:
        """Take what a ledger says; a later word on the same counts."""
        said = (word.status, word.reason, word.output)
        self._write(group, ("word", key, rendition, *said))

    def parts(self) -> Iterator[Part]:
        """Yield everything, each group whole, in an order that depends on nothing but groups."""
        for number in sorted(self._files):
            with local_disk():
                self._files[number].flush()
                part = _read(Path(self._files[number].name))
            yield part

    def _write(self, group: str, fields: tuple[object, ...]) -> None:
        number = zlib.crc32(group.encode("utf-8", "surrogatepass")) % _PARTS
        with local_disk():
            if number not in self._files:
                path = self._folder / f"{number:03d}.jsonl"
                self._files[number] = path.open("w", encoding="ascii")
            self._files[number].write(json.dumps(fields, separators=(",", ":")) + "\n")


@contextlib.contextmanager
def local_disk() -> Iterator[None]:
    """Say which disk is full, or may not be written to: not the one the user looks at."""
    try:
        yield
    except OSError as error:
        remedy = "listings are sorted there: set TMPDIR to a folder with room"
        raise StorageError(tempfile.gettempdir(), str(error), remedy) from error


def _facts(item: Item) -> tuple[object, ...]:
    modified = None if item.modified is None else (item.modified - _EPOCH) // _MICROSECOND
    return (item.key, item.size, modified, item.fingerprint)


def _item(key: str, size: int, modified: int | None, fingerprint: str) -> Item:
    moment = None if modified is None else _EPOCH + modified * _MICROSECOND
    return Item(key, size, moment, fingerprint)


def _read(path: Path) -> Part:
    part = Part()
    with path.open(encoding="ascii") as file:
        for line in file:
            what, *fields = json.loads(line)
            if what == "word":
                key, rendition, *word = fields
                earlier = part.words.get((key, rendition))
                later = LastWord(*word)
                if not (earlier and earlier.status == "written" and later.status == "skipped"):
                    part.words[key, rendition] = later
                continue
            if what == "bystander":
                part.bystanders.add(fields[0])
                continue
            found = _item(*fields)
            where = part.items if what == "item" else part.outputs
            part.twice += found.key in where
            where[found.key] = found
    return part
