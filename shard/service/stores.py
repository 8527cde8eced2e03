"""A store asked from an event loop: its calls run in threads, a bounded number at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

if TYPE_CHECKING:
    from shard.storage.base import Store


class AsyncStore:
    """Some of a store's questions. Raises ``StorageError`` as the store does."""

    def __init__(self, store: Store, concurrency: int) -> None:
        self._store, self._limiter = store, anyio.CapacityLimiter(concurrency)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the object's bytes; see ``Store.read``."""
        ask = partial(self._store.read, key, start, end)
        return await to_thread.run_sync(ask, limiter=self._limiter)

    async def sign(self, key: str, seconds: int) -> str:
        """Return a presigned URL; see ``Store.sign``."""
        return await to_thread.run_sync(self._store.sign, key, seconds, limiter=self._limiter)
