"""``open_manifest``: the one door to manifests of every form, on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from shard.errors import SettingError, StorageError
from shard.manifest.address import parse_address
from shard.manifest.leftovers import read_leftovers
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shard.manifest.address import Address
    from shard.manifest.leftovers import Leftover
    from shard.manifest.model import Header, Record, Stats


class _File(Protocol):
    header: Header
    stats: dict[str, Stats]

    def records(self, collections: Collection[str]) -> Iterator[Record]: ...

    def slice(self, task: tuple[int, int], collections: Collection[str]) -> Iterator[Record]: ...


class Manifest:
    """A manifest that was opened: its header, and its records as often as they are asked for."""

    def __init__(self, where: Address, file: _File) -> None:
        self._where, self._file = where, file
        stats = dict(sorted(file.stats.items()))
        self.header = replace(file.header, collections=tuple(stats), collection_stats=stats)

    @property
    def url(self) -> str:
        """Where it lies."""
        return self._where.url

    def records(self, collections: Collection[str] = ()) -> Iterator[Record]:
        """Yield the records, in key order; of these collections only, where any are named."""
        return self._file.records(self._wanted(collections))

    def slice(self, index: int, count: int, collections: Collection[str] = ()) -> Iterator[Record]:
        """Yield the records of one of ``count`` slices: contiguous keys, balanced by bytes.

        Slices are disjoint and together complete. Of ``.parquet`` only the row groups in which
        the slice has records are read; the other forms are read whole.
        """
        return self._file.slice((index, count), self._wanted(collections))

    def leftovers(self) -> Iterator[Leftover] | None:
        """Yield orphans, extras and duplicates; ``None`` where the file beside is not there."""
        return read_leftovers(self._where, self.header)

    def _wanted(self, collections: Collection[str]) -> frozenset[str]:
        """Raise ``SettingError`` for a collection that is not there."""
        there = self.header.collections
        for name in collections:
            if name not in there:
                accepted = f"of this manifest: {', '.join(there) or 'none, it is empty'}"
                raise SettingError("--collection", name, accepted)
        return frozenset(collections or there)


def open_manifest(
    text: str, options: StorageOptions | None = None, variable: str = "--manifest"
) -> Manifest:
    """Open a manifest by URL or path: ``.json``, ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.

    Manifests of the older tool are read too. Raises ``SettingError`` for a name of another kind,
    ``StorageError`` where there is none or it is broken.
    """
    where = parse_address(text, variable, options or StorageOptions())
    try:
        return Manifest(where, _open(where))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        remedy = "`shard scan` writes a new one"
        raise StorageError(where.url, f"is not a manifest: {said}", remedy) from error


def _open(where: Address) -> _File:
    if where.suffix == ".parquet":
        from shard.manifest.parquet import ParquetFile

        return ParquetFile(where)
    from shard.manifest.documents import DocumentFile

    return DocumentFile(where)
