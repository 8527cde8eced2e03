"""Pyramid TIFFs of a folder by pyvips alone: one process a core, no store, no verification."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def make(source: str, out: str) -> None:
    """Write one."""
    import pyvips

    pyvips.concurrency_set(1)
    image = pyvips.Image.new_from_file(source, access="sequential")
    image.tiffsave(
        f"{out}/{Path(source).stem}.tif",
        tile=True,
        pyramid=True,
        tile_width=512,
        tile_height=512,
        compression="deflate",
        predictor="horizontal",
        keep="none",
    )


def main() -> None:
    """Make all, `python pyramid_loop.py SOURCE OUT WORKERS`."""
    source, out, workers = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    files = sorted(map(str, Path(source).iterdir()))
    with ProcessPoolExecutor(int(workers), get_context("spawn")) as pool:
        list(pool.map(make, files, [out] * len(files)))


if __name__ == "__main__":
    main()
