"""`shard serve` in a container: reached from outside, and ended in good order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.container.containers import Container, answers, ended, eventually, image, local_job
from tests.program import picture
from tests.servers import free_ports

if TYPE_CHECKING:
    from pathlib import Path


def _service(folder: Path, **variables: str) -> tuple[Container, str]:
    """Return a service of ``folder``/in and /out, and the URL at which it will be."""
    (folder / "in").mkdir()
    (folder / "in/a.jpg").write_bytes(picture(600, 400))
    (port,) = free_ports(1)
    job = local_job(folder, variables={"PORT": str(port), **variables}, network="host")
    return job, f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_service_is_reached_from_outside_and_ends_well(tmp_path: Path, processes: str) -> None:
    """Nobody says HOST: it listens at all addresses; SIGTERM ends it with 0, as first process."""
    service, url = _service(tmp_path, PROCESSES=processes)
    running = service.start("shard", "serve")
    eventually("an answer", lambda: answers(url))
    service.signal("TERM")
    done = ended(running, 30)

    assert done.returncode == 0, done.stderr
    assert "serving at http://0.0.0.0:" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_lean_image_says_what_the_service_needs() -> None:
    """One sentence with the extra to install, and 2."""
    done = Container(image=image("SHARD_TEST_LEAN_IMAGE")).run("shard", "serve", "/in", "/out")

    assert done.returncode == 2
    assert "shard[serve]" in done.stderr
    assert "Traceback" not in done.stderr
