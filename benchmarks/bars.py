"""What is asked of each result, and whether it was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Results = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Bar:
    """``measured`` is to be at least ``wanted``, or at most, where ``at_most``."""

    work: str
    wanted: float
    measured: float
    unit: str = "x"
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the bar was reached, at the two decimals that are shown."""
        measured = round(self.measured, 2)
        return measured <= self.wanted if self.at_most else measured >= self.wanted

    @property
    def row(self) -> str:
        """A row of a Markdown table."""
        sign = "<=" if self.at_most else ">="
        verdict = "reached" if self.reached else "**missed**"
        wanted, measured = f"{self.wanted:g} {self.unit}", f"{self.measured:.2f} {self.unit}"
        return f"| {self.work} | {sign} {wanted} | {measured} | {verdict} |"


def bars(results: Results) -> Iterator[Bar]:
    """Yield every bar whose benchmark was run. ``results`` by file name, without ``.json``."""
    if "render" in results:
        yield from _rendering(results["render"])
    if "pipeline" in results:
        yield from _pipeline(results["pipeline"])
    yield from _stores(results)
    if "renditions" in results:
        measured = results["renditions"]["ratios"]["1024,400,200"]["median"]
        what = "three renditions over the largest alone, whole process"
        yield Bar(what, 1.5, measured, at_most=True)
    if "memory" in results:
        few, many = results["memory"]["few"], results["memory"]["many"]
        what = f"peak memory, {many:,} items over {few:,}"
        yield Bar(what, 1.1, results["memory"]["ratios"]["together"], at_most=True)
    if "listing" in results:
        figures = results["listing"]["s3 task"]
        what = "peak memory of a task that lists 1,000,000 keys and owns 1 %"
        yield Bar(what, 200, figures["peak_mb"], unit="MB", at_most=True)
    if "scan" in results:
        figures = results["scan"]["folders"]
        what = f"scan of {figures['objects']:,} objects in memory, objects a second"
        yield Bar(what, 20_000, figures["objects_per_second"], unit="a second")
        what = "peak memory of that scan, to .parquet"
        yield Bar(what, 300, figures["peak_mb"], unit="MB", at_most=True)
    if "pyramids" in results:
        times = results["pyramids"]["programs"]
        alone = "vips tiffsave" if "vips tiffsave" in times else "pyvips loop"
        over = times["shard"]["median"] / times[alone]["median"]
        yield Bar(f"pyramids, whole process, time over that of {alone}", 1.15, over, at_most=True)
    if "serve" in results:
        yield from _serving(results["serve"])
    if "startup" in results:
        what = "`process.py` to its first local listing"
        yield Bar(what, 1.0, results["startup"]["median"], unit="s", at_most=True)


def _stores(results: Results) -> Iterator[Bar]:
    if "store" in results:
        for name, wanted in (("boto3, sequential", 8), ("boto3, 16 threads", 2)):
            measured = results["store"]["ratios"][name]["median"]
            yield Bar(f"S3 with latency, whole process, over {name}", wanted, measured)
    if "upload" in results:
        measured = results["upload"]["ratios"]["HEAD and PUT, 20 threads"]["median"]
        yield Bar("upload with latency, over HEAD and PUT with 20 threads", 2, measured)


def _serving(result: Mapping[str, Any]) -> Iterator[Bar]:
    named = {"jpeg_12mp": "12 MP JPEGs", "jpeg_small": "800x600 JPEGs"}
    for processes, ahead in result["ratios"].items():
        by = f"serve, {processes} process{'es' if processes != '1' else ''}"
        for kind, name in named.items():
            what = f"{by}: cold {name} a second, over thumbor"
            yield Bar(what, 1.0, ahead[f"cold {kind} rate"])
        for at_once in (16, 64):
            what = f"{by}: cached thumbnails a second, {at_once} at once, over thumbor"
            yield Bar(what, 1.0, ahead[f"warm {at_once} rate"])
            what = f"{by}: thumbor's p99 over Shard's, {at_once} at once"
            yield Bar(what, 1.0, ahead[f"warm {at_once} p99"])


def _rendering(kinds: Mapping[str, Any]) -> Iterator[Bar]:
    wanted = {"jpeg_12mp": 1.05, "progressive_12mp": 3.0, "jpeg_small": 1.2}
    for kind, result in kinds.items():
        over = result["over_pyvips"]
        yield Bar(f"render {kind}, one core, over pyvips", wanted.get(kind, 1.0), over)
        if kind == "jpeg_12mp":
            loss = result["psnr"]["shard"] - result["psnr"]["pyvips"]
            yield Bar(f"render {kind}, PSNR above that of pyvips", 0, loss, unit="dB")
        elif not kind.startswith(("jpeg", "progressive")):
            memory = result["memory"]["shard"] / max(1, result["memory"]["pyvips"])
            what = f"render {kind}, peak memory over that of pyvips"
            yield Bar(what, 1.2, memory, at_most=True)


def _pipeline(kinds: Mapping[str, Any]) -> Iterator[Bar]:
    ratios = kinds["jpeg_12mp"]["ratios"]
    files = kinds["jpeg_12mp"]["files"]
    for name, wanted in (("sharp", 1.15), ("vipsthumbnail", 1.3)):
        if name in ratios:
            what = f"{files} local 12 MP JPEGs, whole process, over {name}"
            yield Bar(what, wanted, ratios[name]["median"])
    if "sharp" in kinds["progressive_12mp"]["ratios"]:
        measured = kinds["progressive_12mp"]["ratios"]["sharp"]["median"]
        yield Bar("12 MP progressive JPEGs, whole process, over sharp", 3.0, measured)
    what = "whole process over the in-memory rate of the same cores"
    yield Bar(what, 0.85, ratios["in memory"]["median"])
