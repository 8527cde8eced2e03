"""Several server processes at one socket: started, started again when one dies, ended together."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, Final

from shard.execution.processes import manner
from shard.execution.signals import Stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess

_log = logging.getLogger("shard")

_SETTINGS_WRONG: Final = 2
_SOON: Final = 5.0
_PAUSE: Final = 2.0
_MARGIN: Final = 3.0
"""Seconds beyond the grace after which a process that was asked to end is ended."""


class Fleet:
    """``count`` processes, each running ``target(*arguments)`` in a fresh interpreter."""

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
        self._target, self._arguments, self._count = target, arguments, count
        self._begun: dict[SpawnProcess, float] = {}
        self._context = multiprocessing.get_context("spawn")

    def run(self, grace: float, ended: Callable[[int], None], ending: Callable[[], None]) -> int:
        """Run until a signal; return the exit code. ``ended`` hears of each process that died.

        A process that ends by itself is replaced, unless it says that the settings are wrong.
        ``ending`` is called when none will be started any more, before they are asked to end.
        """
        with Stop() as stop:
            for _ in range(self._count):
                self._start()
            while not stop.requested:
                sentinels = [process.sentinel for process in self._begun]
                connection.wait([*sentinels, stop.wake], timeout=60)
                code = self._replace(stop, ended)
                if code is not None:
                    ending()
                    self._end(stop, grace)
                    return code
            ending()
            self._end(stop, grace)
            return stop.exit_code if stop.urgent else 0

    def _start(self) -> None:
        process = self._context.Process(target=_run, args=(self._target, self._arguments))
        process.start()
        self._begun[process] = time.monotonic()

    def _replace(self, stop: Stop, ended: Callable[[int], None]) -> int | None:
        """Start anew what has died; return an exit code where that would be in vain."""
        dead = [process for process in self._begun if process.exitcode is not None]
        for process in dead:
            begun = self._begun.pop(process)
            ended(process.pid or 0)
            if stop.requested:
                continue
            if process.exitcode == _SETTINGS_WRONG:
                return _SETTINGS_WRONG
            _log.error("a server process %s; another starts", manner(process.exitcode or 0))
            if time.monotonic() - begun < _SOON:
                stop.sleep(_PAUSE)
            self._start()
        return None

    def _end(self, stop: Stop, grace: float) -> None:
        for process in self._begun:
            process.terminate()
        deadline = time.monotonic() + grace + _MARGIN
        for process in self._begun:
            while process.exitcode is None and time.monotonic() < deadline and not stop.urgent:
                connection.wait([process.sentinel, stop.wake], timeout=deadline - time.monotonic())
                stop.sleep(0)  # takes a signal's byte out of the pipe
        for process in self._begun:
            process.kill()
            process.join()


def _run(target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Be one of the processes; it ends in order when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    target(*arguments)


def _follow(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
