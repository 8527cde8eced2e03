"""The narrow interface that every store answers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shard.model import Item


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """How stores are opened. Picklable: a worker process opens its own clients from it.

    ``retry_budget`` is the seconds that one operation may spend on transient errors in all;
    0 turns retries off. ``concurrency`` sizes the client's connection pool. ``s3_endpoint`` is S3's
    URL where it is not what the SDK's own rules say.
    """

    s3_backend: str = "obstore"
    retry_budget: float = 90.0
    request_timeout: float = 30.0
    concurrency: int = 32
    s3_endpoint: str | None = None


MD5_KEY = "shard-md5"
"""The metadata under which an original's MD5 is kept, for where its ETag is none."""


@dataclass(frozen=True, slots=True)
class Headers:
    """What a write says of an object beside its type and metadata; ``None``: the bucket's default.

    ``acl`` is one of S3's canned names, which GCS has too (in its own spelling). ``md5`` and
    ``sha256`` are the content's digests in hexadecimal: other content is not stored.
    """

    acl: str | None = None
    cache_control: str | None = None
    storage_class: str | None = None
    md5: str | None = None
    sha256: str | None = None


NO_HEADERS = Headers()


class Store(Protocol):
    """Objects below one root. Keys are relative to it, ``/``-separated, never empty.

    Every method raises a ``StorageError`` of ``shard.errors`` and nothing else for what a store
    can do wrong; transient errors are retried inside. All methods are thread-safe.
    """

    url: str

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:
        """Yield every object whose key starts with ``prefix``, streamed, whatever their number.

        ``start_after`` leaves out keys up to and including it. No order is promised, so on a server
        that does not list in byte order (SeaweedFS, across folders) use it with flat names only.
        Raises ``BucketMissing`` where the bucket or folder does not exist, and ``AccessDenied``,
        perhaps after all else was yielded, where anything could not be seen: a listing that ends
        without an error is complete.
        """

    def children(self, folder: str = "") -> Iterator[Item | str]:
        """Yield what lies directly in a folder: its objects, and its folders as ``.../`` keys.

        ``folder`` is empty (the root) or ends in ``/``. Streamed, in no promised order; a folder
        that is not there has nothing in it. Raises ``BucketMissing`` and ``AccessDenied`` as
        ``list`` does.
        """

    def stat(self, key: str) -> Item | None:
        """Return the object's facts, or ``None`` if it certainly does not exist."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the object's bytes from ``start`` up to ``end`` (exclusive; ``None``: all).

        As a slice does: beyond the object's end there is nothing, and no error.
        Raises ``ObjectMissing``.
        """

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
        """Write the whole object atomically; a ``Path`` is streamed from that local file.

        A large file goes up in parts, each with its own checksum. Where a store has no place for a
        header (local disk, fsspec's others) it is dropped, digests of a ``Path`` excepted.
        Raises ``ContentChanged`` where a ``Path`` does not hold what ``headers`` announce.
        Raises ``AlreadyExists`` if ``create_only`` and the object is there; also, rarely, if it is
        there because this very write happened and its answer was lost. Read it to know.
        Raises ``KeyRefused`` for a key that has no safe name on this store.
        """

    def md5(self, key: str) -> str | None:
        """Return the content's MD5 in hexadecimal, by one request; ``None`` if nothing tells it.

        From the object's metadata (``MD5_KEY``), else as the store knows it; files are read.
        Raises ``ObjectMissing``.
        """

    def delete(self, key: str, *, fingerprint: str = "") -> None:
        """Remove the object; no error if it is not there.

        With a ``fingerprint`` only if it still has that: it is asked for just before, and S3 and
        GCS are told to compare once more as they delete (servers that ignore that, disks and
        fsspec's others leave the moment in between). Raises ``ContentChanged``.
        """

    def sign(self, key: str, seconds: int) -> str:
        """Return a URL that reads the object without credentials for that long."""
