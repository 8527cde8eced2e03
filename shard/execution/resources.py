"""What this container may use: cores and memory, by the cgroup's word where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from shard.planning import limits

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return how many cores this process may keep busy, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return limits.usable_cores(
        affinity or 1,
        cpu_max=_read(cgroup / "cpu.max"),
        cfs_quota_us=_read(cgroup / "cpu/cpu.cfs_quota_us"),
        cfs_period_us=_read(cgroup / "cpu/cpu.cfs_period_us"),
    )


def memory_limit(cgroup: Path = _CGROUP) -> int | None:
    """Return the cgroup's memory limit in bytes, ``None`` where there is none."""
    return limits.memory_limit(
        memory_max=_read(cgroup / "memory.max"),
        limit_in_bytes=_read(cgroup / "memory/memory.limit_in_bytes"),
    )


def physical_memory() -> int:
    """Return the machine's memory in bytes."""
    return int(psutil.virtual_memory().total)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
