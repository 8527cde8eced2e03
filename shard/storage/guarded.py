"""Is an object still the one that was seen? For deletes that must not hit a newer one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard.errors import ContentChanged

if TYPE_CHECKING:
    from shard.storage.base import Store


def is_still(store: Store, key: str, fingerprint: str) -> bool:
    """Tell whether there is anything to delete. Raises ``ContentChanged`` for another object."""
    now = store.stat(key)
    if now is None:
        return False
    if now.fingerprint != fingerprint:
        raise changed(store.url, key)
    return True


def changed(url: str, key: str) -> ContentChanged:
    """Return the error for an object that is no longer the one that was seen."""
    return ContentChanged(f"{url.rstrip('/')}/{key}", "the object is another one by now")
