"""The rate of all cores with nothing but rendering: files read before, thumbnails thrown away.

Prints the seconds that the slowest of the processes took, as its last line.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

    from shard.model import Rendition


def render(data: bytes, renditions: list[Rendition]) -> None:
    """Render as a worker does."""
    from shard import imaging
    from shard.model import Limits

    limits = Limits()
    imaging.render(imaging.open_image(data, limits, "a.jpg"), renditions, limits)


def work(paths: list[str], size: int, start: Barrier) -> None:
    """Render the share of one process; the first picture, before the start, warms up."""
    from shard.model import Format, Rendition

    renditions = [Rendition(str(size), size, size, format=Format.KEEP)]
    files = [Path(path).read_bytes() for path in paths]
    render(files[0], renditions)
    start.wait()
    for data in files:
        render(data, renditions)


def main() -> None:
    """Render a folder's pictures: ``in_memory.py INPUT SIZE``."""
    paths = sorted(map(str, Path(sys.argv[1]).iterdir()))
    cores = len(os.sched_getaffinity(0))
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(cores + 1)
    processes = [
        spawn.Process(target=work, args=(paths[at::cores], int(sys.argv[2]), barrier))
        for at in range(cores)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    started = time.monotonic()
    for process in processes:
        process.join()
    print(time.monotonic() - started)
    sys.exit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    main()
