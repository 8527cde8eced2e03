"""A store asked from an event loop: its calls run in threads, a bounded number at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard.service.threads import Threads

if TYPE_CHECKING:
    from shard.storage.base import Store


class AsyncStore:
    """Some of a store's questions. Raises ``StorageError`` as the store does."""

    def __init__(self, store: Store, concurrency: int) -> None:
        self._store, self._threads = store, Threads(concurrency, "frames' store")

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the object's bytes; see ``Store.read``."""
        return await self._threads.run(self._store.read, key, start, end)

    async def sign(self, key: str, seconds: int) -> str:
        """Return a presigned URL; see ``Store.sign``."""
        return await self._threads.run(self._store.sign, key, seconds)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.close()
