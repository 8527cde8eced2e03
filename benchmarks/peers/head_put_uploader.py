"""An uploader as web teams write it: two HEADs and two PUTs a file, batch after batch.

``head_put_uploader.py FOLDER BUCKET PREFIX THREADS [LIMIT]``. A file whose original or thumbnail
is missing is uploaded; all files of a batch of 100 are done before the next batch begins.
"""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image, ImageOps

BATCH = 100
BOX = (200, 300)


def exists(client: Any, bucket: str, key: str) -> bool:
    """Ask for one object."""
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True


def thumbnail(path: Path) -> bytes:
    """Return a JPEG that fills the box."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        made = ImageOps.fit(upright.convert("RGB"), BOX, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    made.save(out, "JPEG", quality=85)
    return out.getvalue()


def upload(client: Any, bucket: str, prefix: str, folder: Path, path: Path) -> None:
    """Upload one file and its thumbnail, each if it is missing."""
    name = path.relative_to(folder)
    original = f"{prefix}original/{name}"
    small = f"{prefix}thumbnail/{name.with_suffix('.jpg')}"
    said = {"Bucket": bucket, "ACL": "public-read", "ContentType": "image/jpeg"}
    if not exists(client, bucket, original):
        client.put_object(Key=original, Body=path.read_bytes(), **said)
    if not exists(client, bucket, small):
        client.put_object(Key=small, Body=thumbnail(path), **said)


def main() -> None:
    """Upload the folder."""
    folder, bucket, prefix, threads = Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = files[: int(sys.argv[5])] if len(sys.argv) > 5 else files  # noqa: PLR2004
    client = boto3.client("s3", config=Config(max_pool_connections=max(10, threads)))
    for start in range(0, len(files), BATCH):
        with ThreadPoolExecutor(threads) as pool:
            jobs = [
                pool.submit(upload, client, bucket, prefix, folder, path)
                for path in files[start : start + BATCH]
            ]
            for job in as_completed(jobs):
                job.result()


if __name__ == "__main__":
    main()
