"""`shard report` as a process: what it says, and what it says to mistakes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.collections_tree import make_tree, plant
from tests.program import shard

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a scanned tree: manifest.json."""
    folder = tmp_path_factory.mktemp("scanned")
    plant(make_tree(60), folder, "attachments")
    assert shard("scan", "--local-root", ".", "-q", cwd=folder).returncode == 0
    return folder


def test_plan_before_and_after_generate(scanned: Path) -> None:
    """The plan is what generate makes; afterwards a new scan has nothing to make, and a pace."""
    plan = shard("report", "-m", "manifest.json", "-t", "plan", "--format", "json", cwd=scanned)
    made = shard("generate", "-m", "manifest.json", cwd=scanned)
    shard("scan", "--local-root", ".", "-q", cwd=scanned)
    after = shard("report", "-m", "manifest.json", "-t", "plan", "--format", "json", cwd=scanned)
    before, later = json.loads(plan.stdout), json.loads(after.stdout)

    assert f"written     {before['to_make']} thumbnails" in made.stdout
    assert (before["images_per_second_from"], later["to_make"]) == (None, 0)
    assert later["images_per_second_from"] is not None
    text = shard("report", "-m", "manifest.json", cwd=scanned)
    assert "nothing: every image has its thumbnail of 200 px" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "none.json"], "there is no such manifest"),
        (["-m", "manifest.json", "--collection", "fish"], "botany, ichthyology, iz"),
        (["-m", "manifest.json", "-s", "0"], "--size"),
        (["-m", "manifest.json", "-c", "-1"], "--cadence"),
        (["-m", "manifest.json", "-t", "all"], "'summary', 'detailed', 'plan'"),
        ([], "--manifest"),
    ],
)
def test_mistakes(scanned: Path, arguments: list[str], said: str) -> None:
    """Each costs one sentence and exit code 2."""
    done = shard("report", *arguments, cwd=scanned)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
