"""Temporary files on local disk: names of one's own, removed whatever happens.

A folder is locked as long as its task lives, so that the next one can tell what a killed task has
left behind, also in a container where every task is process 1.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".lock"


@contextlib.contextmanager
def scratch(kind: str = "pyramids", within: str | None = None) -> Iterator[Path]:
    """Make the task's folder, after sweeping what others left; folders of another ``kind`` stay.

    It lies ``within`` that folder, which must exist, else in the system's temporary one.
    """
    sweep(kind, within)
    folder, lock = _own(f"shard-{kind}-", within)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _own(prefix: str, within: str | None) -> tuple[Path, int]:
    """Make a folder and lock it; again where another task swept it in the moment in between."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)


def sweep(kind: str = "pyramids", within: str | None = None) -> None:
    """Remove the folders of tasks that are no more; those of other users stay."""
    for folder in Path(within or tempfile.gettempdir()).glob(f"shard-{kind}-*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused: its task lives
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def folder_of(scratch: str, key: str) -> Path:
    """Return the folder of one item's files."""
    name = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    return Path(scratch) / name


def free_bytes(folder: Path) -> int:
    """Return what is free where the scratch folder lies."""
    return shutil.disk_usage(folder).free
