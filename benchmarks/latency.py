"""A TCP proxy that holds every byte back for a while, in both directions, as a network does.

``python -m benchmarks.latency PORT TARGET_PORT MILLISECONDS``. What is sent together arrives
together: the delay adds to latency and takes nothing from bandwidth. Connecting is not delayed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast


class Side(asyncio.Protocol):
    """One end of a connection: what it receives leaves the other end, ``delay`` seconds later."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._other: asyncio.Future[asyncio.Transport] = self._loop.create_future()
        self.transport: asyncio.Transport

    def join(self, other: asyncio.Transport) -> None:
        """Name the other end."""
        self._other.set_result(other)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on later."""
        self._loop.call_later(self._delay, self._pass_on, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's form
        """Close the other end, after what is still on its way."""
        self._loop.call_later(self._delay, self._pass_on, None)

    def _pass_on(self, data: bytes | None) -> None:
        if not self._other.done():  # the target is not connected yet
            self._other.add_done_callback(lambda _: self._pass_on(data))
            return
        other = self._other.result()
        if data is None:
            other.close()
        elif not other.is_closing():
            other.write(data)


async def serve(port: int, target: int, delay: float) -> None:
    """Serve until the process ends."""
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    async def connect(near: Side) -> None:
        try:
            _, far = await loop.create_connection(lambda: Side(delay), "127.0.0.1", target)
        except OSError:
            near.transport.close()
            return
        far.join(near.transport)
        near.join(far.transport)

    def accept() -> Side:
        side = Side(delay)
        task = loop.create_task(connect(side))
        pending.add(task)
        task.add_done_callback(pending.discard)
        return side

    server = await loop.create_server(accept, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
