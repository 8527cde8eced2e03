"""`GET /thumb` under load and faults: real processes, killed, hung, hurried, left alone."""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.program import FAULTS, ROOT, fill, outputs, picture
from tests.service.running import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.running import Running


def variables(folder: Path, **more: str) -> dict[str, str]:
    """Return what serves ``folder/in`` into ``folder/out``, by decoders that fail when told to."""
    (folder / "in").mkdir(exist_ok=True)
    return {
        "INPUT_FOLDER": str(folder / "in"),
        "OUTPUT_FOLDER": str(folder / "out"),
        "RENDITIONS": "small=40x40",
        "WORKERS": "2",
        "PYTHONPATH": f"{FAULTS}:{ROOT}",
        "FAULTS_FOLDER": str(folder),
        **more,
    }


def at_once(service: Running, paths: list[str]) -> list[httpx.Response]:
    """Ask for all of them at the same time."""
    limits = httpx.Limits(max_connections=None)
    with (
        httpx.Client(base_url=service.url, timeout=60, limits=limits) as client,
        ThreadPoolExecutor(len(paths)) as threads,
    ):
        return list(threads.map(client.get, paths))


def render_processes(service: Running) -> list[psutil.Process]:
    """Return the workers, of all server processes."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    return [child for child in children if "shard.execution.worker" in " ".join(child.cmdline())]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_many_ask_for_is_made_once(tmp_path: Path, processes: int) -> None:
    """200 requests for 20 thumbnails are 20 renderings, in each server process at most."""
    keys = [f"{n}.jpg" for n in range(20)]
    fill(tmp_path / "in", keys)
    with running(variables=variables(tmp_path, PROCESSES=str(processes))) as service:
        answers = at_once(service, [f"/thumb/small/{key}" for key in keys * 10])
        renders = service.metric("shard_render_seconds_count")

    assert {answer.status_code for answer in answers} == {200}
    assert 20 <= renders <= 20 * processes
    made = outputs(tmp_path / "out")
    assert [a.content for a in answers] == [made[key] for key in keys * 10]


def test_a_worker_that_is_killed_costs_nobody_anything(tmp_path: Path) -> None:
    """SIGKILL in the middle of a rendering: it is done once more, and others as well."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    (tmp_path / "in/slow.jpg").write_bytes(b"SLOW" + picture(160, 120))
    with running(variables=variables(tmp_path)) as service:
        service.get("/thumb/small/a.jpg")
        with ThreadPoolExecutor(1) as client:
            slow = client.submit(service.get, "/thumb/small/slow.jpg")
            time.sleep(0.2)
            for worker in render_processes(service):
                worker.kill()
            statuses = slow.result().status_code, service.get("/thumb/small/b.jpg").status_code

    assert statuses == (200, 200)


def test_a_decoder_that_crashes_or_hangs_is_the_image_s_own_fault(tmp_path: Path) -> None:
    """Both are answered with a reason and remembered; the service goes on."""
    fill(tmp_path / "in", ["a.jpg"])
    (tmp_path / "in/crash.jpg").write_bytes(b"CRASH")
    (tmp_path / "in/hang.jpg").write_bytes(b"HANG")
    with running(variables=variables(tmp_path, ITEM_TIMEOUT="1")) as service:
        keys = ["crash.jpg", "hang.jpg", "a.jpg"]
        answers = at_once(service, [f"/thumb/small/{key}" for key in keys])
        renders = service.metric("shard_render_seconds_count")
        again = at_once(service, [f"/thumb/small/{key}" for key in keys])

        assert service.metric("shard_render_seconds_count") == renders
    assert [a.status_code for a in answers] == [a.status_code for a in again] == [422, 422, 200]
    assert [a.json()["reason"] for a in answers[:2]] == ["crashed", "timeout"]


def test_what_takes_longer_than_a_request_may_is_ready_later(tmp_path: Path) -> None:
    """504 in time; the work itself goes on and is kept."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/slow.jpg").write_bytes(b"SLOW" + picture(160, 120))
    with running(variables=variables(tmp_path, REQUEST_TIMEOUT="200ms")) as service:
        first = service.get("/thumb/small/slow.jpg")
        while not (tmp_path / "out/slow.jpg").exists():
            time.sleep(0.05)
        second = service.get("/thumb/small/slow.jpg")

    assert (first.status_code, first.json()["reason"]) == (504, "timeout")
    assert second.status_code == 200


def test_when_too_many_wait_the_rest_come_again(tmp_path: Path) -> None:
    """429 with Retry-After beyond QUEUE; nobody gets a 5xx."""
    (tmp_path / "in").mkdir()
    for n in range(30):
        (tmp_path / f"in/{n}.jpg").write_bytes(b"SLOW" + picture(160, 120))
    with running(variables=variables(tmp_path, QUEUE="4")) as service:
        answers = at_once(service, [f"/thumb/small/{n}.jpg" for n in range(30)])

    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}


def test_what_was_begun_is_finished_when_the_service_ends(tmp_path: Path) -> None:
    """SIGTERM drains; nothing of it lives on."""
    (tmp_path / "in").mkdir()
    for n in range(6):
        (tmp_path / f"in/{n}.jpg").write_bytes(b"SLOW" + picture(160, 120))
    with running(variables=variables(tmp_path)) as service:
        workers = render_processes(service)
        with ThreadPoolExecutor(6) as clients:
            asked = [clients.submit(service.get, f"/thumb/small/{n}.jpg") for n in range(6)]
            while service.metric("shard_http_requests_in_flight") < 7:  # that one included
                assert not all(one.done() for one in asked)
            code = service.stop(signal.SIGTERM)

    assert ({one.result().status_code for one in asked}, code) == ({200}, 0)
    assert not [worker for worker in workers if worker.is_running()]


def test_who_goes_away_takes_no_place(tmp_path: Path) -> None:
    """What nobody waits for any more leaves the queue unmade."""
    fill(tmp_path / "in", ["a.jpg"])
    for n in range(30):
        (tmp_path / f"in/{n}.jpg").write_bytes(b"SLOW" + picture(160, 120))
    with running(variables=variables(tmp_path)) as service:
        service.get("/thumb/small/a.jpg")
        host, _, port = service.url.removeprefix("http://").partition(":")
        for n in range(30):
            with socket.create_connection((host, int(port))) as line:
                line.sendall(f"GET /thumb/small/{n}.jpg HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                time.sleep(0.02)  # it is read, and then nobody is there any more
        fill(tmp_path / "in", ["b.jpg"])
        answer = service.get("/thumb/small/b.jpg")

    assert answer.status_code == 200
    assert len(outputs(tmp_path / "out")) < 20
