"""What the reader of HTTP lets pass, and what it does not keep."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from shard.service.protocol import Protocol
from tests.service.running import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.running import Running


def _line(service: Running) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), 30)


def _service(tmp_path: Path) -> contextlib.AbstractContextManager[Running]:
    (tmp_path / "in").mkdir()
    return running(str(tmp_path / "in"), str(tmp_path / "out"), variables={"WORKERS": "1"})


def test_trailers_take_no_memory(tmp_path: Path) -> None:
    """However many follow a body: nobody reads them."""
    block = b"".join(b"a%d: %s\r\n" % (number, b"x" * 1000) for number in range(60))
    with _service(tmp_path) as service, _line(service) as line:
        service.get("/healthz")
        process = psutil.Process(service.process.pid)
        before = process.memory_info().rss
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                line.sendall(block)
        after = process.memory_info().rss

    assert after - before < 20_000_000


def test_who_hangs_up_in_the_middle_is_no_error_of_ours(tmp_path: Path) -> None:
    """Requests sent in a row, their answers never read: the log has no traceback."""
    with _service(tmp_path) as service:
        for _ in range(3):
            with _line(service) as line, contextlib.suppress(OSError):
                line.settimeout(0.5)
                for _ in range(100):
                    line.sendall(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        time.sleep(0.5)
        answer = service.get("/healthz")

    assert answer.status_code == 200
    assert "failed unexpectedly" not in service.log
    assert "ASGI callable" not in service.log


def test_another_protocol_is_answered_in_this_one(tmp_path: Path) -> None:
    """Without a word about what could be installed."""
    with _service(tmp_path) as service:
        wish = {"Connection": "Upgrade", "Upgrade": "websocket"}
        answer = service.get("/healthz", **wish)

    assert answer.status_code == 200
    assert "pip install" not in service.log


class _Transport(asyncio.Transport):
    """Holds what nobody reads; notes how it ended."""

    def __init__(self, unread: list[int]) -> None:
        super().__init__()
        self.unread, self.ended, self.is_over = unread, "", asyncio.Event()

    def get_write_buffer_size(self) -> int:
        return self.unread.pop(0)

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = "closed"
        self.is_over.set()

    def abort(self) -> None:
        self.ended = "aborted"
        self.is_over.set()


@pytest.mark.parametrize(
    ("unread", "ended"),
    [([0], "closed"), ([9, 9], "aborted"), ([9, 5, 5], "aborted"), ([9, 5, 0], "closed")],
)
def test_who_reads_nothing_is_let_go(unread: list[int], ended: str) -> None:
    """One who reads slowly is waited for."""

    async def idle() -> str:
        config = uvicorn.Config(FastAPI(), timeout_keep_alive=0, lifespan="off", log_config=None)
        config.load()
        protocol = Protocol(config, ServerState(), {})
        transport = _Transport(unread)
        protocol.connection_made(transport)
        protocol.timeout_keep_alive_handler()
        await transport.is_over.wait()
        return transport.ended

    assert asyncio.run(idle()) == ended
    assert not unread
