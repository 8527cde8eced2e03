"""Three clients of one bucket behind one small interface: obstore, s3fs, boto3.

Keys here are full, as the bucket knows them. Exceptions are the libraries' own: ``Guard`` speaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from shard.model import Item
from shard.storage import s3_lean
from shard.storage.credentials import CONNECT_TIMEOUT, REFRESH_AFTER
from shard.storage.s3_facts import etag_md5

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.storage.base import StorageOptions
    from shard.storage.credentials import S3Access

_SLOWEST = 100_000
"""Bytes a second below which a write through s3fs counts as hanging."""
_ATTRIBUTES = {
    "ContentType": "Content-Type",
    "CacheControl": "Cache-Control",
    "StorageClass": "Storage-Class",
}
"""What obstore calls put_object's arguments."""
_FIRST_PRINTABLE = " "
_DELETE = "\x7f"


class Client(Protocol):
    """What a bucket is asked for, one request each, without retries."""

    def head(self, key: str) -> Item:
        """Return the object's facts."""

    def get(self, key: str, start: int, end: int | None) -> bytes:
        """Return the object's bytes from ``start`` to ``end``."""

    def put(self, key: str, data: bytes, facts: Mapping[str, Any], *, create_only: bool) -> None:
        """Write the object; ``facts`` are put_object's, as ``s3_facts.put_facts`` makes them."""

    def delete(self, key: str) -> None:
        """Remove the object."""


def is_plain(key: str) -> bool:
    """Tell whether every client can express ``key``.

    obstore knows no empty, ``.`` or ``..`` segments and no control characters; s3fs drops a slash
    at the end and takes ``?versionId=`` for its own.
    """
    if any(segment in ("", ".", "..") for segment in key.split("/")):
        return False
    if "?versionId=" in key:
        return False
    return not any(char < _FIRST_PRINTABLE or char == _DELETE for char in key)


class ObstoreClient:
    """obstore's fsspec filesystem and, where fsspec has no word for it, the store below it."""

    def __init__(self, bucket: str, access: S3Access, options: StorageOptions) -> None:
        from obstore.fsspec import FsspecStore

        config: dict[str, Any] = {"region": access.region, "disable_bulk_delete": True}
        if access.endpoint:
            config["endpoint"] = access.endpoint
        if access.anonymous:
            config["skip_signature"] = True
        settings: dict[str, Any] = {
            "config": config,
            "client_options": {
                "allow_http": (access.endpoint or "").startswith("http://"),
                "connect_timeout": f"{CONNECT_TIMEOUT}s",
                "read_timeout": f"{options.request_timeout}s",
                "timeout": "3600s",  # of a whole body: the default, 30 s, is short for 500 MB
                "pool_max_idle_per_host": str(options.concurrency),
            },
            "retry_config": {"max_retries": 0},  # one policy of retries: ours
            "credential_provider": None if access.anonymous else _provider(access.session),
            "skip_instance_cache": True,
        }
        self._fs = FsspecStore("s3", **settings)
        below = self._fs._construct_store  # noqa: SLF001  # it has no public word for this
        self._store: Any = below(bucket)

    def head(self, key: str) -> Item:
        """Return the object's facts."""
        meta = self._store.head(key)
        etag = (meta["e_tag"] or "").strip('"')
        return Item(
            key=key,
            size=meta["size"],
            modified=meta["last_modified"],
            fingerprint=etag,
            md5=etag_md5(etag),
        )

    def get(self, key: str, start: int, end: int | None) -> bytes:
        """Return the object's bytes from ``start`` to ``end``."""
        if end is not None:
            return bytes(self._store.get_range(key, start=start, end=end).to_bytes())
        if start:
            answer = self._store.get(key, options={"range": {"offset": start}})
            return bytes(answer.bytes().to_bytes())
        return bytes(self._store.get(key).bytes().to_bytes())

    def put(self, key: str, data: bytes, facts: Mapping[str, Any], *, create_only: bool) -> None:
        """Write the object in one request."""
        named = {name: facts[fact] for fact, name in _ATTRIBUTES.items() if fact in facts}
        attributes = {**facts["Metadata"], **named}
        mode = "create" if create_only else "overwrite"
        self._store.put(key, data, attributes=attributes, mode=mode, use_multipart=False)

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._store.delete(key)


