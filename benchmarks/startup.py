"""From the start of ``process.py`` to its first listing of a local folder, and what is imported.

``python -m benchmarks.startup [--rounds 5]``; each round starts several processes.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks import local
from benchmarks.measuring import ROOT, arguments, clean_environment, save

_STARTS = 4
_TOP = 12
# Clocks are the machine's own (CLOCK_MONOTONIC): the child's can be held against ours.
_WATCH = """
import runpy, sys, time
begun, folder, told = float(sys.argv[1]), sys.argv[2], []
def hook(event, args):
    if event in ("os.scandir", "os.listdir") and str(args[0]).rstrip("/") == folder and not told:
        told.append(time.monotonic() - begun)
        print(told[0], len(sys.modules), flush=True)
sys.addaudithook(hook)
sys.argv = ["process.py"]
runpy.run_path("process.py", run_name="__main__")
"""


def first_listing(source: Path, out: str) -> tuple[float, int]:
    """Return the seconds until the source is listed, and the modules imported until then."""
    env = {**clean_environment(), "INPUT_FOLDER": str(source), "OUTPUT_FOLDER": out}
    command = [sys.executable, "-c", _WATCH, str(time.monotonic()), str(source)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.split("\n")[0].split()
    return float(seconds), int(modules)


def imports(source: Path, out: str) -> list[tuple[str, float]]:
    """Return the packages that take longest to import in the task, with their own milliseconds."""
    env = {**clean_environment(), "INPUT_FOLDER": str(source), "OUTPUT_FOLDER": out}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "process.py"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    own: Counter[str] = Counter()
    for found in re.finditer(r"import time: +(\d+) \| +\d+ \| +(\S+)", done.stderr):
        own[found[2].partition(".")[0]] += int(found[1])
    return [(name, micro / 1000) for name, micro in own.most_common(_TOP)]


def main() -> None:
    """Measure; write ``results/startup.json``."""
    given = arguments(__doc__)
    source = local.folder(given.corpora, "jpeg_small", 20)
    with tempfile.TemporaryDirectory(prefix="shard-bench-") as work:
        folders = local.places(Path(work))
        starts = [
            first_listing(source, folders.fresh(f"start-{at}"))
            for at in range(_STARTS * given.rounds)
        ]
        top = imports(source, folders.fresh("imports"))
    seconds = sorted(start[0] for start in starts)
    results = {
        "starts": len(starts),
        "median": round(statistics.median(seconds), 3),
        "best": round(seconds[0], 3),
        "worst": round(seconds[-1], 3),
        "modules": starts[-1][1],
        "imports_ms": {name: round(ms, 1) for name, ms in top},
    }
    print(f"  {results}")
    save("startup", results)


if __name__ == "__main__":
    main()
