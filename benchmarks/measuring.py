"""Whole programs side by side: interleaved rounds, medians, ratios, and where they were measured.

Every round runs every contender once, in turn, each into an output of its own; what it made is
counted before its time is believed. The first round warms caches and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers import isolate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
SHARD = str(Path(sys.executable).parent / "shard")
LIBRARIES = ("pillow", "pyvips-binary", "obstore", "boto3", "s3fs")


@dataclass(frozen=True, slots=True)
class Contender:
    """A program to measure: ``command`` takes a fresh, empty output place, returns the argv.

    ``inside`` is for a program that measures itself: it prints its seconds as its last line, and
    those count. ``share`` is the part of the work that it does (its time is divided by it).
    """

    name: str
    command: Callable[[str], Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)
    inside: bool = False
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where contenders write: ``fresh`` makes an output place, ``count`` what is in it."""

    fresh: Callable[[str], str]
    count: Callable[[str], int]
    remove: Callable[[str], None]


def interleave(
    contenders: Sequence[Contender], places: Places, *, rounds: int, expected: int
) -> dict[str, dict[str, Any]]:
    """Return, by contender, wall and CPU seconds of every round and their medians.

    CPU is the program's own, with all processes that it started and reaped; not a server's.
    Raises ``RuntimeError`` if a contender fails or makes another number of outputs than expected.
    """
    walls: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    cpus: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for at in range(rounds + 1):
        for contender in contenders:
            place = places.fresh(f"{contender.name}-{at}")
            wall, cpu = run(contender, place)
            made, due = places.count(place), round(expected * contender.share)
            if not contender.inside and made != due:
                raise RuntimeError(f"{contender.name} made {made} outputs instead of {due}")
            places.remove(place)
            said = "warm-up" if at == 0 else f"round {at}"
            print(f"  {said}: {contender.name} {wall:.2f} s, CPU {cpu:.2f} s", flush=True)
            if at:
                walls[contender.name].append(wall / contender.share)
                cpus[contender.name].append(cpu / contender.share)
    return {
        name: {
            "seconds": [round(value, 3) for value in walls[name]],
            "median": round(statistics.median(walls[name]), 3),
            "cpu": round(statistics.median(cpus[name]), 3),
        }
        for name in walls
    }


def run(contender: Contender, place: str) -> tuple[float, float]:
    """Run the contender once; return its wall and CPU seconds."""
    command = contender.command(place)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(
        command,
        env={**clean_environment(), **contender.env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        tail = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{contender.name} ended with exit code {done.returncode}: {tail}")
    if contender.inside:
        wall = float(done.stdout.split()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def clean_environment() -> dict[str, str]:
    """Return this process's environment without anyone's cloud credentials."""
    env = dict(os.environ)
    isolate(env)
    return env


def ratios(results: Mapping[str, Mapping[str, Any]], under: str) -> dict[str, dict[str, float]]:
    """Return how many times longer than ``under`` each took.

    ``median``: of the rounds' own ratios; rounds are interleaved, so what slowed down all of a
    round falls out. ``best``: of the shortest rounds, those that the machine disturbed least.
    """
    ours: list[float] = results[under]["seconds"]
    found = {}
    for name, result in results.items():
        theirs: list[float] = result["seconds"]
        pairs = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
        best = min(theirs) / min(ours)
        found[name] = {"median": round(statistics.median(pairs), 3), "best": round(best, 3)}
    return found


def surroundings() -> dict[str, Any]:
    """Return the machine and the versions that results were measured with."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "load": round(os.getloadavg()[1], 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def save(name: str, results: Mapping[str, Any]) -> None:
    """Write results with their surroundings to ``benchmarks/results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**results, "surroundings": surroundings()}, indent=1, sort_keys=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def arguments(description: str | None, **counts: int) -> argparse.Namespace:
    """Parse ``--rounds``, ``--corpora`` and a number for each of ``counts``, with its default."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in {"rounds": 5, **counts}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--corpora", type=Path, default=Path("/tmp/shard-corpora"))  # noqa: S108  # shared on purpose: corpora are kept between benchmarks
    return parser.parse_args()
