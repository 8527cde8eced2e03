"""An original on its way beside its renditions: written last, and only as it was read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from shard.execution import item as steps
from shard.execution.work import Originals, Recipe, Work
from shard.model import Limits, Outcome, Status
from shard.planning.renditions import parse_renditions
from shard.planning.upload import UploadLayout
from shard.storage import open_store
from shard.storage.base import StorageOptions
from tests.program import picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RENDITIONS = parse_renditions("small=20x20,format=jpeg")
NAMES = ("original", "small")


def _recipe(folder: Path, originals: Originals) -> Recipe:
    return Recipe(
        source=str(folder / "in"),
        output=str(folder / "out"),
        storage=StorageOptions(),
        renditions=RENDITIONS,
        layout=UploadLayout("", RENDITIONS),
        limits=Limits(max_bytes=50_000_000),
        originals=originals,
    )


def _go(
    folder: Path,
    data: bytes,
    meanwhile: Callable[[Path], object] = lambda _: None,
    originals: Originals = Originals(),  # noqa: B008 - frozen
) -> dict[str, Outcome]:
    """Take one file through a worker's steps; ``meanwhile`` happens before it is written."""
    (folder / "in").mkdir(exist_ok=True)
    path = folder / "in" / "a.jpg"
    path.write_bytes(data)
    recipe = _recipe(folder, originals)
    source, output = open_store(recipe.source, recipe.storage), folder / "out"
    target = open_store(recipe.output, recipe.storage)
    output.mkdir(exist_ok=True)
    (item,) = source.list()
    existing = {found.key: found for found in target.list()}
    job = steps.Job(Work(0, item, NAMES, existing=existing))
    steps.read(job, source, recipe)
    steps.compare(job, target, recipe)
    steps.render(job, recipe)
    meanwhile(path)
    return {outcome.rendition: outcome for outcome in steps.write(job, target, recipe)}


@pytest.mark.parametrize("padding", [0, 9 << 20], ids=["in memory", "read again"])
def test_a_file_that_changes_under_the_upload_is_noticed(tmp_path: Path, padding: int) -> None:
    """Another content, or only another time, after it was read: it fails as changed."""
    data = picture(60, 40) + b"\0" * padding
    found = _go(tmp_path, data, lambda path: path.write_bytes(data[::-1]))

    assert found["original"].status is Status.FAILED
    assert found["original"].reason == "changed"
    assert found["original"].retryable


def test_of_a_large_file_that_changed_nothing_is_stored(tmp_path: Path) -> None:
    """What is streamed is compared with what was rendered before it appears."""
    data = picture(60, 40) + b"\0" * (9 << 20)
    _go(tmp_path, data, lambda path: path.write_bytes(data[::-1]))

    assert not (tmp_path / "out/original/a.jpg").exists()


def test_what_is_there_is_neither_rendered_nor_written(tmp_path: Path) -> None:
    """The same content skips original and rendition; its MD5 decides, not its time."""
    _go(tmp_path, picture(60, 40))
    (tmp_path / "out/original/a.jpg").touch()
    found = _go(tmp_path, picture(60, 40))

    assert found["original"].reason == "unchanged"
    assert found["original"].status is Status.SKIPPED


def test_a_changed_original_has_its_rendition_made_again(tmp_path: Path) -> None:
    """A rendition that is newer than the file is no longer believed."""
    first = _go(tmp_path, picture(60, 40))
    made = (tmp_path / "out/thumbnail/a.jpg").read_bytes()
    second = _go(tmp_path, picture(40, 60))

    assert first["small"].status is second["small"].status is Status.WRITTEN
    assert (tmp_path / "out/thumbnail/a.jpg").read_bytes() != made


@pytest.mark.parametrize("keep", [False, True])
def test_what_cannot_be_rendered_stays_unless_kept(tmp_path: Path, keep: bool) -> None:
    """The rendition fails either way, the original goes up only where it is asked for."""
    found = _go(tmp_path, picture(60, 40)[:300], originals=Originals(keep_corrupt=keep))

    assert found["small"].status is Status.FAILED
    assert (found["original"].status is Status.WRITTEN) is keep
    assert (tmp_path / "out/original/a.jpg").exists() is keep


def test_without_its_rendition_an_original_is_not_written(tmp_path: Path) -> None:
    """An original that is there says that its renditions are: it waits for them."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thumbnail").write_bytes(b"a file where the folder should be")
    found = _go(tmp_path, picture(60, 40))

    assert found["original"].status is found["small"].status is Status.FAILED
    assert not (tmp_path / "out/original/a.jpg").exists()


def test_an_empty_or_too_large_file_is_kept_when_asked(tmp_path: Path) -> None:
    """Files that are refused unread are still hashed, streamed and written."""
    recipe = _recipe(tmp_path, Originals(keep_corrupt=True))
    data = b"\0" * (recipe.limits.max_bytes + 1)
    found = _go(tmp_path, data, originals=Originals(keep_corrupt=True))

    assert found["small"].reason == "too_many_bytes"
    assert found["original"].status is Status.WRITTEN
    with (tmp_path / "out/original/a.jpg").open("rb") as file:
        assert hashlib.file_digest(file, "md5").digest() == hashlib.md5(data).digest()
