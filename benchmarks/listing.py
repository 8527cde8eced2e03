"""How fast and how lean a task lists 1,000,000 keys of which it owns 1 %.

A synthetic server answers ListObjectsV2 and GCS's objects.list with generated pages, so that the
real clients do real work; local disk has real, empty files (``--local`` of them).
``python -m benchmarks.listing [--keys 1000000] [--local 100000]``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.measuring import ROOT, clean_environment, save
from tests.servers import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = 1000
TASKS = 100
BAR_MB = 200
_WHEN = "2026-01-02T03:04:05.000Z"
_S3_ITEM = (
    "<Contents><Key>in/%s</Key><LastModified>" + _WHEN + "</LastModified>"
    "<ETag>&quot;%032x&quot;</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def key(number: int) -> str:
    """Return a key as photo archives have them, in order of ``number``."""
    return f"2026/{number // 10_000:05d}/IMG_{number:09d}.jpg"


def s3_page(first: int, last: int, more: bool) -> bytes:
    """Return a ListObjectsV2 answer for the keys ``first`` up to ``last``, exclusive."""
    rows = "".join(_S3_ITEM % (key(n), n, 100_000 + n % 1000) for n in range(first, last))
    token = f"<NextContinuationToken>{last}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        f"<EncodingType>url</EncodingType>{rows}</ListBucketResult>"
    ).encode()


def gcs_page(first: int, last: int, more: bool) -> bytes:
    """Return an objects.list answer for the keys ``first`` up to ``last``, exclusive."""
    items = [
        {
            "name": "in/" + key(n),
            "size": str(100_000 + n % 1000),
            "updated": _WHEN,
            "generation": str(1_700_000_000_000_000 + n),
            "contentType": "image/jpeg",
        }
        for n in range(first, last)
    ]
    return json.dumps({"items": items, **({"nextPageToken": str(last)} if more else {})}).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers every listing of ``in/``; any other prefix is empty."""

    protocol_version = "HTTP/1.1"
    keys = 0

    def do_GET(self) -> None:  # the name that http.server calls
        """Answer one page."""
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        gcs = url.path.startswith("/storage/")
        first = int(asked.get("pageToken" if gcs else "continuation-token", 0))
        total = self.keys if asked.get("prefix", "").startswith("in/") else 0
        last = min(first + PAGE, total)
        body = (gcs_page if gcs else s3_page)(first, last, last < total)
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if gcs else "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        """Say nothing."""


def serve(port: int, keys: int) -> None:
    """Serve until killed."""
    Handler.keys = keys
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def own(url: str) -> None:
    """List ``url``, keep the slice of task 0; print the figures as JSON."""
    from shard.model import Task
    from shard.planning.layout import parse_layout
    from shard.planning.partition import slice_items
    from shard.planning.renditions import parse_renditions
    from shard.storage import open_store
    from shard.storage.base import StorageOptions

    layout = parse_layout("mirror", parse_renditions("200"), "")
    started, cpu = time.monotonic(), time.process_time()
    seen = 0

    def counted() -> Any:
        nonlocal seen
        for seen, item in enumerate(open_store(url, StorageOptions()).list(), 1):  # noqa: B007
            yield item

    kept = slice_items("hash", counted(), Task(0, TASKS), layout)
    wall = time.monotonic() - started
    print(
        json.dumps(
            {
                "keys": seen,
                "kept": len(kept),
                "seconds": round(wall, 2),
                "cpu": round(time.process_time() - cpu, 2),
                "keys_per_second": round(seen / wall),
                "peak_mb": high_water("self"),
            }
        )
    )


def high_water(pid: int | str) -> int:
    """Return the most memory, in MB, that a running process has had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def measure(url: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Run ``own`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.listing", "--own", url],
        env={**clean_environment(), **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def dry_task(url: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Run the container's own entry point as task 0 of 100, dry; return its peak and its time."""
    told = {
        "INPUT_FOLDER": url,
        "OUTPUT_FOLDER": url.replace("/in", "/out"),
        "TASK_INDEX": "0",
        "TASK_COUNT": str(TASKS),
        "RUN_ID": "bench",
        "DRY_RUN": "1",
    }
    started, peak = time.monotonic(), 0
    env = {**clean_environment(), **env, **told}
    with subprocess.Popen([sys.executable, "process.py"], cwd=ROOT, env=env) as task:
        while task.poll() is None:
            with contextlib.suppress(OSError, IndexError):  # it ended between the two looks
                peak = max(peak, high_water(task.pid))
            time.sleep(0.02)
    if task.returncode:
        raise RuntimeError(f"process.py ended with exit code {task.returncode}")
    return {"seconds": round(time.monotonic() - started, 2), "peak_mb": peak}


def main() -> None:
    """Measure each kind of store, print and save the figures, fail above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--local", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1, help="for `make bench`; one is enough")
    parser.add_argument("--own", help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.own:
        own(told.own)
    elif told.serve:
        serve(told.serve, told.keys)
    else:
        results = compare(told.keys, told.local)
        save("listing", results)
        worst = max(figures["peak_mb"] for figures in results.values())
        sys.exit(f"a task took {worst} MB, the bar is {BAR_MB} MB" if worst > BAR_MB else 0)


def compare(keys: int, local: int) -> dict[str, dict[str, Any]]:
    """Return the figures of every store."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.listing", "--serve", str(port)]
    s3 = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": url}
    s3["AWS_REGION"] = "us-east-1"
    results = {}
    with (
        subprocess.Popen([*command, "--keys", str(keys)], cwd=ROOT) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            time.sleep(1)
            results["s3"] = measure("s3://b/in", s3)
            results["gcs"] = measure("gs://b/in", {"STORAGE_EMULATOR_HOST": url})
            results["s3 task"] = dry_task("s3://b/in", s3)
        finally:
            server.kill()
        for number in range(local):
            path = Path(folder) / key(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        results["local"] = measure(folder, {})
    for name, figures in results.items():
        print(name, figures, flush=True)
    return results


if __name__ == "__main__":
    main()
