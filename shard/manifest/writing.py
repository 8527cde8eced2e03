"""Writers of each form: records stream to a local file, which is put in place whole."""

from __future__ import annotations

import gzip
import json
import shutil
from typing import IO, TYPE_CHECKING, Protocol

from shard.manifest import fields as text
from shard.manifest.parquet import ParquetWriter

if TYPE_CHECKING:
    from pathlib import Path

    from shard.manifest.model import Header, Record


class Writer(Protocol):
    """Takes records in key order, then the header with its statistics."""

    def add(self, record: Record) -> None:
        """Take the next record."""

    def close(self, header: Header) -> None:
        """Finish the file."""


def writer(suffix: str, path: Path, header: Header) -> Writer:
    """Return the writer of a form. ``header`` has no statistics yet."""
    if suffix == ".parquet":
        return ParquetWriter(path, header)
    if suffix == ".json":
        return JsonWriter(path, header)
    return LinesWriter(path, header, packed=suffix.endswith(".gz"))


class JsonWriter:
    """The documented document. Statistics stand before records, so these wait in a spool."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._spooled = path.with_name(path.name + ".records")
        self._spool = self._spooled.open("w", encoding="ascii")
        self._prefix = header.prefix
        self._between = "\n    "

    def add(self, record: Record) -> None:
        """Take the next record."""
        self._spool.write(self._between + json.dumps(text.record_fields(record, self._prefix)))
        self._between = ",\n    "

    def close(self, header: Header) -> None:
        """Write head, records and tail."""
        self._spool.close()
        head = text.header_fields(header, local_time=True)
        head["collection_stats"] = text.stats_fields(header)
        tail = json.dumps(header.scan_duration_seconds)
        with self._path.open("w", encoding="ascii") as file, self._spooled.open() as spool:
            file.write(json.dumps(head, indent=2).removesuffix("\n}") + ',\n  "records": [')
            shutil.copyfileobj(spool, file, 1 << 20)
            file.write(f'\n  ],\n  "scan_duration_seconds": {tail}\n}}\n')
        self._spooled.unlink()


class LinesWriter:
    """One JSON object a line: the header, every record, and at the end the statistics."""

    def __init__(self, path: Path, header: Header, *, packed: bool) -> None:
        self._raw = path.open("wb")
        self._file: IO[bytes] | gzip.GzipFile = self._raw
        if packed:
            self._file = gzip.GzipFile("", "wb", 6, self._raw, mtime=0)  # the same bytes again
        self._prefix = header.prefix
        self._line(text.header_fields(header))

    def add(self, record: Record) -> None:
        """Take the next record."""
        self._line(text.record_fields(record, self._prefix))

    def close(self, header: Header) -> None:
        """Write the last line."""
        stats = text.stats_fields(header)
        duration = header.scan_duration_seconds
        self._line({"collection_stats": stats, "scan_duration_seconds": duration})
        self._file.close()
        self._raw.close()

    def _line(self, facts: text.Fields) -> None:
        self._file.write(json.dumps(facts).encode() + b"\n")
