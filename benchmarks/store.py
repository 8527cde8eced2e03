"""Whole processes on S3 with a network's latency: Shard, boto3 scripts, an s3fs script.

SeaweedFS behind a proxy that adds 20 ms each way, 2,000 JPEGs of about 100 kB, to 200 px.
``python -m benchmarks.store [--rounds 5] [--count 2000] [--sequential 200]``
"""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks import corpora
from benchmarks.local import DISTINCT
from benchmarks.measuring import ROOT, SHARD, Contender, Places, arguments, interleave, ratios, save
from tests import servers
from tests.servers import _await_writable, _s3_env, _weed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import S3Server

MILLISECONDS = 20
INPUT = "in/"
_QUALITY = 78
"""At 800x600 this makes about 100 kB."""


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[S3Server]:
    """Run SeaweedFS with its data in ``folder``, as the tests' fixture does."""
    command, port = _weed(folder)
    url = f"http://127.0.0.1:{port}"
    with servers.serving(command, url, folder):
        env = _s3_env(url, "adminkey", "adminsecret")
        server = servers.S3Server(url, env, env)
        _await_writable(server)
        yield server


@contextlib.contextmanager
def distant(server: S3Server) -> Iterator[S3Server]:
    """Yield the same server as seen from 20 ms away."""
    (port,) = servers.free_ports(1)
    target = urlsplit(server.url).port
    command = [sys.executable, "-m", "benchmarks.latency", str(port), str(target)]
    process = subprocess.Popen([*command, str(MILLISECONDS)], cwd=ROOT)
    try:
        _await(port)
        url = f"http://127.0.0.1:{port}"
        yield replace(server, url=url, env={**server.env, "AWS_ENDPOINT_URL": url})
    finally:
        process.terminate()
        process.wait()


def _await(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the proxy does not listen on port {port}")


def fill(server: S3Server, bucket: str, count: int) -> int:
    """Put ``count`` pictures into the bucket; return their bytes in all."""
    files = []
    for seed in range(DISTINCT):
        buffer = io.BytesIO()
        corpora.picture(800, 600, seed).save(buffer, "JPEG", quality=_QUALITY)
        files.append(buffer.getvalue())
    client = server.client()

    def put(number: int) -> int:
        data = files[number % DISTINCT]
        client.put_object(Bucket=bucket, Key=f"{INPUT}{number % 20:02}/{number:05}.jpg", Body=data)
        return len(data)

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(put, range(count)))


def places(server: S3Server, bucket: str) -> Places:
    """Return output prefixes in the bucket; they are counted from near by and left there."""
    client = server.client()

    def count(prefix: str) -> int:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sum(".shard/" not in key for key in keys)

    return Places(lambda name: f"out/{name.replace(' ', '-')}/", count, lambda _: None)


def contenders(env: dict[str, str], bucket: str, count: int, sequential: int) -> list[Contender]:
    """Return who runs."""

    def script(name: str, *more: str) -> Any:
        start = [sys.executable, "-m", f"benchmarks.peers.{name}", bucket, INPUT]
        return lambda out: [*start, out, *more]

    def shard(out: str) -> list[str]:
        return [SHARD, "run", f"s3://{bucket}/{INPUT}", f"s3://{bucket}/{out}", "--sizes", "200"]

    return [
        Contender("shard", shard, env=env),
        Contender("boto3, 16 threads", script("boto3_threads"), env=env),
        Contender("s3fs, 32 under way", script("s3fs_async"), env=env),
        Contender(
            "boto3, sequential",
            script("boto3_sequential", str(sequential)),
            env=env,
            share=sequential / count,
        ),
    ]


def main() -> None:
    """Measure; write ``results/store.json``."""
    given = arguments(__doc__, count=2000, sequential=200)
    with (
        tempfile.TemporaryDirectory(prefix="shard-bench-") as name,
        seaweed(Path(name)) as near,
        distant(near) as far,
    ):
        bucket = near.bucket("bench")
        size = fill(near, bucket, given.count)
        programs = interleave(
            contenders(dict(far.env), bucket, given.count, given.sequential),
            places(near, bucket),
            rounds=given.rounds,
            expected=given.count,
        )
    found = ratios(programs, "shard")
    print(f"  ratios to shard: {found}")
    save(
        "store",
        {
            "objects": given.count,
            "bytes": size,
            "latency_ms_each_way": MILLISECONDS,
            "sequential_objects": given.sequential,
            "programs": programs,
            "ratios": found,
        },
    )


if __name__ == "__main__":
    main()
