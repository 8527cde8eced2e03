"""`shard run --tasks N` and `shard status`: the array on one machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.program import (
    FAULTS,
    ROOT,
    environment,
    fill,
    lines,
    outputs,
    picture,
    run_folders,
    shard,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("rule", ["hash", "stride", "contiguous", "balanced"])
def test_four_tasks_make_what_one_makes(tmp_path: Path, rule: str) -> None:
    """On any slice rule, N tasks write exactly the keys and bytes that one task writes."""
    fill(tmp_path / "in", [f"{n % 3}/{n:02}.jpg" for n in range(21)])
    shard("run", "in", "one", cwd=tmp_path)

    done = shard("run", "in", "four", "--tasks", "4", "--slice", rule, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path / "four") == outputs(tmp_path / "one")
    assert len(lines(tmp_path / "four")) == 21
    assert "4 of 4 tasks done" in done.stdout


def test_a_bad_image_is_not_retried_for_ever_and_is_named(tmp_path: Path) -> None:
    """Permanent failures end the run with exit 1 and are summed up over tasks."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    (tmp_path / "in/bad.jpg").write_bytes(picture(400, 300)[:2000])

    done = shard("run", "in", "out", "--tasks", "2", "--retries", "3", cwd=tmp_path)

    assert done.returncode == 1
    assert "truncated, 1 image: 'bad.jpg'" in done.stdout
    assert len([line for line in lines(tmp_path / "out") if line["key"] == "bad.jpg"]) == 1


def test_a_killed_task_is_started_again(tmp_path: Path) -> None:
    """SIGKILL of one task process: `shard run` starts it again and ends well."""
    for number in range(16):
        path = tmp_path / "in" / f"{number:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"SLOW" + picture(60, 40))
    running = _start(tmp_path)
    _kill_one_task(running.pid, tmp_path)
    out, err = running.communicate(timeout=120)

    assert running.returncode == 0, err
    assert "was ended by SIGKILL" in err
    assert "it is started again" in err
    assert "2 of 2 tasks done" in out
    assert len(outputs(tmp_path / "out")) == 16


def test_ctrl_c_reaches_all_tasks(tmp_path: Path) -> None:
    """SIGINT to `shard run` drains every task; exit 130; the status says what is left."""
    for number in range(40):
        path = tmp_path / "in" / f"{number:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"SLOW" + picture(60, 40))
    running = _start(tmp_path)
    _wait_for_outputs(tmp_path, 2)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)

    status = shard("status", str(run_folders(tmp_path / "out")[0]))
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert "0 of 2 tasks done" in out
    assert status.returncode == 1
    assert "SIGINT" in status.stdout


def _start(tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shard", "run", "in", "out", "--tasks", "2", "--workers", "1"],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": f"{FAULTS}:{ROOT}"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_outputs(tmp_path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("*.jpg"))) < count:
        assert time.monotonic() < deadline, "the tasks made nothing"
        time.sleep(0.02)


def _kill_one_task(pid: int, tmp_path: Path) -> None:
    import psutil

    _wait_for_outputs(tmp_path, 1)
    tasks = [p for p in psutil.Process(pid).children() if "process.py" in " ".join(p.cmdline())]
    tasks[0].kill()


def test_status_adds_up_and_names_missing_tasks(tmp_path: Path) -> None:
    """`shard status` counts over all ledgers and says which tasks left none."""
    fill(tmp_path / "in", [f"{n}.jpg" for n in range(9)])
    shard("run", "in", "out", "--tasks", "3", "--run-id", "r1", cwd=tmp_path)
    run = tmp_path / "out/.shard/runs/r1"

    whole = shard("status", str(run))
    latest = shard("status", str(tmp_path / "out"))
    for path in run.glob("task-00001-of-*"):
        path.unlink()
    partial = shard("status", str(run))

    assert whole.returncode == 0
    assert "9 thumbnails of 9 images" in whole.stdout
    assert latest.stdout == whole.stdout
    assert partial.returncode == 1
    assert "no ledger of 1 task: 1" in partial.stdout


def test_status_of_nothing_is_a_sentence(tmp_path: Path) -> None:
    """A folder without a run is told so, with what to name instead."""
    done = shard("status", str(tmp_path))

    assert done.returncode == 2
    assert "holds no run" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_of_an_array_are_said_once(tmp_path: Path) -> None:
    """A wrong setting stops `shard run` before any task is started."""
    done = shard("run", "in", "out", "--tasks", "3", "--renditions", "huge", cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.count("RENDITIONS") == 1
