"""Crashes, hangs, greed, signals and kills: one bad image costs one item, a kill costs nothing."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.program import (
    FAULTS,
    ROOT,
    fill,
    lines,
    outputs,
    picture,
    process,
    start_process,
    summaries,
)

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def _task(tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "INPUT_FOLDER": str(tmp_path / "in"),
        "OUTPUT_FOLDER": str(tmp_path / "out"),
        "WORKERS": "2",
        "PYTHONPATH": f"{FAULTS}:{ROOT}",
        "FAULTS_FOLDER": str(tmp_path),
        **more,
    }


def _slow(tmp_path: Path, count: int) -> None:
    for number in range(count):
        path = tmp_path / "in" / f"{number:03}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"SLOW" + picture(60, 40))


def _wait_for_outputs(tmp_path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("*.jpg"))) < count:
        assert time.monotonic() < deadline, "the task made nothing"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_a_crash_a_hang_and_greed_cost_one_item_each(tmp_path: Path) -> None:
    """The worker is replaced, the item tried once more alone, then failed; the others are made."""
    fill(tmp_path / "in", [f"{n:02}.jpg" for n in range(12)])
    (tmp_path / "in/crash.jpg").write_bytes(b"CRASH")
    (tmp_path / "in/hang.jpg").write_bytes(b"HANG")
    (tmp_path / "in/greedy.jpg").write_bytes(b"GREEDY")

    done = process(_task(tmp_path, ITEM_TIMEOUT="8", MEMORY_LIMIT="600MB"))

    assert done.returncode == 1, done.stderr
    assert len(outputs(tmp_path / "out")) == 12
    failed = {line["key"]: line for line in lines(tmp_path / "out") if line["status"] == "failed"}
    assert {key: line["reason"] for key, line in failed.items()} == {
        "crash.jpg": "crashed",
        "hang.jpg": "timeout",
        "greedy.jpg": "too_much_memory",
    }
    assert all(line["attempts"] == 2 for line in failed.values())
    assert "SIGSEGV" in failed["crash.jpg"]["detail"]


def test_an_item_that_crashes_once_is_made_on_its_second_try(tmp_path: Path) -> None:
    """A passing crash costs nothing but the retry."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    (tmp_path / "in/once.jpg").write_bytes(b"ONCE" + picture(60, 40))

    done = process(_task(tmp_path))

    assert done.returncode == 0, done.stderr
    assert set(outputs(tmp_path / "out")) == {"a.jpg", "b.jpg", "once.jpg"}
    attempts = {line["key"]: line["attempts"] for line in lines(tmp_path / "out")}
    assert attempts == {"a.jpg": 1, "b.jpg": 1, "once.jpg": 2}


def _interrupt(tmp_path: Path, number: signal.Signals) -> tuple[int, str]:
    _slow(tmp_path, 40)
    running = start_process(_task(tmp_path, RUN_ID="r1"))
    _wait_for_outputs(tmp_path, 3)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert "Traceback" not in err
    return running.returncode, out


def test_sigterm_drains_and_the_ledger_tells_the_truth(tmp_path: Path) -> None:
    """SIGTERM ends with 143; every output that exists is in the ledger; the rest is left."""
    code, out = _interrupt(tmp_path, signal.SIGTERM)

    written = {line["output"] for line in lines(tmp_path / "out") if line["status"] == "written"}
    assert code == 143
    assert "SIGTERM" in out
    assert written == set(outputs(tmp_path / "out"))
    assert summaries(tmp_path / "out")[0]["images"]["left"] == 40 - len(written)


def test_sigint_ends_with_130(tmp_path: Path) -> None:
    """SIGINT is a drain like SIGTERM's, with the shell's other code."""
    code, _ = _interrupt(tmp_path, signal.SIGINT)

    assert code == 130


def test_sigkill_then_retry_is_the_same_as_never_killed(tmp_path: Path) -> None:
    """After kill -9 nothing is torn, no worker lives on, the retry does what is missing."""
    _slow(tmp_path, 24)
    running = start_process(_task(tmp_path, RUN_ID="r1"))
    _wait_for_outputs(tmp_path, 3)
    workers = _children(running.pid)
    running.kill()
    running.communicate()
    _wait_for_end(workers)
    survivors = outputs(tmp_path / "out")

    retry = process(_task(tmp_path, RUN_ID="r1"))
    whole = process(_task(tmp_path, OUTPUT_FOLDER=str(tmp_path / "never-killed")))

    assert len(workers) == 2
    assert retry.returncode == whole.returncode == 0, retry.stderr
    assert outputs(tmp_path / "out") == outputs(tmp_path / "never-killed")
    last = summaries(tmp_path / "out")[-1]["totals"]
    assert last["skipped"] == {"fresh": len(survivors)}
    assert last["written"] == 24 - len(survivors)


def _wait_for_end(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    for pid in pids:
        while _is_alive(pid):
            assert time.monotonic() < deadline, f"worker {pid} outlived its task"
            time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_task_timeout_drains_by_itself(tmp_path: Path) -> None:
    """A task stops before the engine would kill it, with 143, so that it is retried."""
    _slow(tmp_path, 60)

    done = process(_task(tmp_path, TASK_TIMEOUT="6"))

    assert done.returncode == 143
    assert "TASK_TIMEOUT" in done.stdout
    assert 0 < len(outputs(tmp_path / "out")) < 60


def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    """SIGKILL of a worker in the middle: every image is still made."""
    _slow(tmp_path, 12)
    running: subprocess.Popen[str] = start_process(_task(tmp_path))
    _wait_for_outputs(tmp_path, 2)
    os.kill(_children(running.pid)[0], signal.SIGKILL)
    _, err = running.communicate(timeout=60)

    assert running.returncode == 0, err
    assert len(outputs(tmp_path / "out")) == 12


def test_what_a_killed_task_left_on_local_disk_is_swept(tmp_path: Path) -> None:
    """SIGKILL leaves the ledger's spool in TMPDIR; the next task removes it, and then its own."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    task = _task(tmp_path, TMPDIR=str(temporary))
    _slow(tmp_path, 12)
    running: subprocess.Popen[str] = start_process(task)
    _wait_for_outputs(tmp_path, 2)
    running.kill()
    running.communicate(timeout=60)
    left = list(temporary.iterdir())
    done = process(task)

    assert left
    assert done.returncode == 0, done.stderr
    assert list(temporary.iterdir()) == []


def test_sigterm_while_the_store_is_down_does_not_wait_for_it(tmp_path: Path) -> None:
    """A task that still lists ends at once, with 143 and without a traceback."""
    down = {
        "INPUT_FOLDER": "s3://bucket/in",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    running = start_process(_task(tmp_path, **down))
    assert running.stderr is not None
    first = running.stderr.readline()
    running.terminate()
    _, err = running.communicate(timeout=15)

    assert "trying again" in first
    assert running.returncode == 143
    assert "stopped by SIGTERM" in err
    assert "Traceback" not in err
