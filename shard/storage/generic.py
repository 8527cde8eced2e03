"""Any URL that fsspec knows, ``memory://`` included."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shard.errors import AlreadyExists, BucketMissing, ObjectMissing, StorageError
from shard.model import Item
from shard.storage.base import NO_HEADERS
from shard.storage.digests import md5_of
from shard.storage.guarded import is_still
from shard.storage.keys import check_local_key
from shard.storage.retry import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shard.storage.base import Headers, StorageOptions

_REMEDY = "check the credentials that fsspec's documentation names for this scheme"
_FINGERPRINTS = ("ETag", "etag", "generation", "md5Hash", "checksum")
_TIMES = ("mtime", "last_modified", "LastModified", "updated", "created")

_CREATING = threading.Lock()
"""Serialises the create-only writes of this process; see ``GenericStore.write``."""


class GenericStore:
    """A folder of an fsspec filesystem. Content types and metadata are dropped.

    Listing walks folder by folder, so that it holds the names of one folder at a time.
    """

    def __init__(self, url: str, options: StorageOptions) -> None:
        self.url = url
        self._guard = Guard(url, options.retry_budget, _REMEDY)
        self._fs, self._root = _open(url)

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:
        """Yield every object; see ``Store.list``.

        A ``memory://`` folder that does not exist is an empty one, as on an object store; on any
        other filesystem it raises ``BucketMissing``.
        """
        for folder in self._folders(prefix):
            for path, facts in sorted(folder.items()):
                key = str(path).removeprefix(self._root).lstrip("/")
                if key.startswith(prefix) and (start_after is None or key > start_after):
                    yield _item(key, facts)

    def children(self, folder: str = "") -> Iterator[Item | str]:
        """Yield what lies directly in a folder; see ``Store.children``."""
        path = f"{self._root}/{folder}".rstrip("/") if folder else self._root
        for entry in self._entries(path):
            key = str(entry["name"]).removeprefix(self._root).strip("/")
            if entry["type"] == "directory":
                yield f"{key}/"
            elif key != folder.rstrip("/"):
                yield _item(key, entry)

    def stat(self, key: str) -> Item | None:
        """Return the object's facts, ``None`` if there is none; see ``Store.stat``."""
        path = self._path(key)
        try:
            facts = self._guard.call(key, lambda: self._fs.info(path))
        except ObjectMissing:
            return None
        return _item(key, facts) if facts["type"] == "file" else None

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the object's bytes; see ``Store.read``."""
        path = self._path(key)
        if start == 0 and end is None:
            return bytes(self._guard.call(key, lambda: self._fs.cat_file(path)))
        return bytes(self._guard.call(key, lambda: self._fs.cat_file(path, start=start, end=end)))

    def write(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,  # noqa: ARG002  # fsspec has no common word for it
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002  # likewise
        headers: Headers = NO_HEADERS,  # noqa: ARG002  # likewise
        create_only: bool = False,
    ) -> None:
        """Write the object; see ``Store.write``.

        Create-only holds among the threads of this process: fsspec promises no more for every
        filesystem. Use local disk, S3 or GCS where tasks race.
        """
        path = self._path(key)
        if not create_only:
            self._guard.call(key, lambda: self._put(path, data))
            return
        with _CREATING:
            if self._guard.call(key, lambda: self._fs.exists(path)):
                raise AlreadyExists(f"{self.url.rstrip('/')}/{key}", "the object exists already")
            self._guard.call(key, lambda: self._put(path, data))

    def md5(self, key: str) -> str | None:
        """Return the content's MD5, by reading it: fsspec has no common word for checksums."""
        return md5_of([self.read(key)])

    def delete(self, key: str, *, fingerprint: str = "") -> None:
        """Remove the object; see ``Store.delete``."""
        path = self._path(key)
        if fingerprint and not is_still(self, key, fingerprint):
            return
        try:
            self._guard.call(key, lambda: self._fs.rm_file(path))
        except ObjectMissing:
            return

    def sign(self, key: str, seconds: int) -> str:
        """Return a signed URL where the filesystem can make one."""
        path = self._path(key)
        try:
            return str(self._fs.sign(path, expiration=seconds))
        except NotImplementedError:
            raise StorageError(self.url, "this kind of store has no signed URLs") from None

    def _path(self, key: str) -> str:
        check_local_key(self.url, key)
        return f"{self._root}/{key}"

    def _put(self, path: str, data: bytes | Path) -> None:
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if isinstance(data, Path):
            self._fs.put_file(str(data), path)
        else:
            self._fs.pipe_file(path, data)

    def _folders(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield {path: facts} of the files of each folder that can hold keys with ``prefix``."""
        waiting = [self._root]
        while waiting:
            folder = waiting.pop()
            entries = self._entries(folder)
            yield {e["name"]: e for e in entries if e["type"] == "file"}
            below = (e["name"].rstrip("/") for e in entries if e["type"] == "directory")
            wanted = (n for n in below if n != folder and self._may_hold(n, prefix))
            waiting.extend(sorted(wanted, reverse=True))

    def _may_hold(self, folder: str, prefix: str) -> bool:
        key = folder.removeprefix(self._root).lstrip("/") + "/"
        return key.startswith(prefix) or prefix.startswith(key)

    def _entries(self, folder: str) -> Sequence[dict[str, Any]]:
        try:
            found = self._guard.call("", lambda: self._fs.ls(folder or "/", detail=True))
        except BucketMissing:
            if folder != self._root or self.url.startswith("memory://"):
                return ()  # removed while we walked, or never made: a bucket has no folders
            raise
        return tuple(found)


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ValueError, ImportError) as error:
        raise StorageError(
            url.partition("@")[-1] or url, f"fsspec cannot open this URL: {error}"
        ) from error
    return fs, str(root).rstrip("/")


def _item(key: str, facts: Mapping[str, Any]) -> Item:
    modified = next((facts[name] for name in _TIMES if facts.get(name) is not None), None)
    size = int(facts.get("size") or 0)
    mark = next((str(facts[name]) for name in _FINGERPRINTS if facts.get(name)), "")
    when = _time(modified)
    return Item(
        key=key,
        size=size,
        modified=when,
        fingerprint=mark.strip('"') or (f"{when.timestamp():.6f}-{size}" if when else ""),
    )


def _time(value: object) -> datetime | None:
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
