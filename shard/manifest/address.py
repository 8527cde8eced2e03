"""Where a manifest lies: any store's folder and a name in it; its suffix says its form."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shard.errors import BucketMissing, ObjectMissing, SettingError, StorageError
from shard.planning.location import parse_location
from shard.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shard.storage.base import StorageOptions, Store

SUFFIXES = (".json", ".jsonl", ".jsonl.gz", ".parquet")
_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".jsonl.gz": "application/gzip",
    ".parquet": "application/vnd.apache.parquet",
}
_CHUNK = 4 << 20


@dataclass(frozen=True, slots=True)
class Address:
    """A file of a store."""

    folder: str
    name: str
    options: StorageOptions

    @property
    def url(self) -> str:
        """What the user calls it."""
        if self.folder == ".":
            return self.name
        return f"{self.folder.rstrip('/')}/{self.name}"

    @property
    def suffix(self) -> str:
        """The suffix that says the form; empty for any other."""
        found = [suffix for suffix in SUFFIXES if self.name.endswith(suffix)]
        return max(found, key=len, default="")

    def beside(self, ending: str) -> Address:
        """Return the file of the same name and one more ending."""
        return replace(self, name=self.name + ending)

    def store(self) -> Store:
        """Open the store of the folder."""
        return open_store(self.folder, self.options)

    def put(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        suffix = self.suffix or ".jsonl"
        self.store().write(self.name, path, content_type=_TYPES[suffix])

    def probe(self) -> None:
        """Raise ``StorageError`` where the file could not be written; leaves nothing behind."""
        trial = replace(self, name=f"{self.name}.trial")
        trial.store().write(trial.name, b"", content_type="text/plain")
        trial.store().delete(trial.name)

    def size(self) -> int:
        """Return its bytes. Raises ``StorageError`` if it is not there."""
        try:
            item = self.store().stat(self.name)
        except (ObjectMissing, BucketMissing):
            item = None
        if item is None:
            raise StorageError(self.url, "there is no such manifest", "`shard scan -o` writes one")
        return item.size

    def chunks(self) -> Iterator[bytes]:
        """Yield its bytes, by ranged reads."""
        store, size = self.store(), self.size()
        for start in range(0, size, _CHUNK):
            yield store.read(self.name, start, min(size, start + _CHUNK))


def parse_address(text: str, variable: str, options: StorageOptions) -> Address:
    """Read a manifest's URL or path. Raises ``SettingError`` for another suffix."""
    where = parse_location(text, variable).url
    folder, slash, name = where.rpartition("/")
    found = Address(folder or ("/" if slash else "."), name, options)
    if not found.suffix or name in SUFFIXES or folder.endswith(":/"):
        accepted = f"a file name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise SettingError(variable, text, accepted)
    return found


class RangedFile(io.RawIOBase):
    """A store's object as a file that is read in ranges, as they are asked for."""

    def __init__(self, where: Address) -> None:
        super().__init__()
        self._store, self._name, self._size = where.store(), where.name, where.size()
        self._at = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Say where the next read begins."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, all that are left if negative."""
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        data = self._store.read(self._name, self._at, end) if end > self._at else b""
        self._at += len(data)
        return data
