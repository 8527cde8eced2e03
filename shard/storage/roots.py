"""What a bucket's URL names: the bucket, and the folder that is the store's root."""

from __future__ import annotations

from shard.errors import StorageError


def split_bucket(url: str) -> tuple[str, str]:
    """Return (bucket, root) of ``scheme://bucket/root``.

    | url | bucket | root |
    | --- | --- | --- |
    | ``gs://b`` | ``b`` | `` `` (empty) |
    | ``gs://b/cats`` | ``b`` | ``cats/`` |
    | ``gs://b/cats/`` | ``b`` | ``cats/`` |
    | ``gs://b/a//c`` | ``b`` | ``a//c/`` |
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise StorageError(url, "names no bucket", f"write {scheme}://bucket/folder")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    return bucket, "" if prefix == "/" else prefix
