"""Sorting more than memory holds: runs on local disk, merged."""

from __future__ import annotations

import heapq
import pickle  # nosec B403  # see _read
import tempfile
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

_T = TypeVar("_T")
_CHUNK = 100


class Sorter(Generic[_T]):
    """Takes things in any order, gives them back by ``key``, equals in order of arrival.

    At most ``limit`` things are held; beyond it sorted runs go to files in ``folder``, which have
    no name there and vanish with the process.
    """

    def __init__(self, key: Callable[[_T], Any], folder: Path | None, limit: int) -> None:
        self._key, self._folder, self._limit = key, folder, limit
        self._held: list[_T] = []
        self._runs: list[IO[bytes]] = []

    def add(self, thing: _T) -> None:
        """Take one."""
        self._held.append(thing)
        if len(self._held) >= self._limit:
            self._spill()

    def extend(self, things: Iterable[_T]) -> None:
        """Take many."""
        for thing in things:
            self.add(thing)

    def __iter__(self) -> Iterator[_T]:
        self._held.sort(key=self._key)
        if not self._runs:
            return iter(self._held)
        runs = [_read(run) for run in self._runs]
        return heapq.merge(*runs, iter(self._held), key=self._key)

    def close(self) -> None:
        """Let go of what is held and of the files."""
        self._held = []
        for run in self._runs:
            run.close()
        self._runs = []

    def _spill(self) -> None:
        self._held.sort(key=self._key)
        run = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives until close()
        for at in range(0, len(self._held), _CHUNK):
            pickle.dump(self._held[at : at + _CHUNK], run, pickle.HIGHEST_PROTOCOL)
        self._runs.append(run)
        self._held = []


def _read(run: IO[bytes]) -> Iterator[Any]:
    run.seek(0)
    while True:
        try:
            yield from pickle.load(run)  # noqa: S301  # nosec B301  # our own nameless file
        except EOFError:
            return
