"""A prefix of an S3 bucket, on AWS or any compatible server, as a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shard.errors import AlreadyExists, ObjectMissing, SettingError, StorageError
from shard.storage.base import NO_HEADERS
from shard.storage.credentials import S3_REMEDY, S3Access, s3_access
from shard.storage.faults import is_beyond_the_end
from shard.storage.guarded import changed, is_still
from shard.storage.keys import check_object_key
from shard.storage.once import Once
from shard.storage.retry import Guard
from shard.storage.roots import split_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shard.model import Item
    from shard.storage.base import Headers, StorageOptions
    from shard.storage.s3_clients import BotoClient, Client

BACKENDS = ("obstore", "s3fs")


class S3Store:
    """Objects below ``s3://bucket/prefix/``.

    Objects go through ``options.s3_backend``; listing, signing, files and keys that a backend
    cannot express go through boto3. Clients are made at first use, once, whatever the threads.
    """

    def __init__(self, url: str, options: StorageOptions) -> None:
        if options.s3_backend not in BACKENDS:
            raise SettingError("S3_BACKEND", options.s3_backend, " or ".join(BACKENDS))
        self.url = url
        self._bucket, self._root = split_bucket(url)
        self._options = options
        self._guard = Guard(url, options.retry_budget, S3_REMEDY)
        self._access = Once(self._open_access)
        self._backend = Once(self._open_backend)
        self._boto = Once(self._open_boto)
        self._bucket_seen = False

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:
        """Yield every object, in the bucket's order; see ``Store.list``."""
        from shard.storage.s3_listing import Wanted, pages

        folder = (self._bucket, self._root)
        wanted = Wanted(prefix, start_after)
        for page in pages(self._access().client, self._guard, folder, wanted):
            self._bucket_seen = True
            for item in page.items:
                if item.key and (start_after is None or item.key > start_after):
                    yield item

    def children(self, folder: str = "") -> Iterator[Item | str]:
        """Yield what lies directly in a folder; see ``Store.children``."""
        from shard.storage.s3_listing import Wanted, pages

        wanted = Wanted(folder, one_level=True)
        below = (self._bucket, self._root)
        for page in pages(self._access().client, self._guard, below, wanted):
            self._bucket_seen = True
            yield from page.folders
            yield from (item for item in page.items if item.key != folder)

    def stat(self, key: str) -> Item | None:
        """Return the object's facts; ``None`` for a certain 404 of it in a bucket that is there."""
        full = check_object_key(self.url, key, self._root)
        try:
            item = self._guard.call(key, lambda: self._client_for(full).head(full))
        except ObjectMissing:
            self._require_bucket()
            return None
        return replace(item, key=key)

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the object's bytes; see ``Store.read``."""
        full = check_object_key(self.url, key, self._root)
        if end is not None and end <= start:
            return b""
        return self._guard.call(key, lambda: self._get(full, start, end))

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
        """Write the object; see ``Store.write``. A large ``Path`` goes up in parts."""
        from shard.storage.s3_facts import digest_facts, put_facts

        full = check_object_key(self.url, key, self._root)
        facts = put_facts(content_type, metadata or {}, headers)
        if isinstance(data, Path):
            self._write_file(key, data, (facts, headers), create_only=create_only)
            return
        if headers.acl or headers.sha256:  # the backends have no word for these
            client: Client = self._boto()
            facts |= digest_facts(headers)
        else:
            client = self._client_for(full)
        self._guard.call(key, lambda: client.put(full, data, facts, create_only=create_only))

    def md5(self, key: str) -> str | None:
        """Return the content's MD5: from its metadata, else its ETag; see ``Store.md5``."""
        from shard.storage.s3_facts import told_md5

        full = check_object_key(self.url, key, self._root)
        ask = self._access().client.head_object
        return told_md5(self._guard.call(key, lambda: ask(Bucket=self._bucket, Key=full)))

    def delete(self, key: str, *, fingerprint: str = "") -> None:
        """Remove the object; see ``Store.delete``. The fingerprint is its ETag, for If-Match."""
        full = check_object_key(self.url, key, self._root)
        try:
            if not fingerprint:
                self._guard.call(key, lambda: self._client_for(full).delete(full))
            elif is_still(self, key, fingerprint):
                self._guard.call(key, lambda: self._boto().delete_only(full, fingerprint))
        except ObjectMissing:
            self._require_bucket()
        except AlreadyExists:  # 412: it is there, and another
            raise changed(self.url, key) from None

    def sign(self, key: str, seconds: int) -> str:
        """Return a SigV4 URL that reads the object for ``seconds`` (AWS: a week at most)."""
        full = check_object_key(self.url, key, self._root)
        if self._access().anonymous:
            raise StorageError(self.url, "there are no credentials to sign with", S3_REMEDY)
        wanted = {"Bucket": self._bucket, "Key": full}
        return str(
            self._guard.call(
                key,
                lambda: self._access().client.generate_presigned_url(
                    "get_object", Params=wanted, ExpiresIn=seconds
                ),
            )
        )

    def _write_file(
        self, key: str, path: Path, said: tuple[dict[str, Any], Headers], *, create_only: bool
    ) -> None:
        """Write a file in one request where it is small or must be new (S3 takes 5 GB so)."""
        from shard.storage.digests import Announced
        from shard.storage.s3_multipart import PART, Multipart

        full, (facts, headers) = self._root + key, said
        if create_only or path.stat().st_size <= PART:
            data = path.read_bytes()
            announced = Announced(headers)
            announced.update(data)
            announced.check(f"{self.url.rstrip('/')}/{key}")
            client = self._boto()
            self._guard.call(key, lambda: client.put(full, data, facts, create_only=create_only))
            return
        upload = Multipart(self._access().client, self._guard, self._bucket, full, key)
        upload.upload(path, facts, headers)

    def _get(self, full: str, start: int, end: int | None) -> bytes:
        try:
            return self._client_for(full).get(full, start, end)
        except Exception as error:
            if is_beyond_the_end(error):
                return b""  # like a slice
            raise

    def _require_bucket(self) -> None:
        """Raise ``BucketMissing`` where a 404 without a body came of that."""
        if not self._bucket_seen:
            ask = self._access().client.list_objects_v2
            # By the root's prefix: a policy may allow no other.
            self._guard.call("", lambda: ask(Bucket=self._bucket, Prefix=self._root, MaxKeys=1))
            self._bucket_seen = True

    def _client_for(self, full: str) -> Client:
        from shard.storage.s3_clients import is_plain

        return self._backend() if is_plain(full) else self._boto()

    def _open_access(self) -> S3Access:
        from shard.storage.s3_listing import teach

        access = self._guard.open(lambda: s3_access(self._bucket, self._options))
        teach(access.client)
        return access

    def _open_backend(self) -> Client:
        from shard.storage.s3_clients import ObstoreClient, S3fsClient

        make = ObstoreClient if self._options.s3_backend == "obstore" else S3fsClient
        return make(self._bucket, self._access(), self._options)

    def _open_boto(self) -> BotoClient:
        from shard.storage.s3_clients import BotoClient

        return BotoClient(self._bucket, self._access())
