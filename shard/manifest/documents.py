"""Reading `.json`, `.jsonl` and `.jsonl.gz`: streamed, checked once from end to end at opening."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from shard.manifest import fields as text
from shard.manifest.json_stream import JsonStream
from shard.manifest.model import Stats
from shard.manifest.slices import owned
from shard.manifest.sorting import Sorter
from shard.storage.lines import lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from shard.manifest.address import Address
    from shard.manifest.model import Header, Record

_HELD = 50_000


class DocumentFile:
    """A manifest of text. Opening reads it through once; memory does not grow with it."""

    def __init__(self, where: Address) -> None:
        """Survey the file. Raises ``ValueError`` in a sentence where it is no manifest."""
        self._where = where
        self._sorted = True
        self.stats: dict[str, Stats] = {}
        self.header = self._survey()

    def records(self, collections: Collection[str]) -> Iterator[Record]:
        """Yield the records of these collections, in key order."""
        wanted = (record for record in self._read() if record.collection in collections)
        if self._sorted:
            return wanted
        sorter: Sorter[Record] = Sorter(lambda record: record.original_key, None, _HELD)
        sorter.extend(wanted)
        return iter(sorter)

    def slice(self, task: tuple[int, int], collections: Collection[str]) -> Iterator[Record]:
        """Yield one slice's records; the whole file is read for it."""
        total = sum(
            stats.total_original_bytes + stats.total_images
            for name, stats in self.stats.items()
            if name in collections
        )
        return owned(self.records(collections), 0, total, task)

    def _survey(self) -> Header:
        header: dict[str, Any] = {}
        prefix, last, number = None, "", 0
        ended = False
        for name, value in self._members():
            if name != "records":
                header[name] = value
                ended = ended or name == "collection_stats"
                continue
            number += 1
            if prefix is None:
                said = str(header.get("s3_prefix") or "").strip("/")
                prefix = text.prefix_of(value, said)
            record = _record(value, prefix, number)
            self._sorted = self._sorted and last < record.original_key
            last = record.original_key
            self.stats.setdefault(record.collection, Stats(record.collection)).count(record)
        if not ended and self._where.suffix != ".json":
            raise ValueError("it is cut short: its last line, the statistics, is missing")
        if prefix is not None:
            header["s3_prefix"] = prefix
        for name in header.get("collections") or ():
            self.stats.setdefault(name, Stats(name))
        return text.read_header(header)

    def _read(self) -> Iterator[Record]:
        prefix, number = self.header.prefix, 0
        for name, value in self._members():
            if name == "records":
                number += 1
                yield _record(value, prefix.rstrip("/"), number)

    def _members(self) -> Iterator[tuple[str, Any]]:
        if self._where.suffix == ".json":
            yield from JsonStream(self._where.chunks()).members("records")
            return
        chunks: Iterable[bytes] = self._where.chunks()
        if self._where.suffix.endswith(".gz"):
            chunks = _unpacked(chunks)
        for line in lines(chunks):
            yield from _line_members(json.loads(line))


def _line_members(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "original_key" in value:
        yield "records", value
    else:
        yield from value.items()


def _record(value: Mapping[str, Any], prefix: str, number: int) -> Record:
    try:
        return text.read_record(value, f"{prefix}/" if prefix else "")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"record {number}: {error}") from None


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    unpack = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        try:
            yield unpack.decompress(chunk)
        except zlib.error as error:
            raise ValueError(f"it is no gzip file ({error})") from None
    if not unpack.eof:
        raise ValueError("it is cut short")
