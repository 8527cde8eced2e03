"""A sorted stream cut where folders end: stretches about which one listing can tell all."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stretch(Generic[T]):
    """Neighbours in a stream, all below ``folder`` (which ends in ``/``).

    ``whole``: nothing that follows in the stream lies below the folder. Otherwise the folder has
    more than a stretch may hold, and these are some of them, in key order.
    """

    folder: str
    whole: bool
    things: tuple[T, ...]


def stretches(
    things: Iterable[T], key: Callable[[T], str], limit: int, depth: int
) -> Iterator[Stretch[T]]:
    """Cut ``things``, sorted by ``key``, into stretches of at most ``limit``.

    Each is what the largest folder has that fits, never one of fewer than ``depth`` segments:

    ==============================  =====  =======================================
    keys                            limit  stretches (depth 1)
    ==============================  =====  =======================================
    ``c/a/1 c/a/2 c/b/1 d/1``       9      ``c/`` whole, ``d/`` whole
    ``c/a/1 c/a/2 c/b/1 d/1``       2      ``c/a/`` whole, ``c/b/`` whole, ``d/`` whole
    ``c/a/1 c/a/2 c/a/3 d/1``       2      ``c/a/`` two, ``c/a/`` one, ``d/`` whole
    ==============================  =====  =======================================

    Holds ``limit + 1`` things. Keys have at least ``depth`` folders.
    """
    stream = iter(things)
    held: list[T] = []
    unfinished = ""
    while True:
        held += islice(stream, limit + 1 - len(held))
        if not held:
            return
        last = key(held[-1]) if len(held) > limit else ""
        folder = unfinished if key(held[0]).startswith(unfinished) else ""
        if not folder or last.startswith(folder):
            folder = _largest(key(held[0]), last, depth)
            whole = not last.startswith(folder)
        else:
            whole = False  # the end of a folder whose beginning was in stretches before
        size = _leading(held[:limit], key, folder)
        taken = tuple(held[:size])
        yield Stretch(_common(key(taken[0]), key(taken[-1])), whole, taken)
        unfinished = "" if whole else folder
        held = held[size:]


def _leading(things: Sequence[T], key: Callable[[T], str], folder: str) -> int:
    """Return how many of these, the first of which lies in the folder, lie there."""
    return bisect_left(things, True, key=lambda thing: not key(thing).startswith(folder))


def _largest(first: str, last: str, depth: int) -> str:
    """Return the largest folder of ``first`` that ``last`` is outside of, else the smallest."""
    folder = first[: first.rindex("/") + 1]
    while folder.count("/") > depth:
        above = folder[: folder.rindex("/", 0, -1) + 1]
        if last.startswith(above):
            break
        folder = above
    return folder


def _common(first: str, last: str) -> str:
    """Return the deepest folder that holds both keys."""
    folder = first[: first.rindex("/") + 1]
    while not last.startswith(folder):
        folder = folder[: folder.rindex("/", 0, -1) + 1]
    return folder
