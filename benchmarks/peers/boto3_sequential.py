"""The script that many start with: boto3 and Pillow, one object after the other.

``boto3_sequential.py BUCKET INPUT_PREFIX OUTPUT_PREFIX [LIMIT]``
"""

from __future__ import annotations

import io
import sys
from typing import Any

import boto3
from PIL import Image


def thumbnail(data: bytes) -> bytes:
    """Return the picture at 200 px, as JPEG."""
    image = Image.open(io.BytesIO(data))
    image.thumbnail((200, 200))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def convert(client: Any, bucket: str, key: str, target: str) -> None:
    """Make the thumbnail of one object."""
    data = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    client.put_object(Bucket=bucket, Key=target, Body=thumbnail(data), ContentType="image/jpeg")


def keys(client: Any, bucket: str, prefix: str) -> list[str]:
    """Return all keys below a prefix."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def main() -> None:
    """Make all thumbnails, or those of the first LIMIT objects."""
    bucket, source, target = sys.argv[1:4]
    limit = int(sys.argv[4]) if sys.argv[4:] else None
    client = boto3.client("s3")
    for key in keys(client, bucket, source)[:limit]:
        convert(client, bucket, key, target + key.removeprefix(source))


if __name__ == "__main__":
    main()
