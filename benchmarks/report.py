"""``docs/benchmarks.md`` and its chart, from what ``benchmarks/results`` holds.

``python -m benchmarks.report``; every figure is a measured one, what was not run is left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bars import Results, bars
from benchmarks.measuring import RESULTS, ROOT
from benchmarks.plot import Group, svg
from benchmarks.serve_report import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = ROOT / "docs"
_OUR_NAME = {"shard": "**shard run**"}
_UPLOAD_NAME = {"shard": "**shard upload**, 20 files at a time"}
_INTRODUCTION = """\
Made by `make bench` (`benchmarks/report.py` writes this page); every figure was measured, on one
machine, contenders interleaved. Ratios are medians of the rounds' own ratios; above 1 means that
the other took longer. Elsewhere the times will differ, the ratios much less."""
_KINDS = {
    "jpeg_12mp": "12-megapixel baseline JPEGs on local disk",
    "progressive_12mp": "12-megapixel progressive JPEGs on local disk",
}


def load() -> Results:
    """Return all results, by file name without ``.json``."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def text(results: Results) -> str:
    """Return the page."""
    lines = [
        "# Benchmarks",
        "",
        _INTRODUCTION,
        "",
        "![images a second, whole processes](benchmarks.svg)",
        "",
        "## Bars",
        "",
        "| work | bar | measured | |",
        "| --- | --- | --- | --- |",
        *(bar.row for bar in bars(results)),
        "",
    ]
    for section in (_pipeline, _store, _upload, _render, _rest, serving):
        lines.extend(section(results))
    lines.extend(["## What stands behind these figures", "", _notes(), ""])
    lines.extend(_surroundings(results))
    return "\n".join(lines)


def _programs(
    result: Mapping[str, Any], count: int, ours: Mapping[str, str] = _OUR_NAME
) -> Iterator[str]:
    yield "| program | seconds, median | best | images a second | CPU seconds | ratio | of bests |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    programs = result["programs"]
    for name, facts in sorted(programs.items(), key=lambda program: program[1]["median"]):
        ratio = result["ratios"][name]
        yield (
            f"| {ours.get(name, name)} | {facts['median']:.2f} | {min(facts['seconds']):.2f} "
            f"| {count / facts['median']:.1f} | {facts['cpu']:.2f} "
            f"| {ratio['median']:.2f} | {ratio['best']:.2f} |"
        )
    yield ""
    rounds = len(next(iter(programs.values()))["seconds"])
    yield f"{rounds} rounds after a warm-up."
    yield ""


def _pipeline(results: Results) -> Iterator[str]:
    for kind, title in _KINDS.items():
        if kind not in results.get("pipeline", {}):
            continue
        result = results["pipeline"][kind]
        yield f"## {result['files']} {title}, to 200 px, whole process"
        yield ""
        yield from _programs(result, result["files"])
        stages = ", ".join(f"{name} {ms:.2f}" for name, ms in result["stages_ms"].items())
        yield f"Shard's own stages, milliseconds an image: {stages}."
        yield ""


def _store(results: Results) -> Iterator[str]:
    if "store" not in results:
        return
    result = results["store"]
    each, way = result["bytes"] / result["objects"] / 1000, result["latency_ms_each_way"]
    yield f"## {result['objects']:,} JPEGs of {each:.0f} kB on S3, {way} ms away, to 200 px"
    yield ""
    yield from _programs(result, result["objects"])
    yield (
        f"The sequential script did {result['sequential_objects']:,} objects; its times are scaled "
        "to all. CPU is the program's own; the server and the proxy shared the cores with it."
    )
    yield ""


def _upload(results: Results) -> Iterator[str]:
    if "upload" not in results:
        return
    result = results["upload"]
    each, way = result["bytes"] / result["files"] / 1000, result["latency_ms_each_way"]
    yield f"## Uploading {result['files']:,} JPEGs of {each:.0f} kB with thumbnails, {way} ms away"
    yield ""
    yield from _programs(result, result["files"], _UPLOAD_NAME)
    yield (
        "The script asks with two HEADs a file, writes with boto3, renders with Pillow, and waits "
        f"for each batch of 100 (`peers/head_put_uploader.py`); with one thread it uploaded "
        f"{result['sequential_files']:,} files, and its times are scaled to all."
    )
    yield ""
    foreign = max(max(facts["foreign"]) for facts in result["programs"].values())
    yield (
        "All objects are public-read. Server and proxy, and at worst "
        f"{foreign:.0%} of the cores in all, were others' during a run."
    )
    yield ""


def _render(results: Results) -> Iterator[str]:
    if "render" not in results:
        return
    yield "## Rendering alone: one core, bytes to bytes, to 200 px"
    yield ""
    yield "| corpus | engine | CPU ms an image | PSNR, dB | memory added, MB | time over Shard's |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind, result in results["render"].items():
        for name, milliseconds in result["ms"].items():
            if name not in result["psnr"]:
                continue
            memory, over = result["memory"][name] / 1e6, milliseconds / result["ms"]["shard"]
            yield (
                f"| {kind} | {name} | {milliseconds:.2f} | {result['psnr'][name]:.1f} "
                f"| {memory:.0f} | {over:.2f} |"
            )
    yield ""


