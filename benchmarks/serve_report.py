"""What ``docs/benchmarks.md`` says of `shard serve`."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.bars import Results

_WORKS = {
    "cold jpeg_12mp": "cold, 12 MP JPEGs, 16 at once",
    "cold jpeg_small": "cold, 800x600 JPEGs, 16 at once",
    "cold fits_4mp": "cold, FITS frames of 2048x2048 pixels, 16 at once",
    "warm 16": "cached, 16 at once",
    "warm 64": "cached, 64 at once",
}
_QUALITIES = {"psnr jpeg_12mp": "12 MP", "psnr jpeg_small": "800x600"}


def serving(results: Results) -> Iterator[str]:
    """Yield the lines of the section."""
    if "serve" not in results:
        return
    result = results["serve"]
    yield "## Thumbnails over HTTP: `shard serve` and thumbor, 200 px, by wrk"
    yield ""
    for processes, found in result["processes"].items():
        yield f"Server processes: {processes}."
        yield ""
        yield from _loads(found, result["ratios"][processes])
        yield from _memory(found)
    yield (
        "Cold: every request is for another image, nothing is made yet. Cached: 200 thumbnails "
        "made before. Both keep what they made in a local folder and encode at quality 85; "
        "thumbor writes no access log, Shard does. Each server was started anew for each round. "
        "CPU is that of all processes of the server, in milliseconds an answer. `ahead` is the "
        "median over the rounds of Shard's rate over that of the faster thumbor."
    )
    yield ""
    rounds = len(next(iter(next(iter(found.values())).values())))
    yield f"Rounds: {rounds}, of {result['seconds']} s a load."
    yield ""


def _loads(found: Mapping[str, Any], ahead: Mapping[str, float]) -> Iterator[str]:
    yield "| load | program | a second | p99, ms | CPU ms | ahead |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for work, title in _WORKS.items():
        for name, rates in found.get(f"{work} rate", {}).items():
            ours = name.startswith("shard")
            p99, cpu = (statistics.median(found[f"{work} {what}"][name]) for what in ("p99", "cpu"))
            ratio = ahead.get(f"{work} rate{name.removeprefix('shard')}") if ours else None
            shown = f"**{name}**" if ours else name
            yield (
                f"| {title} | {shown} | {statistics.median(rates):,.0f} | {p99:.1f} | {cpu:.2f} "
                f"| {'' if ratio is None else f'{ratio:.2f} x'} |"
            )
    yield ""


def _memory(found: Mapping[str, Any]) -> Iterator[str]:
    peaks = {name: statistics.median(sizes) for name, sizes in found["memory"].items()}
    said = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in peaks.items())
    yield f"Peak memory with all processes, shared pages in each, MB: {said}."
    near = [
        f"of {title} JPEGs {name} {statistics.median(values):.1f}"
        for what, title in _QUALITIES.items()
        for name, values in found[what].items()
        if name in ("shard", "thumbor")
    ]
    against = "PSNR of what was served against a full decode resized by LANCZOS, dB"
    yield f"{against}: {', '.join(near)}."
    yield ""