def _provider(session: Any) -> Any:
    from obstore.auth.boto3 import Boto3CredentialProvider

    return Boto3CredentialProvider(session, ttl=REFRESH_AFTER)


class S3fsClient:
    """s3fs; its own chain of credentials is boto3's too."""

    def __init__(self, bucket: str, access: S3Access, options: StorageOptions) -> None:
        from s3fs import S3FileSystem

        self._bucket = bucket
        self._patience = options.request_timeout
        self._fs = S3FileSystem(
            anon=access.anonymous,
            endpoint_url=access.endpoint,
            client_kwargs={"region_name": access.region},
            config_kwargs={
                "connect_timeout": CONNECT_TIMEOUT,
                "read_timeout": options.request_timeout,
                "max_pool_connections": options.concurrency,
                "retries": {"total_max_attempts": 1},
                "s3": {"addressing_style": "path"},
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._fs.retries = 1  # one policy of retries: ours

    def head(self, key: str) -> Item:
        """Return the object's facts; ``call_s3`` because ``info`` answers for folders too."""
        return head_item(key, self._fs.call_s3("head_object", Bucket=self._bucket, Key=key))

    def get(self, key: str, start: int, end: int | None) -> bytes:
        """Return the object's bytes from ``start`` to ``end``."""
        path = f"{self._bucket}/{key}"
        if start == 0 and end is None:
            return bytes(self._fs.cat_file(path))
        return bytes(self._fs.cat_file(path, start=start, end=end))

    def put(self, key: str, data: bytes, facts: Mapping[str, Any], *, create_only: bool) -> None:
        """Write the object."""
        mode = "create" if create_only else "overwrite"
        # aiobotocore waits without limit for the server's "100 Continue": bound the whole call.
        limit = self._patience + len(data) / _SLOWEST
        self._fs.pipe_file(f"{self._bucket}/{key}", data, mode=mode, timeout=limit, **facts)

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._fs.rm_file(f"{self._bucket}/{key}")


class BotoClient:
    """boto3: any key S3 allows, and what the others have no word for: ACLs, checksums."""

    def __init__(self, bucket: str, access: S3Access) -> None:
        self._bucket, self._client, self._access = bucket, access.client, access

    def head(self, key: str) -> Item:
        """Return the object's facts."""
        return head_item(key, self._client.head_object(Bucket=self._bucket, Key=key))

    def get(self, key: str, start: int, end: int | None) -> bytes:
        """Return the object's bytes from ``start`` to ``end``."""
        wanted = {}
        if start or end is not None:
            wanted["Range"] = f"bytes={start}-" + ("" if end is None else str(end - 1))
        answer = self._client.get_object(Bucket=self._bucket, Key=key, **wanted)
        with answer["Body"] as body:
            return bytes(body.read())

    def put(self, key: str, data: bytes, facts: Mapping[str, Any], *, create_only: bool) -> None:
        """Write the object in one request."""
        lean = not create_only and s3_lean.can_say(facts)
        if lean and s3_lean.put(self._access, self._bucket, key, data, facts):
            return
        extra = {"IfNoneMatch": "*"} if create_only else {}
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **facts, **extra)

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def delete_only(self, key: str, etag: str) -> None:
        """Remove the object if it has this ETag; a server that knows no condition just does."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key, IfMatch=f'"{etag}"')
        except self._client.exceptions.ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NotImplemented":
                raise
            self.delete(key)


def head_item(key: str, answer: Mapping[str, Any]) -> Item:
    """Return the item that a HeadObject answer describes."""
    etag = str(answer.get("ETag", "")).strip('"')
    return Item(
        key=key,
        size=int(answer["ContentLength"]),
        modified=answer.get("LastModified"),
        fingerprint=etag,
        content_type=answer.get("ContentType"),
        md5=etag_md5(etag),
    )
