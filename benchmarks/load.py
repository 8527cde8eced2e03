"""Load on a server, by wrk: so many requests under way at any time, for so many seconds."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPT = Path(__file__).parent / "load.lua"
_LONGEST = 30
"""Seconds after which wrk counts a request as broken."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: ``answers``, those a second, latencies' percentiles in milliseconds."""

    answers: int
    rate: float
    p50: float
    p99: float


def look_for_wrk() -> str:
    """Return wrk's version. Raises ``RuntimeError`` where there is none."""
    if not shutil.which("wrk"):
        raise RuntimeError("there is no wrk: install it (Debian, Ubuntu, Homebrew: package wrk)")
    done = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.split()[1]


def load(
    url: str, paths: Sequence[str], *, at_once: int, seconds: float, once: bool = False
) -> Load:
    """Ask a server for ``paths``, each in turn, from the first again after the last.

    With ``once`` no path may be asked for twice. Raises ``RuntimeError`` if anything but a 2xx or
    3xx answer came, or if the paths did not suffice.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{path}\n" for path in paths))
        file.flush()
        command = ["wrk", "-t1", f"-c{at_once}", f"-d{seconds:g}s", f"--timeout={_LONGEST}s"]
        command += ["-s", str(_SCRIPT), url, "--", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["refused"] or found["broken"] or not found["answered"]:
        raise RuntimeError(f"{url} did not answer everything well: {found}")
    if once and found["asked"] > len(paths):
        raise RuntimeError(f"{found['asked']} requests for {len(paths)} paths: give a --count")
    answers: int = found["answered"]
    return Load(answers, answers / found["seconds"], found["p50_ms"], found["p99_ms"])
