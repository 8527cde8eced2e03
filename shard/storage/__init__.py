"""Objects in and out: ``open_store`` is the one door."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shard.storage.base import StorageOptions, Store

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_store(url: str, options: StorageOptions) -> Store:
    """Return the store whose root is the folder ``url``.

    | url | store |
    | --- | --- |
    | a path, ``file://`` | local disk |
    | ``s3://``, ``s3a://`` | S3, by obstore or s3fs (``options.s3_backend``) |
    | ``gs://``, ``gcs://`` | Google Cloud Storage |
    | any other scheme fsspec knows, ``memory://`` and chains (``a::b://``) included | generic |

    Nothing is asked of the store yet. Raises ``StorageError`` for a URL that no store can have.
    """
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found and "::" not in url else ""
    if not found or scheme == "file":
        from shard.storage.local import LocalStore

        return LocalStore(url)
    if scheme in ("s3", "s3a"):
        from shard.storage.s3 import S3Store

        return S3Store(url, options)
    if scheme in ("gs", "gcs"):
        from shard.storage.gcs import GCSStore

        return GCSStore(url, options)
    from shard.storage.generic import GenericStore

    return GenericStore(url, options)
