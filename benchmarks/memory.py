"""Peak memory of a task and its workers, 1,000 items against 10,000; local disk, 800x600 JPEGs.

``python -m benchmarks.memory [--rounds 3] [--few 1000] [--many 10000]``
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import local
from benchmarks.measuring import ROOT, SHARD, arguments, clean_environment, save

_EVERY = 0.05


def peak(source: Path, out: str) -> dict[str, int]:
    """Run Shard once; return the peaks of task, workers and both together, in bytes.

    Seen from outside, 20 times a second, as resident set sizes: pages that processes share count
    in each of them.
    """
    command = [SHARD, "run", str(source), out, "--sizes", "200"]
    most = {"task": 0, "workers": 0, "together": 0}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        program = psutil.Process(process.pid)
        while process.poll() is None:
            task, workers = _rss(program), sum(map(_rss, _children(program)))
            now = {"task": task, "workers": workers, "together": task + workers}
            most = {name: max(most[name], now[name]) for name in most}
            time.sleep(_EVERY)
    if process.returncode:
        raise RuntimeError(f"{command} ended with exit code {process.returncode}")
    return most


def _children(program: psutil.Process) -> list[psutil.Process]:
    try:
        return program.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def main() -> None:
    """Measure; write ``results/memory.json``."""
    given = arguments(__doc__, few=1000, many=10_000)
    peaks: dict[int, list[dict[str, int]]] = {given.few: [], given.many: []}
    own: dict[int, int] = {}
    with tempfile.TemporaryDirectory(prefix="shard-bench-") as work:
        folders = local.places(Path(work))
        for at in range(given.rounds):
            for count, measured in peaks.items():
                source = local.folder(given.corpora, "jpeg_small", count)
                out = folders.fresh(f"{count}-{at}")
                measured.append(peak(source, out))
                own[count] = local.summary(out)["peak_memory_bytes"]
                if local.count(out) != count:
                    raise RuntimeError(f"{local.count(out)} outputs instead of {count}")
                folders.remove(out)
                print(f"  {count} items: {measured[-1]}", flush=True)
    medians = {
        count: {part: statistics.median(one[part] for one in rounds) for part in rounds[0]}
        for count, rounds in peaks.items()
    }
    few, many = medians[given.few], medians[given.many]
    found = {part: round(many[part] / few[part], 3) for part in few}
    print(f"  {given.many} items over {given.few}: {found}")
    results = {"few": given.few, "many": given.many, "few_bytes": few, "many_bytes": many}
    save("memory", {**results, "ratios": found, "ledger_says": own})


if __name__ == "__main__":
    main()
