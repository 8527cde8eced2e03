"""What S3 calls the facts of an object: from our headers to its API's names, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shard.storage.base import MD5_KEY
from shard.storage.digests import base64_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.storage.base import Headers

_MD5 = re.compile(r"[0-9a-f]{32}")


def put_facts(content_type: str, metadata: Mapping[str, str], headers: Headers) -> dict[str, Any]:
    """Return put_object's and create_multipart_upload's arguments."""
    told = {
        "ACL": headers.acl,
        "CacheControl": headers.cache_control,
        "StorageClass": headers.storage_class,
    }
    given = {name: value for name, value in told.items() if value is not None}
    return {"ContentType": content_type, "Metadata": dict(metadata), **given}


def digest_facts(headers: Headers) -> dict[str, str]:
    """Return put_object's arguments by which the server checks what arrives."""
    facts = {}
    if headers.md5:
        facts["ContentMD5"] = base64_of(headers.md5)
    if headers.sha256:
        facts["ChecksumSHA256"] = base64_of(headers.sha256)
    return facts


def etag_md5(etag: str) -> str:
    """Return an ETag (without quotes) that has the form of an MD5, empty for any other.

    Of an object that went up in parts it has none; under SSE-KMS and SSE-C it is another digest.
    """
    return etag if _MD5.fullmatch(etag) else ""


def told_md5(answer: Mapping[str, Any]) -> str | None:
    """Return the MD5 that a HeadObject answer tells: in our metadata, else by the ETag."""
    said = answer.get("Metadata", {}).get(MD5_KEY)
    return said or etag_md5(str(answer.get("ETag", "")).strip('"')) or None
