"""The store that keeps nothing: `plan` renders a sample through the job's own pipeline into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard.errors import ObjectMissing, StorageError
from shard.storage.base import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shard.model import Item
    from shard.storage.base import Headers


class DiscardStore:
    """Takes every write and holds nothing. ``url`` is the store that it stands in for."""

    def __init__(self, url: str) -> None:
        self.url = url

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:  # noqa: ARG002 - as Store's
        """Yield nothing."""
        return iter(())

    def children(self, folder: str = "") -> Iterator[Item | str]:  # noqa: ARG002 - as Store's
        """Yield nothing."""
        return iter(())

    def stat(self, key: str) -> Item | None:  # noqa: ARG002 - as Store's
        """Return ``None``."""
        return None

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:  # noqa: ARG002 - as Store's
        """Raise ``ObjectMissing``."""
        raise ObjectMissing(f"{self.url}/{key}", "was discarded")

    def write(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
        headers: Headers = NO_HEADERS,
        create_only: bool = False,
    ) -> None:
        """Let the data go."""

    def md5(self, key: str) -> str | None:
        """Raise ``ObjectMissing``."""
        raise ObjectMissing(f"{self.url}/{key}", "was discarded")

    def delete(self, key: str, *, fingerprint: str = "") -> None:
        """There is nothing to remove."""

    def sign(self, key: str, seconds: int) -> str:  # noqa: ARG002 - as Store's
        """Raise ``StorageError``: there is nothing that a URL could name."""
        raise StorageError(f"{self.url}/{key}", "was discarded, it has no URL")
