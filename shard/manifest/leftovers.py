"""What a scan found besides originals and their thumbnails: a small file beside the manifest.

The manifest's own fields are fixed, so beside ``m.parquet`` there is ``m.parquet.leftovers.jsonl``,
always, with one object a line; the first line says of which scan it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shard.errors import BucketMissing, ObjectMissing
from shard.storage.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shard.manifest.address import Address
    from shard.manifest.model import Header

ENDING = ".leftovers.jsonl"
KINDS = ("orphan", "extra", "duplicate")


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that a scan found left over.

    Kinds: ``orphan``, a thumbnail without original; ``extra``, one beside a better thumbnail of the
    same original and scale; ``duplicate``, an original whose thumbnails would have the names of
    those of another one, ``of``.
    """

    kind: str
    collection: str
    key: str
    size: int
    of: str | None = None


class LeftoverWriter:
    """Writes the lines to a local file; ``counts`` are by (collection, kind)."""

    def __init__(self, path: Path, header: Header) -> None:
        self._file = path.open("w", encoding="ascii")
        self._prefix = header.prefix
        self.counts: dict[tuple[str, str], int] = {}
        self._write({"leftovers_of": header.created_at.isoformat()})

    def add(self, leftover: Leftover) -> None:
        """Write one."""
        at = (leftover.collection, leftover.kind)
        self.counts[at] = self.counts.get(at, 0) + 1
        of = {} if leftover.of is None else {"of": self._prefix + leftover.of}
        self._write(
            {
                "kind": leftover.kind,
                "collection": leftover.collection,
                "key": self._prefix + leftover.key,
                "size": leftover.size,
                **of,
            }
        )

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def _write(self, fields: dict[str, Any]) -> None:
        self._file.write(json.dumps(fields) + "\n")


def read_leftovers(manifest: Address, header: Header) -> Iterator[Leftover] | None:
    """Yield the leftovers of this very scan; ``None`` where they are not beside the manifest."""
    where = manifest.beside(ENDING)
    try:
        found = where.store().stat(where.name)
    except (ObjectMissing, BucketMissing):
        return None
    if found is None:
        return None
    told = lines(where.chunks())
    first = json.loads(next(told, b"{}"))
    if not _same(first.get("leftovers_of"), header):
        return None
    return (_read(json.loads(line), header.prefix) for line in told)


def _same(moment: object, header: Header) -> bool:
    """Tell whether this is the scan's time; ``.json`` keeps it without a zone."""
    return isinstance(moment, str) and datetime.fromisoformat(moment) == header.created_at


def _read(fields: dict[str, Any], prefix: str) -> Leftover:
    of = fields.get("of")
    return Leftover(
        kind=fields["kind"],
        collection=fields["collection"],
        key=fields["key"].removeprefix(prefix),
        size=fields["size"],
        of=of.removeprefix(prefix) if of else None,
    )
