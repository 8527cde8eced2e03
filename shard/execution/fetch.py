"""Which bytes of a source are read: all, or of large objects in a remote store only a part.

A large object's first fifth is asked for first. It may tell that the object will be refused (no
image, too many pixels), or hold all that a small rendition of a progressive JPEG needs, and then
the rest stays where it is. Otherwise the rest is read and joined: no byte is read twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard import imaging
from shard.errors import ImageError, ObjectMissing

if TYPE_CHECKING:
    from shard.execution.work import Recipe
    from shard.model import Item
    from shard.storage.base import Store

# Below this a second request costs more than the bytes that it could save.
_LARGE = 1 << 20
_LEAST_HEAD = 256 << 10
_TAIL = 64


class Metered:
    """Reads of one item through its store, counted: what a bill would name, retries left out."""

    def __init__(self, store: Store) -> None:
        self._store, self.url = store, store.url
        self.reads = self.bytes_read = 0

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the object's bytes from ``start`` up to ``end``, as ``Store.read`` does."""
        self.reads += 1
        data = self._store.read(key, start, end)
        self.bytes_read += len(data)
        return data


def fetch(item: Item, source: Metered, recipe: Recipe) -> bytes:
    """Return bytes that decode to what the whole object would, for this recipe's renditions.

    Raises ``ImageError`` for what is refused unread or by its head, ``StorageError``.
    """
    accepted = recipe.limits.max_bytes
    if item.size > accepted:
        detail = f"the object has {item.size} bytes; MAX_BYTES accepts {accepted}"
        raise ImageError("too_many_bytes", detail)
    data = _by_parts(item, source, recipe) if _is_worth_it(item, recipe) else source.read(item.key)
    if not data:
        raise ImageError("empty", "the object has no bytes")
    return data


def _is_worth_it(item: Item, recipe: Recipe) -> bool:
    return recipe.ranged and item.size >= _LARGE


def _by_parts(item: Item, source: Metered, recipe: Recipe) -> bytes:
    head = source.read(item.key, 0, max(_LEAST_HEAD, item.size // 5))
    cut = _enough(head, item, source, recipe)
    if cut is not None:
        return cut
    rest = source.read(item.key, len(head))
    if len(head) + len(rest) != item.size:
        raise ObjectMissing(f"{source.url}/{item.key}", "was replaced while it was read")
    return head + rest


def _enough(head: bytes, item: Item, source: Metered, recipe: Recipe) -> bytes | None:
    cut = imaging.from_head(head, recipe.renditions, recipe.limits)
    if cut is None:
        return None
    # The cut would hide that the file is truncated: its end is looked at by itself.
    tail = source.read(item.key, max(0, item.size - _TAIL))
    return cut if imaging.ends_jpeg(tail) else None
