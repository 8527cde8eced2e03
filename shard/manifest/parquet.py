"""Manifests for millions: one row an original, sorted by key, thumbnails nested.

The footer holds the header and, for each row group, the weight of each collection in it, so that a
task finds its slice without reading anything else. No unit (``slices.unit``) spans two row groups.
"""

from __future__ import annotations

import importlib
import itertools
import json
from typing import TYPE_CHECKING, Any

from shard.errors import SettingError
from shard.manifest import fields as text
from shard.manifest.address import RangedFile
from shard.manifest.model import Record, Stats, Thumbnail
from shard.manifest.slices import owned, owner, unit, weight

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from shard.manifest.address import Address
    from shard.manifest.model import Header

_HEADER, _GROUPS = b"shard", b"shard.row_groups"
_ROWS = 50_000
_BATCH = 5_000
_COLUMNS = (
    *("original_key", "original_size", "original_modified", "base_thumbnail_key"),
    *("collection", "filename", "thumbnails"),
)


def _arrow() -> Any:
    """Import pyarrow, or say which extra brings it."""
    try:
        importlib.import_module("pyarrow.parquet")  # makes it an attribute of pyarrow
    except ImportError:
        accepted = ".json or .jsonl, or with .parquet the extra: pip install 'shard[scan]'"
        raise SettingError("pyarrow", "not installed", accepted) from None
    return importlib.import_module("pyarrow")


def _schema(pa: Any) -> Any:
    moment = pa.timestamp("us", tz="UTC")
    thumbnail = pa.struct(
        [("scale", pa.int32()), ("key", pa.string()), ("size", pa.int64()), ("modified", moment)]
    )
    kinds = (pa.string(), pa.int64(), moment, pa.string(), pa.string(), pa.string())
    return pa.schema(list(zip(_COLUMNS, (*kinds, pa.list_(thumbnail)), strict=True)))


class ParquetWriter:
    """Writes records, which come in key order, to a local file."""

    def __init__(self, path: Path, header: Header) -> None:
        self._pa = _arrow()
        self._schema = _schema(self._pa)
        self._file = self._pa.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._prefix = header.prefix
        self._rows: list[Record] = []
        self._batches: list[Any] = []
        self._weights: dict[str, int] = {}
        self._groups: list[dict[str, int]] = []
        self._count = 0
        self._unit = ""

    def add(self, record: Record) -> None:
        """Take the next record."""
        here = unit(record.original_key)
        if self._count >= _ROWS and here != self._unit:
            self._flush()
        self._unit = here
        self._rows.append(record)
        self._count += 1
        known = self._weights.get(record.collection, 0)
        self._weights[record.collection] = known + weight(record)
        if len(self._rows) >= _BATCH:
            self._pack()

    def close(self, header: Header) -> None:
        """Write what is left and the footer."""
        self._flush()
        said = text.header_fields(header) | {
            "collection_stats": text.stats_fields(header),
            "scan_duration_seconds": header.scan_duration_seconds,
        }
        footer = {_HEADER: json.dumps(said), _GROUPS: json.dumps(self._groups)}
        self._file.add_key_value_metadata(footer)
        self._file.close()

    def _pack(self) -> None:
        """Turn the rows at hand into Arrow's form, a tenth of their size as objects."""
        prefix, rows = self._prefix, self._rows
        columns = (
            [prefix + row.original_key for row in rows],
            [row.original_size for row in rows],
            [row.original_modified for row in rows],
            [prefix + row.base_thumbnail_key for row in rows],
            [row.collection for row in rows],
            [row.filename for row in rows],
        )
        arrays = [
            self._pa.array(column, type=kind)
            for column, kind in zip(columns, self._schema.types[:-1], strict=True)
        ]
        arrays.append(self._nested([_by_scale(row) for row in rows]))
        self._batches.append(self._pa.record_batch(arrays, schema=self._schema))
        self._rows = []

    def _nested(self, rows: list[list[Thumbnail]]) -> Any:
        """Return the column of thumbnails, made of flat ones: faster than of objects."""
        pa, nested = self._pa, self._schema.types[-1]
        flat = [thumbnail for row in rows for thumbnail in row]
        columns = (
            [thumbnail.scale for thumbnail in flat],
            [self._prefix + thumbnail.key for thumbnail in flat],
            [thumbnail.size for thumbnail in flat],
            [thumbnail.modified for thumbnail in flat],
        )
        fields = list(nested.value_type)
        arrays = [pa.array(c, type=f.type) for c, f in zip(columns, fields, strict=True)]
        structs = pa.StructArray.from_arrays(arrays, fields=fields)
        ends = itertools.accumulate(map(len, rows), initial=0)
        return pa.ListArray.from_arrays(pa.array(ends, type=pa.int32()), structs, type=nested)

    def _flush(self) -> None:
        if self._rows:
            self._pack()
        if self._batches:
            table = self._pa.Table.from_batches(self._batches)
            self._file.write_table(table, row_group_size=self._count)
            self._groups.append(self._weights)
        self._batches, self._weights, self._count = [], {}, 0


def _by_scale(record: Record) -> list[Thumbnail]:
    return [thumbnail for _, thumbnail in sorted(record.thumbnails.items())]


class ParquetFile:
    """Reads a manifest, or a slice of it, by ranges of the stored object."""

    def __init__(self, where: Address) -> None:
        """Read the footer. Raises ``ValueError`` for a file that is no manifest."""
        self._file = _arrow().parquet.ParquetFile(RangedFile(where), pre_buffer=True)
        metadata = self._file.metadata.metadata or {}
        if _HEADER not in metadata or _GROUPS not in metadata:
            raise ValueError("its footer holds no header of `shard scan`")
        said = json.loads(metadata[_HEADER])
        stats = {name: Stats(**facts) for name, facts in said["collection_stats"].items()}
        self.header = text.read_header(said)
        self.stats = stats
        self._groups: list[dict[str, int]] = json.loads(metadata[_GROUPS])
        if len(self._groups) != self._file.num_row_groups:
            raise ValueError("its footer does not describe its row groups: it was written anew")

    def records(self, collections: Collection[str]) -> Iterator[Record]:
        """Yield the records of these collections, in key order."""
        for number, weights in enumerate(self._groups):
            if collections & weights.keys():
                yield from self._group(number, collections)

    def slice(self, task: tuple[int, int], collections: Collection[str]) -> Iterator[Record]:
        """Yield one slice's records; reads only row groups in which it has any."""
        index, count = task
        weights = [sum(g.get(name, 0) for name in collections) for g in self._groups]
        total, before = sum(weights), 0
        for number, here in enumerate(weights):
            after = before + here
            if here and owner(before, total, count) <= index <= owner(after - 1, total, count):
                yield from owned(self._group(number, collections), before, total, task)
            before = after

    def _group(self, number: int, collections: Collection[str]) -> Iterator[Record]:
        prefix = self.header.prefix
        for batch in self._file.iter_batches(_BATCH, row_groups=[number], columns=list(_COLUMNS)):
            columns = [batch.column(name).to_pylist() for name in _COLUMNS]
            for row in zip(*columns, strict=True):
                if row[4] in collections:
                    yield _record(row, prefix)


def _record(row: tuple[Any, ...], prefix: str) -> Record:
    key, size, modified, base, collection, filename, nested = row
    return Record(
        key.removeprefix(prefix),
        size,
        modified,
        base.removeprefix(prefix),
        collection,
        filename,
        {
            t["scale"]: Thumbnail(
                t["scale"], t["key"].removeprefix(prefix), t["size"], t["modified"]
            )
            for t in nested
        },
    )
