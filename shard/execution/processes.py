"""What can be said of a process from outside: how it ended, how much it holds."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil


def manner(code: int) -> str:
    """Return how a process ended, for a sentence that names it."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (perhaps by the kernel, when memory ran out)" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds, 0 if it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


class Cores:
    """Watches all of this machine's cores from its making on."""

    def __init__(self) -> None:
        self._begun, self._busy = time.monotonic(), self._busy_seconds()

    def others(self, own: float) -> float:
        """Return the share of the cores that all but ``own`` seconds of computing took."""
        seconds = (time.monotonic() - self._begun) * (psutil.cpu_count() or 1)
        foreign = self._busy_seconds() - self._busy - own
        return min(1.0, max(0.0, foreign / seconds)) if seconds else 0.0

    @staticmethod
    def _busy_seconds() -> float:
        times = psutil.cpu_times()._asdict()
        # Linux counts guests' time in user's as well.
        idle = ("idle", "iowait", "guest", "guest_nice")
        return float(sum(value for name, value in times.items() if name not in idle))


def age() -> float:
    """Return the seconds since this process was started."""
    return max(0.0, time.time() - psutil.Process().create_time())


def hush(wake: int) -> None:
    """Empty a pipe that only wakes its reader."""
    with contextlib.suppress(BlockingIOError):
        os.read(wake, 4096)
