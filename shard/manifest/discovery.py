"""What there is to list: collections, and in each the parts that are listed side by side.

Stores list a prefix in some order of their own, one request after another, so a collection is taken
apart into prefixes: its folders, down to where there are enough of them. Files that lie above these
folders come with their listing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError, StorageError
from shard.manifest.parallel import ordered
from shard.planning.collections import ORIGINALS, THUMBNAILS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from shard.model import Item
    from shard.storage.base import Store

_ENOUGH: Final = 32
"""So many parts keep the threads busy; with fewer a collection is looked into more deeply."""
_TOO_MANY: Final = 512
"""With more folders than this, those that begin alike are listed together."""
_DEPTH: Final = 3
_NAMED: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """What begins with ``prefix`` below a collection's originals/ and thumbnails/.

    Only files at least ``depth`` folders deep: those above were found on the way here.
    """

    collection: str
    prefix: str
    depth: int


def collections_of(store: Store, wanted: Collection[str], threads: int) -> list[str]:
    """Return the names of the collections, in the order of their keys; ``wanted`` ones if any.

    Raises ``StorageError`` where there is none, ``SettingError`` where a wanted one is not there.
    """
    folders = sorted(child[:-1] for child in store.children() if isinstance(child, str))
    has_originals = ordered(lambda name: _has_originals(store, name), folders, threads)
    found = [name for name, has in zip(folders, has_originals, strict=True) if has]
    if not found:
        raise _nothing(store, folders)
    for name in wanted:
        if name not in found:
            raise SettingError("--collection", name, f"of {store.url}: {_named(found)}")
    chosen = [name for name in found if not wanted or name in wanted]
    return sorted(chosen, key=lambda name: f"{name}/")


def _has_originals(store: Store, name: str) -> bool:
    return any(child == f"{name}/{ORIGINALS}/" for child in store.children(f"{name}/"))


def _nothing(store: Store, folders: list[str]) -> StorageError:
    if not folders:
        remedy = "check the prefix: it names the folder that holds the collections"
        return StorageError(store.url, "there are no folders here", remedy)
    if ORIGINALS in folders:
        above = store.url.rstrip("/").rpartition("/")[0]
        remedy = f"name the folder above it, {above or '/'}, and --collection"
        return StorageError(store.url, "is itself a collection", remedy)
    remedy = "a collection is a folder that holds originals/, as botany/originals/ab/cd/x.jpg"
    return StorageError(store.url, f"none of its folders ({_named(folders)}) is one", remedy)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def open_collection(
    store: Store, name: str, threads: int, take: Callable[[Item], None]
) -> list[Part]:
    """Take a collection apart; ``take`` gets every file that lies above the parts, from any thread.

    Parts come in the order of their keys, and no part's keys lie between those of another.
    """

    def look(path: str) -> list[str]:
        folders = []
        for child in store.children(path):
            if isinstance(child, str):
                folders.append(child.split("/", 2)[2])
            else:
                take(child)
        return folders

    level, depth = [""], 0
    while level and depth < _DEPTH and len(level) < _ENOUGH:
        asked = [f"{name}/{side}/{path}" for path in level for side in (ORIGINALS, THUMBNAILS)]
        level = sorted(set().union(*ordered(look, asked, threads)))
        depth += 1
    return [Part(name, prefix, depth) for prefix in _together(level)]


def _together(folders: list[str]) -> Iterator[str]:
    """Yield prefixes that cover all folders: each by itself, or by how they begin if too many."""
    length = max(map(len, folders), default=0)
    if len(folders) > _TOO_MANY:
        enough = (n for n in range(1, length) if len({path[:n] for path in folders}) >= _ENOUGH)
        length = next(enough, length)
    yield from sorted({path[:length] for path in folders})
