"""`shard serve` beside thumbor, under load: cold renders, and thumbnails that are there.

``make bench-serve``, or ``python -m benchmarks.serve [--rounds 3] [--seconds 3] [--count 4000]``.
Each round starts each server anew with nothing made. Cold: every request is for another image.
Warm: thumbnails that were made before, again and again. Only by 127.0.0.1.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks import corpora
from benchmarks.frames import frames
from benchmarks.load import load, look_for_wrk
from benchmarks.local import DISTINCT
from benchmarks.measuring import arguments, save
from benchmarks.serving import BOX, install_thumbor, pinned, running, shard, thumbor

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.serving import Program, Running

KINDS = ("jpeg_12mp", "jpeg_small")
FITS = "fits_4mp"
"""thumbor knows no FITS: these are for Shard alone."""
COLD_AT_ONCE = 16
AT_ONCE = (16, 64)
_IN_A_FOLDER = 100
_FRAMES = 6
_KEPT = 100
"""Thumbnails of each kind that are asked for warm."""

Found = dict[str, dict[str, list[float]]]
"""What was found, by work and program; one figure a round."""


def folder(root: Path, count: int) -> Path:
    """Return a source with ``count`` keys of each kind: links to a few pictures that differ."""
    place = root / f"served_x{count}"
    if (place / "complete").exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    pictures = {kind: corpora.corpus(root, kind, DISTINCT) for kind in KINDS}
    for kind, files in {**pictures, FITS: frames(root, _FRAMES)}.items():
        for number, key in enumerate(keys(kind, count)):
            link = place / key
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(files[number % len(files)], link)
    (place / "complete").touch()
    return place


def keys(kind: str, count: int) -> list[str]:
    """Return the keys of a kind, in the order in which they are asked for."""
    ext = "fits" if kind == FITS else "jpg"
    return [f"{kind}/{n // _IN_A_FOLDER:03}/{n:05}.{ext}" for n in range(count)]


def programs(environment: Path, source: Path, processes: int) -> Iterator[tuple[Program, str]]:
    """Yield who runs, in turn, and the name of the output folder; the same name: the same files."""
    yield shard(source, processes), "shard"
    unkept = ("--cache-memory", "0")
    yield shard(source, processes, *unkept, name="shard, nothing in memory"), "shard"
    yield thumbor(environment, source, processes), "thumbor"
    cores = os.cpu_count() or 1
    if processes < cores:
        name = f"thumbor, {cores} threads"
        yield thumbor(environment, source, processes, cores, name=name), "thumbor-threads"


def measure(program: Program, places: tuple[Path, Path], given: Namespace, found: Found) -> None:
    """Put one server under load; append what was found. Cold only where nothing is made yet."""
    source, output = places
    is_cold = not output.exists()
    with running(program, output) as server:
        if is_cold:
            for kind in KINDS:
                _note(found, f"cold {kind}", program, _cold(server, program, kind, given))
                key = keys(kind, 1)[0]
                near = _psnr(_check(server, program.path(key)), source / key)
                found[f"psnr {kind}"][program.name].append(round(near, 2))
        kept = [program.path(key) for kind in KINDS for key in keys(kind, _KEPT)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda path: _check(server, path), kept))
        for at_once in AT_ONCE:
            figures = _under_load(server, kept, (at_once, given.seconds))
            _note(found, f"warm {at_once}", program, figures)
        found["memory"][program.name].append(server.peak)
        if program.name == "shard":
            _note(found, f"cold {FITS}", program, _cold(server, program, FITS, given))


def _cold(server: Running, program: Program, kind: str, given: Namespace) -> dict[str, float]:
    paths = [program.path(key) for key in keys(kind, given.count)]
    _check(server, paths.pop())
    return _under_load(server, paths, (COLD_AT_ONCE, given.seconds), once=True)


def _check(server: Running, path: str) -> Image.Image:
    """Return the thumbnail; raise ``RuntimeError`` if it is not what was asked for."""
    with urllib.request.urlopen(server.url + path, timeout=30) as answer:  # noqa: S310  # our own
        picture = Image.open(BytesIO(answer.read()))
    if picture.format != "JPEG" or picture.width != BOX:
        raise RuntimeError(f"{path} is {picture.format} of {picture.size}")
    return picture


def _psnr(picture: Image.Image, original: Path) -> float:
    """Return how near a thumbnail is to a full decode resized by LANCZOS at once, in dB."""
    full = Image.open(original).convert("RGB").resize(picture.size, Image.Resampling.LANCZOS)
    difference = np.asarray(picture.convert("RGB"), np.float64) - np.asarray(full, np.float64)
    return float(10 * np.log10(255**2 / max(1e-9, float((difference**2).mean()))))


def _under_load(
    server: Running, paths: Sequence[str], how: tuple[int, int], *, once: bool = False
) -> dict[str, float]:
    """Return answers a second, and milliseconds: the latencies' 99th percentile, CPU an answer."""
    at_once, seconds = how
    before = server.cpu
    came = load(server.url, paths, at_once=at_once, seconds=seconds, once=once)
    return {"rate": came.rate, "p99": came.p99, "cpu": 1000 * (server.cpu - before) / came.answers}


def _note(found: Found, work: str, program: Program, figures: Mapping[str, float]) -> None:
    said = ", ".join(f"{name} {figure:.2f}" for name, figure in figures.items())
    print(f"  {work}: {program.name}: {said}", flush=True)
    for name, figure in figures.items():
        found[f"{work} {name}"][program.name].append(round(figure, 3))


def ratios(found: Found) -> dict[str, float]:
    """Return, by work, how far Shard is ahead of the better thumbor; medians of rounds."""
    ours: dict[str, float] = {}
    for work, figures in found.items():
        others = [figures[name] for name in figures if name.startswith("thumbor")]
        if not others or not work.endswith(("rate", "p99", "cpu")):
            continue
        is_rate = work.endswith("rate")
        best = [max(pair) if is_rate else min(pair) for pair in zip(*others, strict=True)]
        for name in (name for name in figures if name.startswith("shard")):
            pairs = zip(figures[name], best, strict=True)
            each = [own / other if is_rate else other / own for own, other in pairs]
            suffix = name.removeprefix("shard")
            ours[f"{work}{suffix}"] = round(statistics.median(each), 3)
    return ours


def main() -> None:
    """Measure; write ``results/serve.json``."""
    given = arguments(__doc__, rounds=3, seconds=3, count=4000)
    wrk = look_for_wrk()
    environment = install_thumbor(given.corpora)
    source = folder(given.corpora, given.count)
    counts: Sequence[int] = (1, 2)
    found: dict[int, Found] = {count: defaultdict(lambda: defaultdict(list)) for count in counts}
    for at in range(given.rounds):
        for processes in counts:
            print(f"round {at + 1}, processes: {processes}", flush=True)
            with tempfile.TemporaryDirectory(prefix="shard-bench-") as work:
                for program, output in programs(environment, source, processes):
                    measure(program, (source, Path(work, output)), given, found[processes])
    results: dict[str, Any] = {
        "processes": {str(count): figures for count, figures in found.items()},
        "ratios": {str(count): ratios(figures) for count, figures in found.items()},
    }
    print(f"  ahead of thumbor: {results['ratios']}")
    versions = {"thumbor": pinned("thumbor"), "thumbor's pillow": pinned("pillow"), "wrk": wrk}
    save("serve", {**results, "seconds": given.seconds, "versions": versions})


if __name__ == "__main__":
    main()
