"""One core, bytes to bytes: our render beside Pillow and libvips, interleaved; medians and ratios.

``python benchmarks/render.py [--rounds 5] [--only jpeg_12mp] [--json FILE]``
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import corpora  # type: ignore[import-not-found]  # beside this script, which is run by its path
import numpy as np
from PIL import Image

from shard import imaging
from shard.model import Format, Limits, Rendition

BOX = 200
QUALITY = 85
THREE = (1024, 400, 200)
Engine = Callable[[bytes, Format], bytes]


def ours(data: bytes, output: Format, sizes: tuple[int, ...] = (BOX,)) -> bytes:
    """Render as a worker does."""
    renditions = [Rendition(str(size), size, size, format=output) for size in sizes]
    source = imaging.open_image(data, Limits())
    return imaging.render(source, renditions, Limits())[0].data


def ours_three(data: bytes, output: Format) -> bytes:
    """Render three sizes from one decode."""
    return ours(data, output, THREE)


def ours_largest(data: bytes, output: Format) -> bytes:
    """Render the largest of the three alone."""
    return ours(data, output, THREE[:1])


def pillow_naive(data: bytes, output: Format) -> bytes:
    """Decode everything, then resize: what many scripts do."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail((BOX, BOX), Image.Resampling.LANCZOS, reducing_gap=None)
    return _encoded(image, output)


def pillow_thumbnail(data: bytes, output: Format) -> bytes:
    """Use ``Image.thumbnail``, which shrinks JPEGs on load."""
    image = Image.open(io.BytesIO(data))
    image.thumbnail((BOX, BOX))
    return _encoded(image.convert("RGB"), output)


def pyvips_thumbnail(data: bytes, output: Format) -> bytes:
    """Use ``thumbnail_buffer``, one thread, no cache."""
    import pyvips

    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    image = pyvips.Image.thumbnail_buffer(data, BOX, height=BOX, size="down")
    if output is Format.PNG:
        return bytes(image.pngsave_buffer(keep="none"))
    return bytes(image.jpegsave_buffer(Q=QUALITY, optimize_coding=True, keep="none"))


ENGINES: dict[str, Engine] = {
    "shard": ours,
    "pyvips": pyvips_thumbnail,
    "pillow_thumbnail": pillow_thumbnail,
    "pillow_naive": pillow_naive,
    "shard_three": ours_three,
    "shard_largest": ours_largest,
}


def _encoded(image: Image.Image, output: Format) -> bytes:
    buffer = io.BytesIO()
    if output is Format.PNG:
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def psnr(engine: Engine, data: bytes) -> float:
    """Return the PSNR of an engine's pixels against a full decode resized at once, in dB.

    The thumbnail is taken as PNG, so that the resizing is compared, not the encoder.
    """
    made = Image.open(io.BytesIO(engine(data, Format.PNG))).convert("RGB")
    full = Image.open(io.BytesIO(data)).convert("RGB")
    wanted = full.resize(made.size, Image.Resampling.LANCZOS)
    difference = np.asarray(made, np.float64) - np.asarray(wanted, np.float64)
    return float(10 * np.log10(255**2 / max(1e-9, float((difference**2).mean()))))


def peak_memory(engine: str, path: Path) -> int:
    """Return how many bytes one render adds to a fresh process that has all libraries loaded."""
    command = [sys.executable, __file__, "--memory-of", engine, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_memory(engine: str, path: Path) -> None:
    small = io.BytesIO()
    Image.new("RGB", (1600, 1200)).save(
        small, path.suffix[1:].replace("jpg", "jpeg").replace("tif", "tiff")
    )
    ENGINES[engine](small.getvalue(), Format.JPEG)
    data = path.read_bytes()
    before = _high_water()
    ENGINES[engine](data, Format.JPEG)
    print(_high_water() - before)


def _high_water() -> int:
    """Return this process's peak of resident memory; ``ru_maxrss`` would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def measure(kind: str, paths: list[Path], rounds: int) -> dict[str, Any]:
    """Return medians of CPU milliseconds an image, and quality and memory, by engine."""
    files = [path.read_bytes() for path in paths]
    times: dict[str, list[float]] = {name: [] for name in ENGINES}
    repeats = max(1, 20 // len(files)) if kind == "jpeg_small" else 1
    for at in range(rounds + 1):
        for name, engine in ENGINES.items():
            started = process_time()
            for data in files * repeats:
                engine(data, Format.JPEG)
            if at:  # the first round warms up
                times[name].append((process_time() - started) * 1000 / len(files) / repeats)
    median = {name: statistics.median(values) for name, values in times.items()}
    plain = [name for name in ENGINES if not name.startswith("shard_")]
    return {
        "ms": median,
        "psnr": {name: statistics.mean(psnr(ENGINES[name], d) for d in files) for name in plain},
        "memory": {name: peak_memory(name, paths[0]) for name in plain},
        "over_pyvips": median["pyvips"] / median["shard"],
        "three_over_largest": median["shard_three"] / median["shard_largest"],
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--only", choices=corpora.KINDS, action="append")
    parser.add_argument(
        "--corpora", type=Path, default=Path(tempfile.gettempdir()) / "shard-corpora"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory-of", nargs=2, metavar=("ENGINE", "FILE"))
    arguments = parser.parse_args()
    if arguments.memory_of:
        _print_memory(arguments.memory_of[0], Path(arguments.memory_of[1]))
        return
    results = {}
    for kind in arguments.only or corpora.KINDS:
        paths = corpora.corpus(arguments.corpora, kind, arguments.count)
        results[kind] = measure(kind, paths, arguments.rounds)
        _print(kind, results[kind])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1, sort_keys=True))


def _print(kind: str, result: dict[str, Any]) -> None:
    ratios = f"{result['over_pyvips']:.2f} x pyvips"
    print(f"{kind}: {ratios}, three/largest {result['three_over_largest']:.2f}", flush=True)
    for name, milliseconds in result["ms"].items():
        quality, memory = result["psnr"].get(name), result["memory"].get(name)
        extra = f"{quality:6.2f} dB {memory / 1e6:7.1f} MB" if quality else ""
        print(f"  {name:18} {milliseconds:8.2f} ms {extra}", flush=True)


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = None
    main()
