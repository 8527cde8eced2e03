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


def test_a_run_that_made_nothing_or_slowly_is_no_pace(tmp_path: Path) -> None:
    """The pace is that of the latest run which shows one, not of one that idled or was slowed."""
    plant(make_tree(60), tmp_path)
    shard("scan", ".", "-q", cwd=tmp_path)
    command = ("report", "-m", "manifest.json", "--format", "json")

    def told() -> str | None:
        run = json.loads(shard(*command, cwd=tmp_path).stdout)["images_per_second_from"]
        return None if run is None else str(run)

    shard("generate", "-m", "manifest.json", "-s", "40", "--cadence", "0.001", cwd=tmp_path)
    assert told() is None
    shard("generate", "-m", "manifest.json", cwd=tmp_path)
    shown = told()
    shard("generate", "-m", "manifest.json", cwd=tmp_path)

    assert shown is not None
    assert told() == shown


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
