"""Threads that ask stores for an event loop: a tenth of what a general-purpose hop costs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

T = TypeVar("T")


class _Call(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    what: Callable[..., Any]
    arguments: tuple[Any, ...]


class Threads:
    """At most ``most`` daemon threads, started as they are needed; used from one event loop.

    A call that nobody waits for any more is not begun; one under way goes on, and its result is
    dropped. None of them keeps the process from ending.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._started = self._asked = 0

    async def run(self, what: Callable[..., T], *arguments: Any) -> T:
        """Return what ``what`` returns in a thread, or raise what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._asked += 1
        if self._asked > self._started < self._most:
            self._started += 1
            name = f"{self._name} {self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._calls.put(_Call(loop, future, what, arguments))
        return await future

    def close(self) -> None:
        """Let the threads end when they have done what was asked for."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            result, error = None, None
            if not call.future.cancelled():
                try:
                    result = call.what(*call.arguments)
                except BaseException as raised:  # noqa: BLE001 - raised again where it is waited for
                    error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                call.loop.call_soon_threadsafe(self._settle, call.future, result, error)
            del call, result, error

    def _settle(self, future: asyncio.Future[T], result: T, error: BaseException | None) -> None:
        self._asked -= 1
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
