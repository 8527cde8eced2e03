"""The verb `scan`: an inventory of all collections, written as a manifest."""

from __future__ import annotations

import functools
import itertools
import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shard.errors import BucketMissing, StorageError
from shard.execution.scratch import scratch
from shard.execution.signals import Stop
from shard.manifest.address import parse_address
from shard.manifest.discovery import collections_of
from shard.manifest.leftovers import ENDING, LeftoverWriter
from shard.manifest.model import Header, Stats
from shard.manifest.scanning import Scan
from shard.manifest.writing import writer
from shard.report import words
from shard.report.scan import Found, summary
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from shard.manifest.address import Address
    from shard.manifest.leftovers import Leftover
    from shard.manifest.model import Record
    from shard.manifest.writing import Writer
    from shard.planning.location import Location
    from shard.report.scan import Listed
    from shard.report.tables import Block
    from shard.storage.base import Store

_log = logging.getLogger("shard")
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What to scan and where to write it.

    ``root`` is the bucket or local root, ``prefix`` the folder in it that holds the collections.
    ``endpoint`` is that of an S3 server, for the manifest. ``show`` gets a line for each file.
    """

    root: Location
    prefix: str
    output: str
    collections: Sequence[str] = ()
    endpoint: str | None = None
    limit: int | None = None
    threads: int = 16
    show: Callable[[str], None] | None = None

    @property
    def source(self) -> Location:
        """The folder that holds the collections."""
        return self.root.join(self.prefix)

    def header(self, names: Sequence[str]) -> Header:
        """Return the manifest's header, as far as it is known before the scan."""
        local = self.root.scheme == "file"
        return Header(
            created_at=datetime.now(UTC),
            storage_type="local" if local else self.root.scheme,
            local_root=self.root.prefix if local else None,
            s3_endpoint=self.endpoint,
            s3_bucket=None if local else self.root.bucket,
            s3_prefix=self.prefix,
            collections=tuple(names),
        )


def run_scan(wish: Wish, listed: Listed, say: Callable[[list[Block]], None]) -> int:
    """Scan, write the manifest, and say what was found; return the exit code 0.

    The manifest appears whole or, if anything fails or a signal comes, not at all. Raises
    ``ShardError`` for a wrong store, prefix, key or output, ``Interrupted`` at a signal.
    """
    options = StorageOptions(concurrency=2 * wish.threads)
    with Stop() as stop, stop.at_once(), scratch("scan") as made:
        started = time.monotonic()
        output = parse_address(wish.output, "--output", options)
        store = _open(wish, options)
        names = collections_of(store, wish.collections, wish.threads)
        output.probe()
        files = _Files(made, output, wish.header(names))
        with listed:
            left = functools.partial(_left, files, wish)
            scan = Scan(store, names, wish.threads, made, listed.seen, left)
            for record in itertools.islice(scan.records(), wish.limit):
                files.add(record)
                if wish.show is not None:
                    wish.show(_shown(record))
        header = files.finish(time.monotonic() - started, whole=wish.limit is None)
    say(summary(files.found(header, listed.count, scan)))
    return 0


def _left(files: _Files, wish: Wish, leftover: Leftover) -> None:
    files.leftovers.add(leftover)
    if wish.show is not None and wish.limit is None:
        wish.show(f"{words.one_line(leftover.key)}  {leftover.kind}")


def _shown(record: Record) -> str:
    scales = " ".join(str(scale) for scale in sorted(record.thumbnails))
    return f"{words.one_line(record.original_key)}  {scales or 'none'}"


def _open(wish: Wish, options: StorageOptions) -> Store:
    """Open the source. Raises ``StorageError`` that says if root or prefix is wrong."""
    store = open_store(wish.source.url, options)
    try:
        if next(iter(store.children()), None) is not None:
            return store
    except BucketMissing:
        if not wish.prefix:
            raise
    root = open_store(wish.root.url, options)
    there = list(itertools.islice(_folders(root), _NAMED + 1))
    if not wish.prefix:
        raise StorageError(wish.source.url, "holds nothing", "check the bucket's name")
    named = ", ".join(there[:_NAMED]) + (", ..." if len(there) > _NAMED else "")
    remedy = f"{wish.root.url} has {named or 'no folders'}"
    raise StorageError(wish.source.url, f"there is nothing at the prefix {wish.prefix!r}", remedy)


def _folders(store: Store) -> Iterator[str]:
    return (child.rstrip("/") for child in store.children() if isinstance(child, str))


class _Files:
    """The manifest and its leftovers while they are written, on local disk."""

    def __init__(self, folder: Path, output: Address, header: Header) -> None:
        self._output, self._header = output, header
        self._path, self._beside = folder / output.name, folder / f"{output.name}{ENDING}"
        self._writer: Writer = writer(output.suffix, self._path, header)
        self.leftovers = LeftoverWriter(self._beside, header)
        self._stats = {name: Stats(name) for name in header.collections}
        self._unnamed, self._whole = 0, True

    def add(self, record: Record) -> None:
        """Write and count one record."""
        if self._output.suffix == ".parquet" and not _is_text(record.original_key):
            _log.warning("%r: its name is not UTF-8, left out", record.original_key)
            self._unnamed += 1
            return
        self._stats[record.collection].count(record)
        self._writer.add(record)

    def finish(self, seconds: float, *, whole: bool) -> Header:
        """Put both files in place, the manifest last."""
        self._whole = whole
        header = replace(
            self._header,
            collection_stats=self._stats,
            scan_duration_seconds=round(seconds, 3),
        )
        self._writer.close(header)
        self.leftovers.close()
        if whole:
            self._output.beside(ENDING).put(self._beside)
        self._output.put(self._path)
        return header

    def found(self, header: Header, objects: int, scan: Scan) -> Found:
        """Return what there is to say."""
        return Found(
            header,
            self._output.url,
            objects,
            scan.ignored,
            self.leftovers.counts if self._whole else None,
            limited=not self._whole,
            unnamed=self._unnamed,
            beside=self._output.beside(ENDING).url if self._whole else "",
        )


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
