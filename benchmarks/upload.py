"""Whole processes that upload a folder with thumbnails to S3 with a network's latency.

SeaweedFS behind a proxy that adds 20 ms each way, 2,000 JPEGs of about 100 kB, thumbnails 200x300,
all public-read. ``python -m benchmarks.upload [--rounds 5] [--count 2000] [--sequential 60]``
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import corpora
from benchmarks.local import DISTINCT
from benchmarks.measuring import SHARD, Contender, Places, arguments, interleave, ratios, save
from benchmarks.store import MILLISECONDS, distant, seaweed

_QUALITY = 78
"""At 800x600 this makes about 100 kB."""

OBJECTS = 2
"""A file's: its original and its thumbnail."""


def fill(folder: Path, count: int) -> int:
    """Write ``count`` pictures below the folder; return their bytes in all."""
    files = []
    for seed in range(DISTINCT):
        buffer = io.BytesIO()
        corpora.picture(800, 600, seed).save(buffer, "JPEG", quality=_QUALITY)
        files.append(buffer.getvalue())
    size = 0
    for number in range(count):
        path = folder / f"{number % 20:02}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_bytes(files[number % DISTINCT])
    return size


def contenders(
    env: dict[str, str], folder: Path, bucket: str, count: int, sequential: int
) -> list[Contender]:
    """Return who runs."""

    def shard(workers: int) -> Any:
        start = [SHARD, "upload", str(folder), f"s3://{bucket}", "--acl", "public-read"]
        more = ["--workers", str(workers), "--log-file", "none", "--prefix"]
        return lambda out: [*start, *more, out.rstrip("/")]

    def script(threads: int, *more: str) -> Any:
        start = [sys.executable, "-m", "benchmarks.peers.head_put_uploader", str(folder), bucket]
        return lambda out: [*start, out, str(threads), *more]

    return [
        Contender("shard", shard(20), env=env),
        Contender("shard, 10 at a time", shard(10), env=env),
        Contender("HEAD and PUT, 20 threads", script(20), env=env),
        Contender("HEAD and PUT, 10 threads", script(10), env=env),
        Contender(
            "HEAD and PUT, 1 thread",
            script(1, str(sequential)),
            env=env,
            share=sequential / count,
        ),
    ]


def places(client: Any, bucket: str) -> Places:
    """Return output prefixes in the bucket; they are counted from near by and left there."""

    def count(prefix: str) -> int:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sum(".shard/" not in key for key in keys)

    return Places(
        lambda name: f"out/{name.replace(' ', '-').replace(',', '')}/", count, lambda _: None
    )


def main() -> None:
    """Measure; write ``results/upload.json``."""
    given = arguments(__doc__, count=2000, sequential=60)
    with (
        tempfile.TemporaryDirectory(prefix="shard-bench-") as name,
        seaweed(Path(name)) as near,
        distant(near) as far,
    ):
        bucket, folder = near.bucket("bench"), Path(name) / "pictures"
        size = fill(folder, given.count)
        programs = interleave(
            contenders(dict(far.env), folder, bucket, given.count, given.sequential),
            places(near.client(), bucket),
            rounds=given.rounds,
            expected=OBJECTS * given.count,
        )
    found = ratios(programs, "shard")
    print(f"  ratios to shard: {found}")
    save(
        "upload",
        {
            "files": given.count,
            "bytes": size,
            "latency_ms_each_way": MILLISECONDS,
            "sequential_files": given.sequential,
            "programs": programs,
            "ratios": found,
        },
    )


if __name__ == "__main__":
    main()
