"""Shard as engines start it: the image, unprivileged, on a read-only root, in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

UNPRIVILEGED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)


def image(name: str = "SHARD_TEST_IMAGE") -> str:
    """Return the tag of an image that ``run.sh`` made."""
    try:
        return os.environ[name]
    except KeyError:
        raise RuntimeError(
            f"{name} is not set: these tests are run by `make test-container`"
        ) from None


def podman(*arguments: str) -> str:
    """Return what a podman command says."""
    done = subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"podman {arguments}: {done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Container:
    """How to start one. ``mounts`` maps paths inside to (folder outside, `ro` or `rw`)."""

    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    memory: str = "512m"
    network: str = "none"
    user: str | None = None
    entrypoint: str | None = None
    image: str = field(default_factory=image)
    name: str = field(default_factory=lambda: f"shard-test-{uuid.uuid4().hex[:12]}")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it; it is gone once it ended."""
        command = ["podman", "run", "--rm", f"--name={self.name}", *UNPRIVILEGED]
        command += [f"--memory={self.memory}", f"--network={self.network}"]
        command += [f"--env={name}={value}" for name, value in self.variables.items()]
        command += [f"--volume={out}:{at}:{mode}" for at, (out, mode) in self.mounts.items()]
        command += [f"--user={self.user}"] if self.user else []
        command += [f"--entrypoint={self.entrypoint}"] if self.entrypoint else []
        return subprocess.Popen(
            [*command, self.image, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return ended(self.start(*arguments))

    def signal(self, name: str) -> None:
        """Send a signal to its first process."""
        podman("kill", f"--signal={name}", self.name)


def ended(running: subprocess.Popen[str], seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a container; kill it if that takes too long."""
    with running:
        try:
            out, err = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
    return subprocess.CompletedProcess(running.args, running.returncode, out, err)


def local_job(folder: Path, **more: Any) -> Container:
    """Return a task from ``folder``/in to ``folder``/out, both mounted."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    out.chmod(0o777)  # the user inside owns nothing outside
    variables = {"INPUT_FOLDER": "/in", "OUTPUT_FOLDER": "/out", **more.pop("variables", {})}
    mounts = {"/in": (folder / "in", "ro"), "/out": (out, "rw"), **more.pop("mounts", {})}
    return Container(variables=variables, mounts=mounts, **more)


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds that another process brings about."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Tell whether a service is there and ready."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:  # noqa: S310 - our own
            return bool(json.load(answer)["status"] == "ready")
    except OSError:
        return False
