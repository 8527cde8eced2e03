"""Copy a folder into a bucket of the laptop's server, once that is up: what is not there yet.

``python fill.py FOLDER BUCKET``. A picture that is there is left alone: written again it would be
newer than its thumbnails, and every run would make them anew.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_PATIENCE = 60.0


def main(folder: Path, bucket: str) -> None:
    """Copy; exit with 1 if the server is not up within a minute."""
    client = boto3.client("s3")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            pages = list(client.get_paginator("list_objects_v2").paginate(Bucket=bucket))
            break
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                sys.exit(f"bucket {bucket}: {error}")
            time.sleep(0.5)
    there = {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    missing = [
        (path, key)
        for path in files
        if there.get(key := path.relative_to(folder).as_posix()) != path.stat().st_size
    ]
    for path, key in missing:
        client.upload_file(str(path), bucket, key)
    sys.stdout.write(f"{len(missing)} of {len(files)} files copied into {bucket}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
