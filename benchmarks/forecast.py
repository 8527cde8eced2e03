"""`shard plan` against `shard run` of the same 2,000 images, back to back: forecast over actual.

``python -m benchmarks.forecast [--rounds 5] [--count 2000] [--sample 200]``; a mixed corpus and one
of small JPEGs, on local disk and on SeaweedFS, near by. Above 1: the plan was too cautious.
On SeaweedFS the server shares the cores, and counts among the others.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import corpora, local, store
from benchmarks.measuring import SHARD, Contender, arguments, run, save
from shard.execution import plan_record
from shard.storage import open_store
from shard.storage.base import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measuring import Places
    from shard.storage.base import Store
    from tests.servers import S3Server

_MIXED = {
    "jpeg_small": 0.75,
    "jpeg_12mp": 0.17,
    "progressive_12mp": 0.05,
    "webp_18mp": 0.01,
    "png_18mp": 0.01,
    "tiff_lzw_18mp": 0.01,
}
"""Shares of a collection that has grown: by number, not by bytes."""


def mixed(root: Path, count: int) -> Path:
    """Return a folder of ``count`` files of all kinds: hard links, under names of their own."""
    place = root / f"mixed_x{count}"
    shutil.rmtree(place, ignore_errors=True)
    number = 0
    for kind, share in _MIXED.items():
        pictures = corpora.corpus(root, kind, local.DISTINCT if kind.startswith("jpeg") else 4)
        for at in range(max(1, round(share * count))):
            picture = pictures[at % len(pictures)]
            # Kinds lie side by side, as in folders by date.
            target = place / f"{at % 20:02}" / f"{number:05}{picture.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(picture, target)
            number += 1
    return place


def upload(server: S3Server, folder: Path) -> str:
    """Put a folder's files into a new bucket; return its name."""
    client, bucket = server.client(), server.bucket("forecast")
    files = [path for path in folder.rglob("*") if path.is_file()]

    def put(path: Path) -> None:
        key = f"in/{path.relative_to(folder)}"
        client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, files))
    return bucket


def compare(
    source: str, places: Places, env: Mapping[str, str], given: tuple[int, int, int]
) -> dict[str, Any]:
    """Plan and run, ``rounds`` times in turn; return both times and their ratios.

    Of ``tries`` a round the one counts that other programs disturbed least: a plan cannot know
    what they are going to do. ``computing``: the same ratio of processor time, which they hardly
    touch.
    """
    rounds, sample, tries = given
    base = f"{source.rpartition('/')[0]}/" if "://" in source else ""
    found: list[dict[str, float]] = []
    for at in range(rounds):
        tried = []
        for again in range(tries):
            out = base + places.fresh(f"forecast-{at}-{again}")
            tried.append(_once(source, out, env, sample))
            places.remove(out)
        found.append(min(tried, key=lambda one: one["others"]))
        print(f"  round {at + 1}: {found[-1]}", flush=True)
    ratios = [one["forecast"] / one["run"] for one in found]
    return {
        "rounds": [{name: round(value, 2) for name, value in one.items()} for one in found],
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median": round(statistics.median(ratios), 3),
        "computing": round(statistics.median(one["computing"] for one in found), 3),
    }


def _once(source: str, out: str, env: Mapping[str, str], sample: int) -> dict[str, float]:
    planned = Contender(
        "plan", lambda out: [*_command("plan", source, out), "--sample", str(sample)], env=env
    )
    actual = Contender("run", lambda out: _command("run", source, out), env=env)
    plan, said = run(planned, out), json.loads(_read(out, env, plan_record.NAME))
    timing = run(actual, out)
    sums = said["details"]["here"]["sums"]
    (name,) = [key for key in _keys(out, env) if key.endswith("-00001.json")]
    attempt = json.loads(_read(out, env, name))["attempts"][-1]
    return {
        "plan": plan.wall,
        "forecast": said["details"]["here"]["seconds"]["value"],
        "run": timing.wall,
        "others": max(plan.foreign, timing.foreign),
        "computing": sums["cpu"]["value"] / (attempt["totals"]["cpu_ms"] / 1000),
    }


def _command(verb: str, source: str, out: str) -> list[str]:
    return [SHARD, verb, source, out, "--sizes", "200"]


def _read(out: str, env: Mapping[str, str], key: str) -> bytes:
    return _store(out, env).read(key)


def _keys(out: str, env: Mapping[str, str]) -> list[str]:
    runs = ".shard/runs"
    return [f"{runs}/{item.key}" for item in _store(f"{out.rstrip('/')}/{runs}", env).list()]


def _store(out: str, env: Mapping[str, str]) -> Store:
    os.environ.update(env)
    return open_store(out, StorageOptions())


def main() -> None:
    """Measure; write ``results/forecast.json``."""
    given = arguments(__doc__, count=2000, sample=200)
    small = local.folder(given.corpora, "jpeg_small", given.count)
    folders = {"mixed": mixed(given.corpora, given.count), "small JPEGs": small}
    results: dict[str, Any] = {"count": given.count, "sample": given.sample, "cases": {}}
    with tempfile.TemporaryDirectory(prefix="shard-bench-") as work:
        for name, folder in folders.items():
            print(f"{name}, local disk", flush=True)
            results["cases"][f"{name}, local disk"] = compare(
                str(folder), local.places(Path(work)), {}, (given.rounds, given.sample, given.tries)
            )
        with store.seaweed(Path(work)) as server:
            for name, folder in folders.items():
                print(f"{name}, SeaweedFS", flush=True)
                bucket = upload(server, folder)
                results["cases"][f"{name}, SeaweedFS"] = compare(
                    f"s3://{bucket}/in",
                    store.places(server, bucket),
                    server.env,
                    (given.rounds, given.sample, 1),
                )
    save("forecast", results)


if __name__ == "__main__":
    main()