def _rest(results: Results) -> Iterator[str]:
    if "renditions" in results:
        result = results["renditions"]
        yield f"## Sizes 1024, 400 and 200 against 1024 alone, {result['files']} 12 MP JPEGs"
        yield ""
        yield from _programs(result, result["files"])
    if "memory" in results:
        yield from _memory(results["memory"])
    if "listing" in results:
        yield from _listing(results["listing"])
    if "scan" in results:
        yield from _scan(results["scan"])
    if "pyramids" in results:
        result = results["pyramids"]
        yield f"## Pyramid TIFFs of {result['files']} 12 MP JPEGs, verified by shard alone"
        yield ""
        yield from _programs(result, result["files"])
    if "startup" in results:
        result = results["startup"]
        slowest = sorted(result["imports_ms"].items(), key=lambda item: -item[1])
        top = ", ".join(f"{name} {ms:.0f}" for name, ms in slowest)
        yield "## Start"
        yield ""
        yield (
            f"`process.py` lists a local folder {result['median']:.2f} s after it was started "
            f"(best {result['best']:.2f}, worst {result['worst']:.2f}, {result['starts']} starts, "
            f"{result['modules']} modules). The task's slowest imports, own milliseconds: {top}."
        )
        yield ""


def _memory(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## Peak memory, MB"
    yield ""
    yield "| items | task | workers | together |"
    yield "| --- | --- | --- | --- |"
    for name in ("few", "many"):
        sizes = result[f"{name}_bytes"]
        parts = " | ".join(f"{sizes[part] / 1e6:.0f}" for part in ("task", "workers", "together"))
        yield f"| {result[name]:,} | {parts} |"
    ratios = " | ".join(
        f"{result['ratios'][part]:.2f} x" for part in ("task", "workers", "together")
    )
    yield f"| ratio | {ratios} |"
    yield ""


def _listing(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## Listing, keeping one slice of 100"
    yield ""
    yield "| store | keys | keys a second | peak memory, MB |"
    yield "| --- | --- | --- | --- |"
    for name, figures in result.items():
        if "keys" in figures:
            rate = figures["keys_per_second"]
            yield f"| {name} | {figures['keys']:,} | {rate:,} | {figures['peak_mb']} |"
    yield ""
    task = result["s3 task"]
    yield f"A whole task with DRY_RUN over the same S3 keys: {task['peak_mb']} MB."
    yield ""


def _scan(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## `shard scan` to `.parquet`, from a store in memory"
    yield ""
    yield (
        "Half the objects are originals, half their thumbnails, of one collection: in two levels "
        "of hash folders (`folders`), or all in one folder, listed in no order (`flat`)."
    )
    yield ""
    yield "| tree | objects | seconds | CPU seconds | objects a second | peak memory, MB |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in ("folders", "flat"):
        figures = result[name]
        yield (
            f"| {name} | {figures['objects']:,} | {figures['seconds']} | {figures['cpu']} "
            f"| {figures['objects_per_second']:,} | {figures['peak_mb']} |"
        )
    yield ""


def _notes() -> str:
    return (Path(__file__).parent / "notes.md").read_text().strip()


def _surroundings(results: Results) -> Iterator[str]:
    yield "## Where and how"
    yield ""
    yield "| benchmark | date, commit | machine | versions |"
    yield "| --- | --- | --- | --- |"
    for name, result in results.items():
        if "surroundings" not in result:
            continue
        at = result["surroundings"]
        libraries = {"Python": at["python"], **at["libraries"], **result.get("versions", {})}
        versions = ", ".join(f"{library} {version}" for library, version in libraries.items())
        yield (
            f"| {name} | {at['date']}, {at['commit']} | {at['processor']}, {at['cores']} cores, "
            f"{at['memory_gib']:g} GiB, {at['system']} | {versions} |"
        )
    yield ""
    yield (
        "Again: `make bench ROUNDS=5` for all, `make bench-serve` for the service, or one, as "
        "`python -m benchmarks.store --help`."
    )
    yield ""


def groups(results: Results) -> Iterator[Group]:
    """Yield what the chart shows: images a second of whole processes."""
    for kind, title in _KINDS.items():
        if kind in results.get("pipeline", {}):
            yield _group(title, results["pipeline"][kind], results["pipeline"][kind]["files"])
    if "store" in results:
        title = f"JPEGs of 100 kB on S3, {results['store']['latency_ms_each_way']} ms away"
        yield _group(title, results["store"], results["store"]["objects"])


def _group(title: str, result: Mapping[str, Any], count: int) -> Group:
    rates = {
        name: count / facts["median"]
        for name, facts in result["programs"].items()
        if name != "in memory"
    }
    others = sorted((name for name in rates if name != "shard"), key=lambda name: -rates[name])
    return Group(f"{title}, images a second", {name: rates[name] for name in ("shard", *others)})


def main() -> None:
    """Write the page and the chart."""
    results = load()
    (DOCS / "benchmarks.md").write_text(text(results))
    (DOCS / "benchmarks.svg").write_text(svg(list(groups(results))))


if __name__ == "__main__":
    main()
