"""Folders of pictures on local disk, and outputs beside them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from benchmarks import corpora
from benchmarks.measuring import Places

DISTINCT = 20
"""Pictures that differ; more files are hard links to them, under names of their own."""


def folder(root: Path, kind: str, count: int) -> Path:
    """Return a folder with exactly ``count`` files of a kind of corpus."""
    pictures = corpora.corpus(root, kind, min(count, DISTINCT))
    place = root / f"{kind}_x{count}"
    if place.is_dir() and len(list(place.iterdir())) == count:
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for number in range(count):
        picture = pictures[number % len(pictures)]
        os.link(picture, place / f"{number:05}{picture.suffix}")
    return place


def places(root: Path) -> Places:
    """Return output folders below ``root``."""

    def fresh(name: str) -> str:
        place = root / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return str(place)

    return Places(fresh, count, shutil.rmtree)


def count(place: str) -> int:
    """Return how many thumbnails are below a folder; Shard's own state is none."""
    return sum(len(names) for at, _, names in os.walk(place) if ".shard" not in Path(at).parts)


def summary(place: str) -> dict[str, Any]:
    """Return the summary of the last attempt of the only task that wrote to ``place``."""
    (path,) = Path(place, ".shard", "runs").glob("*/task-*.json")
    attempt: dict[str, Any] = json.loads(path.read_text())["attempts"][-1]
    return attempt
