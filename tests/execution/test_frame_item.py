"""A frame's steps in a worker: bounded memory, no file left, one outcome whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shard.execution import frame_item
from shard.execution.job import Job
from shard.execution.served import Share, served_recipe
from shard.execution.work import DownloadBounds, Frames, Memory, Work
from shard.model import Item, Status
from shard.planning.frame_settings import FrameSettings
from shard.planning.frames import FrameOrder, Picture
from shard.storage import open_store
from tests.service.archive_double import Archive, star_field

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shard.execution.work import Recipe
    from shard.model import Outcome

COLOUR = Picture(color=True)


@pytest.fixture(scope="module")
def archive() -> Iterator[Archive]:
    """Serve a star field."""
    found = Archive().start()
    found.files["/a.fits"] = star_field()
    yield found
    found.close()


def _recipe(folder: Path, memory: Memory | None = None) -> Recipe:
    (folder / "bucket").mkdir()
    (folder / "scratch").mkdir()
    settings = FrameSettings.parse(
        {"ARCHIVE_API_URL": "http://archive.example/", "AWS_BUCKET": f"file://{folder}/bucket"}
    )
    assert settings is not None
    bounds = DownloadBounds(10_000_000, 1000, 10)
    frames = Frames(str(folder / "scratch"), bounds)
    return replace(
        served_recipe(settings.task, Share(1, 0, 60)), frames=frames, memory=memory or None
    )


def _work(archive: Archive, picture: Picture, *, alone: bool = False) -> Work:
    urls = (f"{archive.files_url}/a.fits",) * (3 if picture.color else 1)
    order = FrameOrder("1.jpg", urls, picture)
    return Work(1, Item("1.jpg", 0), (frame_item.NAME,), frame=order, alone=alone)


def _through(work: Work, recipe: Recipe) -> tuple[Job, Outcome]:
    store, job = open_store(recipe.output, recipe.storage), Job(work)
    frame_item.read(job, store, recipe)
    frame_item.compare(job, store, recipe)
    frame_item.render(job, recipe)
    (outcome,) = frame_item.write(job, store, recipe)
    return job, outcome


@pytest.mark.parametrize("picture", [Picture(), COLOUR], ids=["mono", "colour"])
def test_a_picture_is_written_and_nothing_left(
    archive: Archive, tmp_path: Path, picture: Picture
) -> None:
    """The outcome tells sizes and times; the files are gone."""
    _, outcome = _through(_work(archive, picture), _recipe(tmp_path))

    assert (outcome.status, outcome.output) == (Status.WRITTEN, "1.jpg")
    assert (tmp_path / "bucket" / "1.jpg").stat().st_size == outcome.bytes_out
    assert outcome.bytes_read == len(archive.files["/a.fits"]) * (3 if picture.color else 1)
    assert {"read", "wait", "decode", "encode", "write"} <= set(outcome.ms)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_another_process_wrote_first_is_let_be(archive: Archive, tmp_path: Path) -> None:
    """Create-only; the outcome says that it is there."""
    recipe = _recipe(tmp_path)
    _through(_work(archive, Picture()), recipe)
    _, outcome = _through(_work(archive, Picture()), recipe)

    assert (outcome.status, outcome.reason) == (Status.SKIPPED, "fresh")


@pytest.mark.parametrize("picture", [Picture(), COLOUR], ids=["mono", "colour"])
def test_a_heavy_frame_comes_back_undrawn(
    archive: Archive, tmp_path: Path, picture: Picture
) -> None:
    """It is told how much it takes, and is drawn when no other is beside it."""
    recipe = _recipe(tmp_path, Memory(share=1000, alone=1_000_000_000))
    heavy, undrawn = _through(_work(archive, picture), recipe)
    alone, outcome = _through(_work(archive, picture, alone=True), recipe)

    assert heavy.needs is not None
    assert heavy.needs > 360 * 240
    assert undrawn.status is Status.FAILED
    assert alone.needs is None
    assert outcome.status is Status.WRITTEN


def test_a_frame_that_fits_nowhere_is_refused(archive: Archive, tmp_path: Path) -> None:
    """With both numbers."""
    recipe = _recipe(tmp_path, Memory(share=1000, alone=2000))
    _, outcome = _through(_work(archive, Picture()), recipe)

    assert (outcome.status, outcome.reason) == (Status.FAILED, "too_much_memory")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_files_of_killed_workers_are_removed_by_the_next(archive: Archive, tmp_path: Path) -> None:
    """And those of living ones stay."""
    recipe = _recipe(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (f"{ended.pid}-5", f"{os.getpid()}-99"):
        (tmp_path / "scratch" / name).mkdir()
    _through(_work(archive, Picture()), recipe)
    left = [path.name for path in (tmp_path / "scratch").iterdir()]

    assert left == [f"{os.getpid()}-99"]
