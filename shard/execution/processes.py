"""What can be said of a process from outside: how it ended, how much it holds."""

from __future__ import annotations

import signal

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
