"""Temporary folders of tasks: one's own, gone in the end, and swept after a kill."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from shard.execution.scratch import scratch, sweep


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system's temporary folder be the test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_lives_as_long_as_its_task(tmp_path: Path) -> None:
    """Others sweep and leave it; in the end it goes."""
    with scratch() as folder:
        (folder / "source").touch()
        sweep()

        assert (folder / "source").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_task_left_is_swept(tmp_path: Path) -> None:
    """A folder whose lock nobody holds goes at the next start; one of another kind stays."""
    for name in ("shard-pyramids-dead", "shard-other-dead"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".lock").touch()
    with scratch():
        left = {path.name for path in tmp_path.iterdir() if path.name.endswith("-dead")}

    assert left == {"shard-other-dead"}


def test_a_folder_swept_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two tasks that start at once one may sweep the other's in the moment before its lock."""
    lock = fcntl.flock
    swept: list[Path] = []

    def late(descriptor: int, operation: int) -> None:
        if not swept:
            swept.append(Path(f"/proc/self/fd/{descriptor}").readlink().parent)
            shutil.rmtree(swept[0])
        lock(descriptor, operation)

    flock: Any = late
    monkeypatch.setattr(fcntl, "flock", flock)
    with scratch() as folder:
        assert folder not in swept
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []
