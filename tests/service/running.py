"""`shard serve` as its users start it: real processes, at a port of their own."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from tests.program import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PATIENCE = 60.0


@dataclass
class Running:
    """A service that has said where it serves. ``lines``: its log so far."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """Everything that it said."""
        return "".join(self.lines)

    def get(self, path: str, **options: str) -> httpx.Response:
        """Ask for a path; options are headers."""
        return httpx.get(self.url + path, headers=options, timeout=_PATIENCE)

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples of this name."""
        lines = self.get("/metrics").text.splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if re.match(f"{name}[ {{]", line)
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(_PATIENCE)


@contextlib.contextmanager
def running(*arguments: str, variables: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Start `shard serve ARGUMENTS`, wait until it serves, end it at last."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shard", "serve", *arguments, "--port", "0"],
        env=environment({"PYTHONPATH": str(ROOT), **(variables or {})}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    found = Running(process)
    listener = threading.Thread(target=_listen, args=(found,), daemon=True)
    listener.start()
    try:
        _wait(found)
        yield found
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        listener.join(_PATIENCE)


def _listen(found: Running) -> None:
    assert found.process.stderr is not None
    for line in found.process.stderr:
        found.lines.append(line)


def _wait(found: Running) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and found.process.poll() is None:
        said = re.search(r"serving at (http://[^\s\"]+)", found.log)
        if said:
            found.url = said[1]
            with contextlib.suppress(httpx.TransportError):
                found.get("/healthz")
                return
        time.sleep(0.05)
    raise AssertionError(f"shard serve does not serve: {found.log}")
