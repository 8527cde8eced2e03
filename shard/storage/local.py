"""A folder of this machine as a store."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from shard.errors import (
    AccessDenied,
    AlreadyExists,
    BucketMissing,
    KeyRefused,
    ObjectMissing,
    StorageError,
    Unavailable,
)
from shard.model import Item
from shard.storage.base import NO_HEADERS
from shard.storage.digests import CHUNK, Announced, md5_of
from shard.storage.guarded import is_still
from shard.storage.keys import TEMPORARY_PREFIX, check_local_key
from shard.storage.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shard.storage.base import Headers

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_MISSING = (errno.ENOENT, errno.ENOTDIR)
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_TRANSIENT = (errno.EAGAIN, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


class LocalStore:
    """Files below a folder. Content types and metadata have no place on disk and are dropped.

    The folder need not exist to be written to; listing one that does not raises ``BucketMissing``.
    """

    def __init__(self, url: str) -> None:
        path = url.removeprefix("file://") if url.lower().startswith("file://") else url
        if not path or "\0" in path:
            raise StorageError(url or "''", "names no folder")
        self.url = url
        self._root = os.path.abspath(path)  # noqa: PTH100  # Path.resolve would follow links

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:
        """Yield every file in key order; see ``Store.list``.

        Raises ``BucketMissing`` where the root does not exist and, at the end, ``AccessDenied``
        where a folder could not be read: what was yielded is then not everything.
        """
        self._require_root()
        walk = Walk(self._root, prefix, start_after)
        for key, found in walk.files():
            yield _item(key, found)
        self._require_readable(walk)

    def children(self, folder: str = "") -> Iterator[Item | str]:
        """Yield what lies directly in a folder, in key order; see ``Store.children``."""
        self._require_root()
        walk = Walk(self._root, folder, None)
        for key, found in walk.level(folder):
            yield key if found is None else _item(key, found)
        self._require_readable(walk)

    def _require_readable(self, walk: Walk) -> None:
        if walk.unreadable:
            raise AccessDenied(
                self.url,
                f"{len(walk.unreadable)} path(s) could not be read, first {walk.unreadable[0]!r}",
                "give this user the right to read and enter them (chmod +rx)",
            )

    def stat(self, key: str) -> Item | None:
        """Return the file's facts, ``None`` if there is no such file; see ``Store.stat``."""
        path = self._path(key)
        try:
            found = os.stat(path)  # noqa: PTH116  # keys are strings with surrogates, not Paths
        except OSError as error:
            if error.errno in _MISSING:
                return None
            self._raise(error, key)
        return _item(key, found) if stat.S_ISREG(found.st_mode) else None

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the file's bytes; see ``Store.read``."""
        try:
            with open(self._path(key), "rb") as file:  # noqa: PTH123  # see stat
                file.seek(start)
                return file.read() if end is None else file.read(max(0, end - start))
        except OSError as error:
            self._raise(error, key)

    def write(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,  # noqa: ARG002  # no place for it on disk
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002  # likewise
        headers: Headers = NO_HEADERS,
        create_only: bool = False,
    ) -> None:
        """Write a temporary file beside the target, fsync it, move it into place."""
        path = self._path(key)
        try:
            folder = self._make_folder(path, key)
            temporary = f"{folder}/{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
            try:
                _fill(temporary, data, (f"{self.url.rstrip('/')}/{key}", headers))
                _publish(temporary, path, create_only=create_only)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)  # noqa: PTH108  # see stat
        except OSError as error:
            self._raise(error, key)

    def md5(self, key: str) -> str | None:
        """Return the file's MD5, by reading it; see ``Store.md5``."""
        try:
            with open(self._path(key), "rb") as file:  # noqa: PTH123  # see stat
                return md5_of(iter(lambda: file.read(CHUNK), b""))
        except OSError as error:
            self._raise(error, key)

    def delete(self, key: str, *, fingerprint: str = "") -> None:
        """Remove the file; see ``Store.delete``."""
        if fingerprint and not is_still(self, key, fingerprint):
            return
        try:
            self._refuse_escape(self._path(key), key)
            os.unlink(self._path(key))  # noqa: PTH108  # see stat
        except OSError as error:
            if error.errno not in _MISSING:
                self._raise(error, key)

    def sign(self, key: str, seconds: int) -> str:  # noqa: ARG002  # a path does not expire
        """Return the file's ``file://`` URL: on this machine it needs no credentials."""
        return Path(self._path(key)).as_uri()

    def _path(self, key: str) -> str:
        check_local_key(self.url, key)
        return f"{self._root}/{key}"

    def _require_root(self) -> None:
        if os.path.isdir(self._root):  # noqa: PTH112  # see stat
            return
        if os.path.lexists(self._root):
            raise StorageError(self.url, "is not a folder", "name the folder that holds it")
        raise BucketMissing(self.url, "the folder does not exist", "check the path")

    def _make_folder(self, path: str, key: str) -> str:
        folder = os.path.dirname(path)  # noqa: PTH120  # see stat
        self._refuse_escape(path, key)
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # see stat
        return folder

    def _refuse_escape(self, path: str, key: str) -> None:
        """Raise ``KeyRefused`` if a symbolic link would lead the write out of the root."""
        root = os.path.realpath(self._root)
        folder = os.path.realpath(os.path.dirname(path))  # noqa: PTH120  # see stat
        if folder != root and not folder.startswith(root.rstrip("/") + "/"):
            raise KeyRefused(self.url, f"key {key!r} leads out of the folder by a symbolic link")

    def _raise(self, error: OSError, key: str) -> NoReturn:
        place = f"{self.url.rstrip('/')}/{key}"
        said = error.strerror or type(error).__name__
        if error.errno in _DENIED:
            raise AccessDenied(place, said, "check the file's owner and mode") from error
        if error.errno in _MISSING:
            raise ObjectMissing(place, "there is no such file") from error
        if error.errno == errno.EEXIST:
            raise AlreadyExists(place, "the file exists already") from error
        if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.ELOOP):
            raise KeyRefused(place, said) from error
        if error.errno in _TRANSIENT:
            raise Unavailable(place, said) from error
        raise StorageError(place, said) from error


def _item(key: str, found: os.stat_result) -> Item:
    return Item(
        key=key,
        size=found.st_size,
        modified=datetime.fromtimestamp(found.st_mtime, UTC),
        fingerprint=f"{found.st_mtime_ns}-{found.st_size}",
    )


def _fill(path: str, data: bytes | Path, announced: tuple[str, Headers]) -> None:
    url, headers = announced
    with open(path, "xb") as file:  # noqa: PTH123  # see LocalStore.stat
        if isinstance(data, Path):
            follow = Announced(headers)
            with data.open("rb") as source:
                while chunk := source.read(CHUNK):
                    follow.update(chunk)
                    file.write(chunk)
            follow.check(url)
        else:
            file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _publish(temporary: str, path: str, *, create_only: bool) -> None:
    """Give the finished file its name: a rename, or a hard link, which never replaces."""
    if not create_only:
        os.replace(temporary, path)  # noqa: PTH105  # see LocalStore.stat
        return
    try:
        os.link(temporary, path)  # see LocalStore.stat
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # A file system without hard links (FAT, FUSE mounts of buckets): reserve the name with an
        # empty file, which nobody takes for finished, then replace our own reservation.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        os.replace(temporary, path)  # noqa: PTH105  # see LocalStore.stat
