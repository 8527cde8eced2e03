"""How fast and how lean `shard scan` writes 1,300,000 originals with as many thumbnails to parquet.

The store is a synthetic one in memory, which makes up its listing as it is asked: a collection with
two levels of hash folders (``folders``), or with everything in one folder, in no order (``flat``).
``python -m benchmarks.scan [--images 1300000]``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.listing import high_water
from benchmarks.measuring import ROOT, clean_environment, save
from shard.model import Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLLECTION = "botany"
_WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_LATER = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
_STEP = 2_654_435_761  # odd: n * _STEP modulo a power of two visits every number once


class Synthetic:
    """A store of ``images`` originals, each with a thumbnail of 200 pixels."""

    def __init__(self, images: int, *, flat: bool) -> None:
        self.url = "memory://synthetic"
        self._flat = flat
        self._images = images
        self._folders = 65_536

    def children(self, folder: str = "") -> Iterator[Item | str]:
        """Yield one level."""
        parts = folder.split("/")[:-1]
        if not parts:
            yield f"{COLLECTION}/"
        elif len(parts) == 1:
            yield from (f"{folder}originals/", f"{folder}thumbnails/")
        elif self._flat:
            yield from self._files(parts, range(self._images))
        else:
            yield from (f"{folder}{number:02x}/" for number in range(256))

    def list(self, *, prefix: str = "", start_after: str | None = None) -> Iterator[Item]:  # noqa: ARG002 - as Store's
        """Yield the files of the hash folders that begin with ``prefix``."""
        *parts, first = prefix.rstrip("/").split("/")
        for number in range(int(first, 16) * 256, int(first, 16) * 256 + 256):
            begin = self._images * number // self._folders
            end = self._images * (number + 1) // self._folders
            folder = f"{number >> 8:02x}/{number & 255:02x}"
            yield from self._files([*parts, folder], range(begin, end))

    def _files(self, parts: Sequence[str], numbers: range) -> Iterator[Item]:
        folder = "/".join(parts)
        for number in numbers:
            name = f"{number * _STEP % 2**32:08x}-0000-4000-8000-{number:012x}"
            if parts[1] == "originals":
                yield Item(f"{folder}/{name}.jpg", 2_000_000 + number, _WHEN, name)
            else:
                yield Item(f"{folder}/{name}_200.jpg", 20_000 + number % 999, _LATER, name)


def scan(images: int, *, flat: bool) -> dict[str, Any]:
    """Scan once in this process and return the figures."""
    from shard.jobs import scan as verb
    from shard.manifest import open_manifest
    from shard.planning.location import parse_location
    from shard.report.scan import Listed
    from shard.storage import open_store

    made = Synthetic(images, flat=flat)

    def opened(url: str, options: Any) -> Any:
        return made if url.startswith("memory://synthetic") else open_store(url, options)

    verb.open_store = opened  # type: ignore[attr-defined]  # the one store we stand in for
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/manifest.parquet"
        listed = Listed(quiet=True)
        started, cpu = time.monotonic(), time.process_time()
        verb.run_scan(
            verb.Wish(parse_location(made.url, "URL"), "", output), listed, lambda _: None
        )
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        peak = high_water("self")
        size = Path(output).stat().st_size
        stats = open_manifest(output).header.collection_stats[COLLECTION]
        assert stats.with_thumbnails == images
    return {
        "images": images,
        "objects": listed.count,
        "seconds": round(seconds, 1),
        "cpu": round(cpu, 1),
        "objects_per_second": round(listed.count / seconds),
        "peak_mb": peak,
        "manifest_mb": round(size / 1e6, 1),
    }


def main() -> None:
    """Measure each shape in a process of its own, save and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--rounds", type=int, default=1, help="the best of so many is kept")
    parser.add_argument("--shape", choices=("folders", "flat"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.shape:
        print(json.dumps(scan(wanted.images, flat=wanted.shape == "flat")))
        return
    results = {}
    for shape in ("folders", "flat"):
        command = [sys.executable, "-m", "benchmarks.scan", "--images", str(wanted.images)]
        rounds = [
            json.loads(
                subprocess.run(
                    [*command, "--shape", shape],
                    cwd=ROOT, env=clean_environment(), check=True, capture_output=True, text=True,
                ).stdout
            )
            for _ in range(wanted.rounds)
        ]  # fmt: skip
        results[shape] = min(rounds, key=lambda figures: figures["seconds"])
        results[shape]["peak_mb"] = max(figures["peak_mb"] for figures in rounds)
        print(shape, results[shape], flush=True)
    save("scan", results)


if __name__ == "__main__":
    main()
