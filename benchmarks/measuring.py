"""Whole programs side by side: interleaved rounds, medians, ratios, and where they were measured.

Every round runs every contender once, in turn, each into an output of its own; what it made is
counted before its time is believed. The first round warms caches and is not counted. A run during
which other programs took the cores is repeated, and the least disturbed one counts.
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

import psutil

from tests.servers import isolate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
SHARD = str(Path(sys.executable).parent / "shard")
LIBRARIES = ("pillow", "pyvips-binary", "obstore", "boto3", "s3fs")


_DISTURBED = 0.03
_PATIENCE = 30
"""Seconds to wait for idle cores before a run."""


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
class Timing:
    """One run: ``wall`` and its own ``cpu`` seconds; ``foreign`` is others' share of the cores."""

    wall: float
    cpu: float
    foreign: float


@dataclass(frozen=True, slots=True)
class Places:
    """Where contenders write: ``fresh`` makes an output place, ``count`` what is in it."""

    fresh: Callable[[str], str]
    count: Callable[[str], int]
    remove: Callable[[str], None]


def interleave(
    contenders: Sequence[Contender],
    places: Places,
    *,
    rounds: int,
    expected: int,
    tries: int = 1,
) -> dict[str, dict[str, Any]]:
    """Return, by contender, wall and CPU seconds of every round and their medians.

    CPU is the program's own, with all processes that it started and reaped; not a server's.
    A run during which others took the cores is made again, up to ``tries`` times in all; 1 where
    others have a right to them, as a server has.
    Raises ``RuntimeError`` if a contender fails or makes another number of outputs than expected.
    """
    timings: dict[str, list[Timing]] = {contender.name: [] for contender in contenders}
    for at in range(rounds + 1):
        for contender in contenders:
            due = None if contender.inside else round(expected * contender.share)
            timing = _least_disturbed(contender, places, (at, due), tries if at else 1)
            said = "warm-up" if at == 0 else f"round {at}"
            figures = f"{timing.wall:.2f} s, CPU {timing.cpu:.2f} s, others {timing.foreign:.0%}"
            print(f"  {said}: {contender.name} {figures}", flush=True)
            if at:
                timings[contender.name].append(timing)
    return {
        contender.name: _facts(timings[contender.name], contender.share) for contender in contenders
    }


def _least_disturbed(
    contender: Contender, places: Places, what: tuple[int, int | None], tries: int
) -> Timing:
    found: list[Timing] = []
    at, due = what
    for _ in range(tries):
        if tries > 1:
            _await_idle()
        place = places.fresh(f"{contender.name}-{at}")
        found.append(run(contender, place))
        made = places.count(place)
        if due not in (None, made):
            raise RuntimeError(f"{contender.name} made {made} outputs instead of {due}")
        places.remove(place)
        if found[-1].foreign <= _DISTURBED:
            break
    return min(found, key=lambda timing: timing.foreign)


def _await_idle() -> None:
    for _ in range(_PATIENCE):
        if psutil.cpu_percent(1.0) <= 100 * _DISTURBED:
            return


def _facts(timings: Sequence[Timing], share: float) -> dict[str, Any]:
    walls = [timing.wall / share for timing in timings]
    return {
        "seconds": [round(wall, 3) for wall in walls],
        "median": round(statistics.median(walls), 3),
        "cpu": round(statistics.median(timing.cpu / share for timing in timings), 3),
        "foreign": [round(timing.foreign, 3) for timing in timings],
    }


def run(contender: Contender, place: str) -> Timing:
    """Run the contender once."""
    command = contender.command(place)
    busy, own = _busy(), _own()
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
    cpu = _own() - own
    foreign = max(0.0, _busy() - busy - cpu) / (wall * (os.cpu_count() or 1))
    if done.returncode:
        tail = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{contender.name} ended with exit code {done.returncode}: {tail}")
    if contender.inside:
        wall = float(done.stdout.split()[-1])
    return Timing(wall, cpu, foreign)


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _busy() -> float:
    """Return the seconds that all cores together were not idle, hypervisor's share included."""
    times = psutil.cpu_times()
    return float(sum(times[:-2]) - times.idle - times.iowait)  # the last two are counted in user


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
    """Parse ``--rounds``, ``--tries``, ``--corpora`` and numbers called as in ``counts``."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in {"rounds": 5, "tries": 4, **counts}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--corpora", type=Path, default=Path("/tmp/shard-corpora"))  # noqa: S108  # shared on purpose: corpora are kept between benchmarks
    return parser.parse_args()
