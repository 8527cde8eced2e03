"""A real `shard serve` for frames, its bucket on SeaweedFS, its archive the double."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from tests.program import ROOT, environment
from tests.servers import free_ports
from tests.service.archive_double import Archive, fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.servers import S3Server


@dataclass
class FramesService:
    """A running service, its bucket's name, and the archive that it asks."""

    url: str
    bucket: str
    archive: Archive
    client: httpx.Client
    temporary: Path
    log: Path

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask the service; redirects are not followed."""
        return self.client.get(f"{self.url}{path}", headers=headers)

    def calm(self) -> None:
        """Have the archive work again, its records of what it was asked forgotten."""
        archive = self.archive
        archive.fault, archive.file_fault, archive.countdown = "", "", None
        archive.asked.clear()
        archive.fetched.clear()


@contextlib.contextmanager
def frames_service(
    server: S3Server, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[FramesService]:
    """Start the double and the service; end both."""
    bucket, (port,) = server.bucket("frames"), free_ports(1)
    archive = fill(Archive().start())
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    told = {
        **server.env,
        "ARCHIVE_API_URL": archive.url,
        "AWS_BUCKET": bucket,
        "STORAGE_URL": server.url,
        "TMP_DIR": str(temporary),
        "ARCHIVE_CACHE_SECONDS": "0",
        "WORKERS": "1",
        "PORT": str(port),
        **(variables or {}),
    }
    told.pop("AWS_ENDPOINT_URL")
    log = folder / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "shard", "serve"],
            env={**environment(told), "PYTHONPATH": str(ROOT)},
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(timeout=60) as client:
            _await(process, client, url, log)
            yield FramesService(url, bucket, archive, client, temporary, log)
    finally:
        archive.close()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await(process: subprocess.Popen[bytes], client: httpx.Client, url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            client.get(f"{url}/healthz")
            return
        time.sleep(0.1)
    raise RuntimeError(f"the service did not start: {log.read_text()[-2000:]}")
