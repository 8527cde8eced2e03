"""How the service ends: in time, whatever still goes on."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from shard.service.ending import Ending
from tests.program import fill
from tests.service.running import running

if TYPE_CHECKING:
    from pathlib import Path


def test_one_grace_is_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the first signal, and is never less than nothing."""
    now = 100.0
    monkeypatch.setattr("shard.service.ending.time.monotonic", lambda: now)
    end = Ending(8.0)
    left = [end.left]
    for moment in (100.0, 103.0, 120.0):
        now = moment
        end.begin()
        left.append(end.left)

    assert left == [8.0, 8.0, 5.0, 0.0]


def test_a_store_that_does_not_answer_holds_up_no_end(tmp_path: Path) -> None:
    """The service ends while threads still wait for a store, long before the store's own time."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": "us-east-1",
            "WORKERS": "1",
            "REQUEST_TIMEOUT": "1000",
            "RETRY_BUDGET": "1000",
            "GRACE": "1",
        }
        with running("s3://bucket/in", "s3://bucket/out", variables=variables) as service:
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{service.url}/thumb/100x100/a.jpg", timeout=1)
            code = service.stop()

    assert code == 0


def test_nobody_is_taken_in_who_is_not_answered(tmp_path: Path) -> None:
    """Several processes end: who comes afterwards is refused, and not left without an answer."""
    fill(tmp_path / "in", ["a.jpg"])
    told: list[str] = []
    with running(str(tmp_path / "in"), str(tmp_path / "out"), "--processes", "2") as service:
        done = threading.Event()

        def come() -> None:
            while not done.is_set():
                try:
                    told.append(str(httpx.get(f"{service.url}/healthz", timeout=30).status_code))
                except httpx.HTTPError as error:
                    told.append(type(error).__name__)

        callers = [threading.Thread(target=come) for _ in range(4)]
        for caller in callers:
            caller.start()
        while "200" not in told:
            done.wait(0.05)
        code = service.stop()
        done.set()
        for caller in callers:
            caller.join()

    assert code == 0
    assert told.count("200") > 0
    assert set(told) - {"200", "ConnectError"} == set()
