"""Whole processes on a local disk, to 200 px: Shard, sharp, vipsthumbnail, a Pillow loop.

Also the rate of all cores rendering from memory, which no pipeline around it can exceed.
``python -m benchmarks.pipeline [--rounds 5] [--count 300] [--progressive 150]``
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import local
from benchmarks.measuring import SHARD, Contender, arguments, interleave, ratios, save

if TYPE_CHECKING:
    from argparse import Namespace

PEERS = Path(__file__).parent / "peers"
SIZE = 200


def sharp_modules(folder: Path) -> str | None:
    """Install sharp below ``folder``; return its version, ``None`` without node and npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "sharp@0.35"]
    subprocess.run(command, check=True, capture_output=True)
    script = "console.log(require('sharp').versions.sharp)"
    done = subprocess.run(
        ["node", "-e", script], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def contenders(source: Path, sharp: Path | None) -> list[Contender]:
    """Return who runs: those that are not installed here are left out."""
    python = sys.executable
    found = [
        Contender("shard", lambda out: [SHARD, "run", str(source), out, "--sizes", str(SIZE)]),
        Contender(
            "in memory",
            lambda _: [python, str(PEERS / "in_memory.py"), str(source), str(SIZE)],
            env={"PYTHONPATH": str(PEERS.parent.parent)},
            inside=True,
        ),
        Contender(
            "Pillow loop", lambda out: [python, str(PEERS / "pillow_loop.py"), str(source), out]
        ),
    ]
    if sharp is not None:
        script = str(PEERS / "sharp.mjs")
        found.append(Contender("sharp", lambda out: ["node", script, str(sharp), str(source), out]))
    if shutil.which("vipsthumbnail"):
        # One thread a picture is its fastest way here; its default starts one a core for each.
        found.append(
            Contender(
                "vipsthumbnail",
                lambda out: ["sh", "-c", _vipsthumbnail(source, out)],
                env={"VIPS_CONCURRENCY": "1"},
            )
        )
    return found


def _vipsthumbnail(source: Path, out: str) -> str:
    command = f"vipsthumbnail -s {SIZE} -o '{out}/%s_t.jpg[Q=85,optimize_coding]'"
    return f"find '{source}' -name '*.jpg' | xargs -P2 -n20 {command} > /dev/null"


def measure(source: Path, sharp: Path | None, work: Path, given: Namespace) -> dict[str, Any]:
    """Return the times of all contenders on the files of ``source``, and our stages."""
    expected = len(list(source.iterdir()))
    results: dict[str, Any] = {"files": expected}
    results["bytes"] = sum(path.stat().st_size for path in source.iterdir())
    programs = interleave(
        contenders(source, sharp),
        local.places(work),
        rounds=given.rounds,
        tries=given.tries,
        expected=expected,
    )
    results["programs"] = programs
    results["ratios"] = ratios(programs, "shard")
    results["stages_ms"] = stages(source, work)
    return results


def stages(source: Path, work: Path) -> dict[str, float]:
    """Return what one more run of Shard says of its own stages, in milliseconds an image."""
    place = local.places(work).fresh("stages")
    command = [SHARD, "run", str(source), place, "--sizes", str(SIZE)]
    subprocess.run(command, check=True, capture_output=True)
    totals = local.summary(place)["totals"]
    return {name: round(ms / totals["written"], 3) for name, ms in totals["ms"].items()}


def main() -> None:
    """Measure both kinds of JPEG; write ``results/pipeline.json``."""
    given = arguments(__doc__, count=300, progressive=150)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="shard-bench-") as name:
        work = Path(name)
        (work / "sharp").mkdir()
        version = sharp_modules(work / "sharp")
        sharp = None if version is None else work / "sharp"
        counts = {"jpeg_12mp": given.count, "progressive_12mp": given.progressive}
        for kind, count in counts.items():
            print(kind, flush=True)
            source = local.folder(given.corpora, kind, count)
            results[kind] = measure(source, sharp, work, given)
            print(f"  ratios to shard: {results[kind]['ratios']}", flush=True)
    results["versions"] = {"sharp": version or "not here (no node)", "vips": vips_version()}
    save("pipeline", results)


def vips_version() -> str:
    """Return the version of the machine's vipsthumbnail."""
    if not shutil.which("vipsthumbnail"):
        return "not here"
    command = ["vipsthumbnail", "--vips-version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
