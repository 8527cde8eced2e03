"""How containers end before their time, and that another attempt makes the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from tests.container.containers import Container, ended, eventually, local_job, podman
from tests.program import FAULTS, lines, outputs, picture, summaries

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

_FAULTY = {"PYTHONPATH": "/faults:/app", "WORKERS": "2", "RUN_ID": "r1"}


def _job(folder: Path, memory: str = "512m", **variables: str) -> Container:
    """Return a task whose decoders obey the bytes: SLOW, GREEDY (see tests/e2e/faults)."""
    return local_job(
        folder,
        memory=memory,
        variables={**_FAULTY, **variables},
        mounts={"/faults": (FAULTS, "ro")},
    )


def _slow(folder: Path, count: int) -> None:
    (folder / "in").mkdir()
    for number in range(count):
        (folder / f"in/{number:03}.jpg").write_bytes(b"SLOW" + picture(60, 40))


def _interrupt(folder: Path, signal: str) -> subprocess.CompletedProcess[str]:
    """Send a signal to a task of 24 slow images once it has made three."""
    _slow(folder, 24)
    job = _job(folder)
    running = job.start()
    eventually("three thumbnails", lambda: len(outputs(folder / "out")) >= 3)
    job.signal(signal)
    return ended(running, 30)


def _retry(folder: Path) -> None:
    """Assert that another attempt makes all that is missing, and nothing else."""
    made = len(outputs(folder / "out"))
    done = _job(folder).run()

    last = summaries(folder / "out")[-1]["totals"]
    assert done.returncode == 0, done.stderr
    assert last["skipped"] == {"fresh": made}
    assert last["written"] == 24 - made
    assert len(outputs(folder / "out")) == 24


def test_sigterm_reaches_the_task_and_the_retry_ends_well(tmp_path: Path) -> None:
    """143, the ledger holds what was made, and the next attempt makes the rest."""
    done = _interrupt(tmp_path, "TERM")
    written = {line["output"] for line in lines(tmp_path / "out") if line["status"] == "written"}

    assert done.returncode == 143, done.stderr
    assert "SIGTERM" in done.stdout
    assert 3 <= len(written) < 24
    assert written == set(outputs(tmp_path / "out"))
    _retry(tmp_path)


def test_a_container_that_is_killed_loses_nothing_that_was_made(tmp_path: Path) -> None:
    """137 as after an engine's kill; the next attempt makes the rest."""
    done = _interrupt(tmp_path, "KILL")

    assert done.returncode == 137
    assert 3 <= len(outputs(tmp_path / "out")) < 24
    _retry(tmp_path)


def test_sigterm_ends_a_container_that_has_only_begun(tmp_path: Path) -> None:
    """The first process of a container is deaf until it has a handler: it has one at once."""
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "click.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    job = Container(variables={"PYTHONPATH": "/slow"}, mounts={"/slow": (slow, "ro")})
    running = job.start()
    assert running.stdout is not None
    assert running.stdout.readline() == "importing\n"
    job.signal("TERM")

    assert ended(running, 30).returncode == 143


def test_the_kernel_kills_the_worker_not_the_task(tmp_path: Path) -> None:
    """An image that outgrows the container's memory is named; all others are made."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        (tmp_path / f"in/{number:03}.jpg").write_bytes(picture(60, 40))
    greedy = tmp_path / "in/005-greedy.jpg"
    greedy.write_bytes(b"GREEDY")
    # Told of more memory than there is, the task does not see it coming: the kernel must act.
    done = _job(tmp_path, memory="256m", MEMORY_LIMIT="4GiB").run()
    (failed,) = [line for line in lines(tmp_path / "out") if line["status"] == "failed"]

    assert done.returncode == 1, done.stderr
    assert (failed["key"], failed["reason"], failed["attempts"]) == (greedy.name, "crashed", 2)
    assert "SIGKILL" in failed["detail"]
    assert greedy.name in done.stdout
    assert len(outputs(tmp_path / "out")) == 12
    greedy.write_bytes(picture(60, 40))
    again = _job(tmp_path, memory="256m").run()
    assert again.returncode == 0, again.stderr
    assert len(outputs(tmp_path / "out")) == 13


def test_dead_workers_leave_no_zombies(tmp_path: Path) -> None:
    """The task reaps its workers, so that no init is needed beside it."""
    _slow(tmp_path, 24)
    job = _job(tmp_path)
    running = job.start()
    eventually("three thumbnails", lambda: len(outputs(tmp_path / "out")) >= 3)
    task = psutil.Process(int(podman("inspect", "--format={{.State.Pid}}", job.name)))
    workers = task.children()
    for worker in workers:
        worker.kill()
    made = len(outputs(tmp_path / "out"))
    eventually("work by new workers", lambda: len(outputs(tmp_path / "out")) >= made + 4)
    children = {child.pid: child.status() for child in task.children(recursive=True)}
    done = ended(running)

    assert len(workers) == len(children) == 2
    assert children.keys().isdisjoint({worker.pid for worker in workers})
    assert psutil.STATUS_ZOMBIE not in children.values()
    assert done.returncode == 0, done.stderr
    assert len(outputs(tmp_path / "out")) == 24
