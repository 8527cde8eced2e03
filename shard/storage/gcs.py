"""A prefix of a Google Cloud Storage bucket as a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shard.errors import AlreadyExists, ObjectMissing, StorageError
from shard.model import Item
from shard.storage.base import MD5_KEY, NO_HEADERS
from shard.storage.credentials import CONNECT_TIMEOUT, GCS_REMEDY
from shard.storage.digests import base64_of, hexadecimal_of
from shard.storage.faults import bucket_missing, is_beyond_the_end
from shard.storage.guarded import changed, is_still
from shard.storage.keys import check_object_key
from shard.storage.once import Once
from shard.storage.retry import Guard
from shard.storage.roots import split_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shard.storage.base import Headers, StorageOptions

_FIELDS = "items(name,size,updated,generation,contentType,md5Hash),prefixes,nextPageToken"
_PAGE = 1000
_CHUNK = 8 << 20


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which keys, below the root; ``one_level``: of what lies deeper only the folders."""

    prefix: str
    start_after: str | None = None
    one_level: bool = False


class GCSStore:
    """Objects below ``gs://bucket/prefix/``.

    gcsfs reads, writes and deletes; google-cloud-storage lists page by page (gcsfs's listing holds
    everything and stops at 10,000,000 objects), tells facts, streams files and signs.
    """

    def __init__(self, url: str, options: StorageOptions) -> None:
        self.url = url
        self._bucket, self._root = split_bucket(url)
        self._guard = Guard(url, options.retry_budget, GCS_REMEDY)
        self._timeout = (CONNECT_TIMEOUT, options.request_timeout)
        self._options = options
        self._client: Once[Any] = Once(self._open_client)
        self._fs: Once[Any] = Once(self._open_filesystem)
        self._bucket_seen = False

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:
        """Yield every object, in byte order of the key; see ``Store.list``."""
        cut = len(self._root)
        for blobs, _ in self._pages(_Wanted(prefix, start_after)):
            for blob in blobs:
                key = blob.name[cut:]
                if key and (start_after is None or key > start_after):
                    yield _item(key, blob)

    def children(self, folder: str = "") -> Iterator[Item | str]:
        """Yield what lies directly in a folder; see ``Store.children``."""
        cut = len(self._root)
        for blobs, folders in self._pages(_Wanted(folder, one_level=True)):
            yield from (name[cut:] for name in folders)
            for blob in blobs:
                key = blob.name[cut:]
                if key != folder:
                    yield _item(key, blob)

    def stat(self, key: str) -> Item | None:
        """Return the object's facts; ``None`` for a certain 404 of it in a bucket that is there."""
        blob = self._blob(key)
        try:
            self._guard.call(key, lambda: blob.reload(timeout=self._timeout, retry=None))
        except ObjectMissing:
            self._require_bucket()
            return None
        return _item(key, blob)

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the object's bytes; see ``Store.read``."""
        path = self._path(key)
        if end is not None and end <= start:
            return b""
        try:
            return self._guard.call(key, lambda: self._get(path, start, end))
        except ObjectMissing:
            self._require_bucket()
            raise

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
        """Write the object; see ``Store.write``. Create-only is ``ifGenerationMatch=0``."""
        path = self._path(key)
        facts: dict[str, Any] = {"content_type": content_type, "metadata": dict(metadata or {})}

        def put() -> None:
            if isinstance(data, Path) or headers != NO_HEADERS:
                self._put_blob(key, data, {**facts, "headers": headers}, create_only)
            else:
                mode = "create" if create_only else "overwrite"
                self._fs().pipe_file(path, data, mode=mode, chunksize=_CHUNK, **facts)

        try:
            self._guard.call(key, put)
        except ObjectMissing:
            raise bucket_missing(self.url) from None  # a write needs nothing else to be there

    def md5(self, key: str) -> str | None:
        """Return the content's MD5: from its metadata, else as GCS knows it; see ``Store.md5``."""
        blob = self._blob(key)
        self._guard.call(key, lambda: blob.reload(timeout=self._timeout, retry=None))
        return (blob.metadata or {}).get(MD5_KEY) or hexadecimal_of(blob.md5_hash) or None

    def delete(self, key: str, *, fingerprint: str = "") -> None:
        """Remove the object; see ``Store.delete``. The fingerprint is its generation."""
        blob = self._blob(key)
        facts: dict[str, Any] = {"timeout": self._timeout, "retry": None}
        if fingerprint:
            if not is_still(self, key, fingerprint):
                return
            facts["if_generation_match"] = int(fingerprint)
        try:
            self._guard.call(key, lambda: blob.delete(**facts))
        except ObjectMissing:
            self._require_bucket()
        except AlreadyExists:  # 412: it is there, and another
            raise changed(self.url, key) from None

    def sign(self, key: str, seconds: int) -> str:
        """Return a V4 signed URL; needs a service account's key or the right to sign with IAM."""
        from shard.storage.gcs_clients import signing_facts

        blob, life = self._blob(key), timedelta(seconds=seconds)

        def sign() -> str:
            facts = signing_facts(self._client())
            return str(blob.generate_signed_url(version="v4", expiration=life, **facts))

        try:
            return self._guard.call(key, sign)
        except StorageError as error:
            if "private key" not in error.what:
                raise
            raise StorageError(
                self.url, "these credentials cannot sign", "use a service account"
            ) from None

    def _open_client(self) -> Any:
        from shard.storage.gcs_clients import storage_client

        return self._guard.open(lambda: storage_client(self._options))

    def _open_filesystem(self) -> Any:
        from shard.storage.gcs_clients import filesystem

        return self._guard.open(lambda: filesystem(self._options))

    def _pages(self, wanted: _Wanted) -> Iterator[tuple[Sequence[Any], Sequence[str]]]:
        """Yield each page's blobs and folders; one that fails is asked for by its own token."""
        token: str | None = None
        while True:
            page = self._guard.call("", lambda: self._page(wanted, token))  # noqa: B023  # called at once
            self._bucket_seen = True
            blobs, folders, token = page
            yield blobs, folders
            if not token:
                return

    def _page(
        self, wanted: _Wanted, token: str | None = None
    ) -> tuple[Sequence[Any], Sequence[str], str | None]:
        after = wanted.start_after
        answer = self._client().list_blobs(
            self._bucket,
            prefix=self._root + wanted.prefix,
            start_offset=None if after is None else self._root + after,
            delimiter="/" if wanted.one_level else None,
            fields=_FIELDS,
            page_size=_PAGE,
            page_token=token,
            timeout=self._timeout,
            retry=None,
        )
        blobs = (*next(answer.pages, ()),)
        return blobs, sorted(answer.prefixes), answer.next_page_token

    def _get(self, path: str, start: int, end: int | None) -> bytes:
        if start == 0 and end is None:
            return bytes(self._fs().cat_file(path))
        try:
            return bytes(self._fs().cat_file(path, start=start, end=end))
        except Exception as error:
            if is_beyond_the_end(error):
                return b""  # like a slice
            raise

    def _put_blob(
        self, key: str, data: bytes | Path, facts: Mapping[str, Any], create_only: bool
    ) -> None:
        """Write what gcsfs has no word for; GCS itself compares with an announced MD5."""
        headers: Headers = facts["headers"]
        blob = self._blob(key)
        blob.metadata = facts["metadata"] or None
        if headers.cache_control is not None:
            blob.cache_control = headers.cache_control
        if headers.storage_class is not None:
            blob.storage_class = headers.storage_class
        if headers.md5 is not None:
            blob.md5_hash = base64_of(headers.md5)
        said = {
            "content_type": facts["content_type"],
            "predefined_acl": _acl(headers.acl),
            "if_generation_match": 0 if create_only else None,
            "timeout": self._timeout,
            "retry": None,
        }
        if isinstance(data, Path):
            blob.chunk_size = _CHUNK
            blob.upload_from_filename(str(data), **said)
        else:
            blob.upload_from_string(data, **said)

    def _path(self, key: str) -> str:
        return f"{self._bucket}/{check_object_key(self.url, key, self._root)}"

    def _blob(self, key: str) -> Any:
        full = check_object_key(self.url, key, self._root)
        return self._client().bucket(self._bucket).blob(full)

    def _require_bucket(self) -> None:
        """Raise ``BucketMissing`` where a 404 came of that."""
        if not self._bucket_seen:
            self._guard.call("", lambda: self._page(_Wanted("")))
            self._bucket_seen = True


def _item(key: str, blob: Any) -> Item:
    return Item(
        key=key,
        size=int(blob.size or 0),
        modified=blob.updated,
        fingerprint=str(blob.generation or ""),
        content_type=blob.content_type,
        md5=hexadecimal_of(blob.md5_hash),
    )


def _acl(name: str | None) -> str | None:
    """Return S3's ``bucket-owner-read`` as Google spells it, ``bucketOwnerRead``."""
    if name is None:
        return None
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)
