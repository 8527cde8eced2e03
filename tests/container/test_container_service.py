"""`shard serve` in a container: reached from outside, and ended in good order."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.container.containers import Container, answers, ended, eventually, image, local_job
from tests.program import FAULTS, outputs, picture, process
from tests.servers import free_ports

if TYPE_CHECKING:
    from pathlib import Path

_AT_ONCE = 12


def _service(folder: Path, **variables: str) -> tuple[Container, str]:
    """Return a service of ``folder``/in and /out, and the URL at which it will be."""
    (port,) = free_ports(1)
    job = local_job(
        folder,
        variables={"PORT": str(port), **variables},
        mounts={"/faults": (FAULTS, "ro")},
        network="host",
    )
    return job, f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_service_is_reached_from_outside_and_ends_well(tmp_path: Path, processes: str) -> None:
    """It listens at all addresses, makes the batch's bytes at its key; SIGTERM ends it with 0."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(picture(600, 400))
    service, url = _service(tmp_path, PROCESSES=processes)
    running = service.start("shard", "serve")
    eventually("an answer", lambda: answers(url))
    made = httpx.get(f"{url}/thumb/100x100/a.jpg", timeout=60)
    service.signal("TERM")
    done = ended(running, 30)
    outside = tmp_path / "outside"
    process({"INPUT_FOLDER": str(tmp_path / "in"), "OUTPUT_FOLDER": str(outside)})

    assert done.returncode == 0, done.stderr
    assert "serving at http://0.0.0.0:" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert outputs(tmp_path / "out") == outputs(outside)
    assert [made.content] == list(outputs(outside).values())


def test_requests_under_way_are_answered_before_the_end(tmp_path: Path) -> None:
    """As a container's first process it drains: whoever asked before SIGTERM gets a picture."""
    (tmp_path / "in").mkdir()
    for number in range(_AT_ONCE):
        (tmp_path / f"in/{number}.jpg").write_bytes(b"SLOW" + picture(60 + number, 40))
    service, url = _service(tmp_path, PYTHONPATH="/faults:/app", WORKERS="1", GRACE="30")
    running = service.start("shard", "serve")
    eventually("an answer", lambda: answers(url))
    with ThreadPoolExecutor(_AT_ONCE) as visitors:
        asked = [
            visitors.submit(httpx.get, f"{url}/thumb/100x100/{number}.jpg", timeout=60)
            for number in range(_AT_ONCE)
        ]
        eventually(
            "all have asked",
            lambda: _under_way(url) + sum(one.done() for one in asked) >= _AT_ONCE,
        )
        still = sum(not one.done() for one in asked)
        service.signal("TERM")
    done = ended(running, 60)

    assert still
    assert [one.result().status_code for one in asked] == [200] * _AT_ONCE
    assert done.returncode == 0, done.stderr


def _under_way(url: str) -> float:
    """Return how many requests the service has in hand, but the one that asks."""
    found = re.search(r"(?m)^shard_http_requests_in_flight (\S+)", httpx.get(f"{url}/metrics").text)
    assert found is not None
    return float(found[1]) - 1


def test_the_lean_image_says_what_the_service_needs() -> None:
    """One sentence with the extra to install, and 2."""
    done = Container(image=image("SHARD_TEST_LEAN_IMAGE")).run("shard", "serve", "/in", "/out")

    assert done.returncode == 2
    assert "shard[serve]" in done.stderr
    assert "Traceback" not in done.stderr
