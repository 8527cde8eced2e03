"""A proxy that stands before a store and fails on purpose, by a schedule that counts.

It forwards every byte unchanged, the Host header included, so that SigV4 signatures stay valid.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


@dataclass
class Fault:
    """What befalls the first ``times`` requests of ``method`` whose target contains ``path``.

    ``kind``: ``slow_down`` (503), ``error`` (500), ``throttle`` (429), ``reset`` (connection reset
    after half the answer's body), ``refuse`` (reset before any answer), ``delay`` (``seconds``),
    ``lost`` (the server does the work, its answer never arrives). ``after``: the first so many
    matching requests pass.
    """

    kind: str
    times: int = 1
    method: str = ""
    path: str = ""
    after: int = 0
    seconds: float = 0.0
    met: int = field(default=0, init=False)

    def strikes(self, method: str, target: str) -> bool:
        """Count a request; tell whether it is to fail."""
        if self.method not in ("", method) or self.path not in unquote(target):
            return False
        self.met += 1
        return self.after < self.met <= self.after + self.times


class FaultyProxy:
    """``with FaultyProxy(server_url) as proxy``: ``proxy.url`` fails as ``proxy.faults`` say.

    ``requests`` lists (method, target) of all that came. One request a connection: simple, and a
    reset then harms nobody else.
    """

    def __init__(self, upstream: str, *faults: Fault) -> None:
        parts = urlsplit(upstream)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self.faults = list(faults)
        self.requests: list[tuple[str, str]] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head, body = await _message(reader, writer)
            method, target = head.split(b" ", 2)[:2]
            fault = self._pick(method.decode(), target.decode())
            await self._answer(writer, head, body, fault)
        writer.close()

    def _pick(self, method: str, target: str) -> Fault | None:
        self.requests.append((method, target))
        struck = [fault for fault in self.faults if fault.strikes(method, target)]
        return struck[0] if struck else None

    async def _answer(
        self, writer: asyncio.StreamWriter, head: bytes, body: bytes, fault: Fault | None
    ) -> None:
        kind = fault.kind if fault else ""
        refusals = {"slow_down": b"503 Slow Down", "error": b"500 Error", "throttle": b"429 Slow"}
        if kind in refusals:
            text = SLOW_DOWN if kind == "slow_down" else b""
            writer.write(_plain(refusals[kind], text))
            await writer.drain()
            return
        if kind == "refuse":
            writer.transport.abort()
            return
        if fault and kind == "delay":
            await asyncio.sleep(fault.seconds)
        answer, content = await self._ask(head, body)
        if kind == "lost":
            writer.transport.abort()
        elif kind == "reset":
            writer.write(answer + content[: len(content) // 2])
            await writer.drain()
            writer.transport.abort()
        else:
            writer.write(answer + content)
            await writer.drain()

    async def _ask(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        first, _, rest = head.partition(b"\r\n")
        writer.write(first + b"\r\nConnection: close\r\n" + rest + body)
        raw = await reader.read()
        writer.close()
        answer, _, content = raw.partition(b"\r\n\r\n")
        return answer + b"\r\n\r\n", content


def _plain(status: bytes, text: bytes) -> bytes:
    length = str(len(text)).encode()
    return b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s" % (
        status,
        length,
        text,
    )


async def _message(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if b"expect" in fields:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = re.sub(rb"(?i)\r\nexpect:[^\r]*", b"", head)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return head, await reader.readuntil(b"0\r\n\r\n")
    length = int(fields.get(b"content-length", b"0"))
    return head, await reader.readexactly(length) if length else b""
