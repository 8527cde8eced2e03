"""The same script after its first rewrite: 16 threads share one client.

``boto3_threads.py BUCKET INPUT_PREFIX OUTPUT_PREFIX``
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

from benchmarks.peers.boto3_sequential import convert, keys

THREADS = 16


def main() -> None:
    """Make all thumbnails."""
    bucket, source, target = sys.argv[1:4]
    client = boto3.client("s3", config=Config(max_pool_connections=THREADS))
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [
            pool.submit(convert, client, bucket, key, target + key.removeprefix(source))
            for key in keys(client, bucket, source)
        ]
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()
