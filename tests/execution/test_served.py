"""One source as a service sees it, on local disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from shard.execution.served import NotServed, ServedSite, Share, served_site
from shard.planning.settings import TaskSettings
from tests.program import fill

if TYPE_CHECKING:
    from pathlib import Path


def site(tmp_path: Path, renditions: str = "40x40,format=jpeg") -> ServedSite:
    """Return the site of a folder."""
    variables = {
        "INPUT_FOLDER": str(tmp_path / "in"),
        "OUTPUT_FOLDER": str(tmp_path / "out"),
        "RENDITIONS": renditions,
    }
    return served_site("", TaskSettings.parse(variables), Share(1, 0, 5.0))


def seen(tmp_path: Path, key: str) -> tuple[str, ...]:
    """Return the keys of the images that are made before, and of the winner, if there is one."""
    one = site(tmp_path)
    found = one.look(key, one.recipe.renditions[0])
    return (*(work.item.key for work in found.works[:-1]), *filter(None, [found.winner]))


def test_a_name_at_the_limit_has_no_rivals(tmp_path: Path) -> None:
    """What the name would be with an extension appended is no name at all."""
    name = "a" * 251 + ".jpg"
    fill(tmp_path / "in", [name])

    assert seen(tmp_path, name) == ()


@pytest.mark.parametrize(
    ("names", "key", "others"),
    [
        (["s.tif", "s.tif.jpg"], "s.tif.jpg", ("s.tif",)),
        (["s.tif", "s.tif.jpg"], "s.tif", ()),
        (["s", "s.jpg"], "s.jpg", ()),  # a disk tells no types: without an extension no image
        (["s.tif.jpg", "s.tifx"], "s.tif.jpg", ()),
        (["s.tif", "s.tif.jpg.jpg"], "s.tif.jpg.jpg", ()),
    ],
)
def test_who_comes_first(
    tmp_path: Path, names: list[str], key: str, others: tuple[str, ...]
) -> None:
    """Of those whose output could be the same the earlier ones, and no others."""
    fill(tmp_path / "in", names)

    assert seen(tmp_path, key) == others


@pytest.mark.parametrize("name", ["pipe.jpg", "folder.jpg", "nothing.jpg"])
def test_what_is_no_file_is_not_served(tmp_path: Path, name: str) -> None:
    """Pipes, folders and what is not there are not found."""
    fill(tmp_path / "in", ["a.jpg"])
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    (tmp_path / "in" / "folder.jpg").mkdir()

    with pytest.raises(NotServed):
        seen(tmp_path, name)
