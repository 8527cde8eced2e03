"""The store asked again, in batch, about some of its originals and their thumbnails."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.errors import ShardError
from shard.planning.collections import ORIGINALS, THUMBNAILS, parse_original, parse_thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from shard.model import Item
    from shard.storage.base import Store

# These list what lies directly in one folder by name, so that a listing may end at a name.
_ORDERED = ("s3", "gs", "file")
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Found:
    """What the store holds now, by group (``planning.collections.Place.group``)."""

    originals: dict[str, list[Item]] = field(default_factory=dict)
    thumbnails: dict[str, list[Item]] = field(default_factory=dict)


def look(store: Store, groups: Collection[str], folder: str | None = None) -> Found:
    """List originals and thumbnails of these groups: one listing each, however many they are.

    ``folder``, below thumbnails/, is given where the groups are only some of those that lie in it,
    neighbours by name: then the listings begin at the first of them, and end after the last where
    the store promises an order.
    """
    originals = _listed(store, groups, folder, ORIGINALS)
    thumbnails = _listed(store, groups, folder, THUMBNAILS)
    return Found(
        _grouped(((_original_group(item.key), item) for item in originals), groups),
        _grouped(((_thumbnail_group(item.key), item) for item in thumbnails), groups),
    )


def _grouped(
    items: Iterable[tuple[str | None, Item]], groups: Collection[str]
) -> dict[str, list[Item]]:
    kept: dict[str, list[Item]] = {}
    for group, item in items:
        if group is not None and group in groups:
            kept.setdefault(group, []).append(item)
    return kept


def _listed(
    store: Store, groups: Collection[str], folder: str | None, there: str
) -> Iterator[Item]:
    first, last = _moved(min(groups), there), _moved(max(groups), there)
    if folder is None:
        alike = (a for a, b in itertools.takewhile(_are_alike, zip(first, last, strict=False)))
        return store.list(prefix="".join(alike))
    # `07` has `07.jpg`, which comes after all that `07.1` has.
    last = max(_moved(group, there) + _LAST for group in groups)
    return _between(store, _moved(folder, there), first, last)


def _between(store: Store, folder: str, first: str, last: str) -> Iterator[Item]:
    """Yield what lies in the folder from ``first`` on, up to ``last`` where names come in order."""
    scheme = store.url.partition("://")[0] if "://" in store.url else "file"
    for item in store.list(prefix=folder, start_after=first[:-1]):
        direct = "/" not in item.key[len(folder) :]
        if direct and item.key > last and scheme in _ORDERED:
            return
        yield item


def _are_alike(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


def _moved(key: str, there: str) -> str:
    """Return the key of the same name below originals/ or thumbnails/."""
    collection, _, rest = key.partition("/")
    return f"{collection}/{there}/{rest.partition('/')[2]}"


def _original_group(key: str) -> str | None:
    place = parse_original(key)
    return None if place is None else place.group


def _thumbnail_group(key: str) -> str | None:
    name = parse_thumbnail(key)
    return None if name is None else name.group


class Answer:
    """What a look finds, while others go on. The thread is nobody's to wait for at the end."""

    def __init__(self, ask: Callable[[], Found]) -> None:
        self._ask = ask
        self._found: Found | None = None
        self._error: ShardError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Tell whether the answer is there, after so many seconds at most."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def get(self) -> Found:
        """Return the answer, once it is there. Raises the ``ShardError`` that came instead."""
        if self._error is not None:
            raise self._error
        if self._found is None:
            raise RuntimeError("the listing ended without an answer")
        return self._found

    def _run(self) -> None:
        try:
            self._found = self._ask()
        except ShardError as error:
            self._error = error
