"""A folder's files in key order, streamed, by ``os.scandir``."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time
from typing import TYPE_CHECKING

from shard.storage.keys import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("shard.storage")
STALE_AFTER = 86_400.0
"""Seconds after which an unfinished file belongs to nobody that still lives."""


class Walk:
    """One pass over the files below ``root``; holds the names of one folder a level.

    Symbolic links are followed, except into a folder that is being walked already. Broken links and
    special files are left out with a warning. ``unreadable`` collects the paths that refused.
    """

    def __init__(self, root: str, prefix: str, start_after: str | None) -> None:
        self._root = root
        self._prefix = prefix
        self._after = start_after
        self.unreadable: list[str] = []

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield (key, stat) of every regular file, by code points of the key."""
        yield from self._folder("", frozenset())

    def level(self, below: str) -> Iterator[tuple[str, os.stat_result | None]]:
        """Yield (key, stat) of the files directly in a folder, (key, ``None``) of its folders."""
        path = f"{self._root}/{below}"
        try:
            names = self._names(path, below)
        except (FileNotFoundError, NotADirectoryError):
            return
        except PermissionError:
            LOG.warning("%r: this folder cannot be read", path)
            self.unreadable.append(path)
            return
        for name in names:
            if name.endswith("/"):
                yield below + name, None
            else:
                yield from self._file(below + name)

    def _folder(
        self, below: str, above: frozenset[tuple[int, int]]
    ) -> Iterator[tuple[str, os.stat_result]]:
        path = f"{self._root}/{below}"
        try:
            here = os.stat(path)  # noqa: PTH116  # names are strings with surrogates, not Paths
            names = self._names(path, below)
        except (FileNotFoundError, NotADirectoryError):
            return  # removed while we walked: as if it had gone before
        except PermissionError:
            LOG.warning("%r: this folder cannot be read", path)
            self.unreadable.append(path)
            return
        identity = (here.st_dev, here.st_ino)
        if identity in above:
            LOG.warning("%r: a symbolic link back to a folder above it, left out", path)
            return
        inside = above | {identity}
        for name in names:
            if name.endswith("/"):
                yield from self._folder(below + name, inside)
            else:
                yield from self._file(below + name)

    def _file(self, key: str) -> Iterator[tuple[str, os.stat_result]]:
        path = f"{self._root}/{key}"
        try:
            found = os.stat(path)  # noqa: PTH116  # as above
        except FileNotFoundError:
            if os.path.islink(path):  # noqa: PTH114  # as above
                LOG.warning("%r: a broken symbolic link, left out", path)
            return
        except PermissionError:
            LOG.warning("%r: may not be looked at", path)
            self.unreadable.append(path)
            return
        except OSError as error:
            LOG.warning("%r: %s, left out", path, error.strerror)
            return
        if stat.S_ISREG(found.st_mode):
            yield key, found
        else:
            LOG.warning("%r: neither a file nor a folder, left out", path)

    def _names(self, path: str, below: str) -> list[str]:
        """Return a folder's wanted names in key order; folders end in ``/``."""
        wanted, lead = [], self._lead(below)
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith(TEMPORARY_PREFIX):
                    _sweep(entry)
                    continue
                if not entry.name.startswith(lead):  # cheap, for most of a large folder
                    continue
                name = entry.name + "/" if _is_folder(entry) else entry.name
                if self._wants(below + name):
                    wanted.append(name)
        wanted.sort()
        return wanted

    def _lead(self, below: str) -> str:
        """Return what all wanted names in this folder begin with."""
        if not self._prefix.startswith(below):
            return ""
        return self._prefix[len(below) :].partition("/")[0]

    def _wants(self, key: str) -> bool:
        """Tell whether this file, or anything in this folder (``.../``), can be asked for."""
        folder = key.endswith("/")
        if not key.startswith(self._prefix) and not (folder and self._prefix.startswith(key)):
            return False
        if self._after is None or key > self._after:
            return True
        return folder and self._after.startswith(key)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a loop of links: _file names it


def _sweep(entry: os.DirEntry[str]) -> None:
    """Remove an unfinished file that a dead process left, a day after it was last touched."""
    with contextlib.suppress(OSError):
        if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_AFTER:
            os.unlink(entry.path)  # noqa: PTH108  # as above
