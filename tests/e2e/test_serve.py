"""`shard serve` as real processes: its start, its end, its metrics over several processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests import event_shapes
from tests.program import shard
from tests.service.running import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import GCSServer
    from tests.service.running import Running


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    """Make a source and an output, both empty."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return [str(tmp_path / "in"), str(tmp_path / "out")]


def _server_processes(service: Running) -> list[psutil.Process]:
    """Return the processes that answer; multiprocessing's own tracker is none of them."""
    children = psutil.Process(service.process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(places: list[str], processes: str, number: int) -> None:
    """SIGTERM and Ctrl-C are a clean end: exit code 0, nothing but the start in the log."""
    with running(*places, "--processes", processes) as service:
        code = service.stop(number)

    assert code == 0
    assert len(service.lines) == 1, service.log


def _half_a_request(service: Running) -> socket.socket:
    """Begin a request whose body is not there yet, so that it stays under way."""
    port = httpx.URL(service.url).port
    line = socket.create_connection(("127.0.0.1", port or 0))
    line.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
    time.sleep(0.5)
    return line


_EVENTS = {"PROCESS_BUCKET": "s3://markers", "AWS_REGION": "eu-west-1"}


def test_what_is_under_way_is_finished(places: list[str]) -> None:
    """After SIGTERM a request that had begun is answered, and then the service ends."""
    with running(*places, variables=_EVENTS) as service, _half_a_request(service) as line:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        line.sendall(b"{}")
        answer = line.recv(65536)
        code = service.process.wait(30)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert code == 0


def test_the_grace_ends(places: list[str]) -> None:
    """What takes longer than GRACE is told so in JSON; the service ends all the same."""
    variables = {**_EVENTS, "GRACE": "1"}
    with running(*places, variables=variables) as service, _half_a_request(service) as line:
        code = service.stop()
        answer = line.recv(65536)

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["reason"] == "stopping"
    assert code == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_second_signal_waits_for_nothing(places: list[str], processes: str) -> None:
    """Asked twice, the service ends at once, with the shell's code for the signal."""
    variables = {**_EVENTS, "GRACE": "50", "PROCESSES": processes}
    with running(*places, variables=variables) as service, _half_a_request(service):
        service.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        code = service.stop()

    assert code == 128 + signal.SIGTERM


def test_counters_are_those_of_all_processes(places: list[str]) -> None:
    """Whichever process is asked, /metrics tells of all; a process that died is not forgotten."""
    with running(*places, "--processes", "2") as service:
        for _ in range(20):
            service.get("/robots.txt")
        victim = _server_processes(service)[0]
        victim.kill()
        victim.wait(10)
        while len(_server_processes(service)) < 2:
            time.sleep(0.05)
        text = service.get("/metrics").text

    assert 'requests_total{method="GET",route="/robots.txt",status="200"} 20.0' in text
    assert "shard_http_requests_in_flight 1.0" in text
    assert "ended by SIGKILL" in service.log


def test_nothing_is_left_in_the_temporary_folder(places: list[str], tmp_path: Path) -> None:
    """The folder of the counters goes with the service, and so does one of a killed service."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = {"TMPDIR": str(temporary), "PROCESSES": "2"}
    with running(*places, variables=variables) as service:
        children = _server_processes(service)
        service.process.kill()
        psutil.wait_procs(children, 20)
    left = list(temporary.iterdir())
    with running(*places, variables=variables):
        during = list(temporary.iterdir())

    assert len(left) == 1
    assert len(during) == 1
    assert left != during
    assert not list(temporary.iterdir())


def test_processes_do_not_outlive_the_one_that_started_them(places: list[str]) -> None:
    """Where the first process is killed, the others end, and the port is free."""
    with running(*places, "--processes", "2") as service:
        children = _server_processes(service)
        os.kill(service.process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(children, 20)

    assert not alive


def test_a_port_in_use_is_said(places: list[str]) -> None:
    """A port that is taken ends the start with one sentence and exit code 2."""
    with running(*places) as service:
        port = service.url.rpartition(":")[2]
        ended = shard("serve", *places, "--port", port)

    assert ended.returncode == 2
    expected = f"shard: error: PORT is {port}; accepted: a free port; this one is in use\n"
    assert ended.stderr == expected


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"NONSENSE\r\n\r\n", 400, "not_http"),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 70_000, 431, "headers_too_large"),
    ],
)
def test_what_is_no_request_is_answered_in_json(
    places: list[str], sent: bytes, status: int, reason: str
) -> None:
    """Errors below the application have the same shape as all others."""
    with running(*places) as service:
        port = httpx.URL(service.url).port
        with socket.create_connection(("127.0.0.1", port or 0)) as line:
            line.sendall(sent)
            answer = b"".join(iter(lambda: line.recv(65536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["reason"] == reason


def test_the_log_is_json_where_asked(places: list[str]) -> None:
    """With LOG_FORMAT=json a request is one object with its facts, and nothing else is said."""
    with running(*places, variables={"LOG_FORMAT": "json"}) as service:
        service.get("/robots.txt?token=abc", **{"X-Request-Id": "r-1"})
        service.stop()

    started, told = (json.loads(line) for line in service.lines)
    assert started["message"].startswith("serving at ")
    assert told["logging.googleapis.com/labels"] == {"service": "serve"}
    facts = ("method", "route", "path", "status", "bytes", "request_id")
    assert [told[name] for name in facts] == [
        "GET",
        "/robots.txt",
        "/robots.txt?token=...",
        200,
        26,
        "r-1",
    ]


def test_many_requests_at_once_are_all_answered(places: list[str]) -> None:
    """A burst over several processes and connections loses none."""
    statuses: list[int] = []

    def ask(service: Running) -> None:
        with httpx.Client(base_url=service.url, timeout=30) as client:
            statuses.extend(client.get("/healthz").status_code for _ in range(25))

    with running(*places, "--processes", "2") as service:
        threads = [threading.Thread(target=ask, args=(service,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert statuses == [200] * 200


def test_eventarc_and_pub_sub_find_their_door(fake_gcs: GCSServer) -> None:
    """An upload told by Eventarc is a marker; told again by Pub/Sub it is a duplicate."""
    bucket = fake_gcs.bucket("markers")
    upload = event_shapes.gcs_object("scans", "maps/a b.tif")
    variables = {**fake_gcs.env, "PROCESS_BUCKET": f"gs://{bucket}"}
    with running(variables=variables) as service:
        told = [
            httpx.post(f"{service.url}/events", headers=headers, json=body, timeout=60)
            for headers, body in (
                (event_shapes.binary_headers(), upload),
                ({}, event_shapes.pub_sub(upload)),
            )
        ]

    said = [(answer.status_code, answer.json()["records"][0]["reason"]) for answer in told]
    assert said == [(200, "new"), (200, "duplicate")]
    names = [blob.name for blob in fake_gcs.client().list_blobs(bucket)]
    assert names == ["rbsc/maps/a b.tif.json"]
