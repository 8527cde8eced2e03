"""Limits as texts: sizes, durations, allowances, and what a cgroup grants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from shard.errors import SettingError

_UNITS: Final[dict[str, int]] = {
    "": 1,
    "b": 1,
    **{f"{p}b": 1000**n for n, p in enumerate("kmgt", 1)},
    **{f"{p}{i}": 1024**n for n, p in enumerate("kmgt", 1) for i in ("", "i", "ib")},
}
_SECONDS: Final[dict[str, int | Fraction]] = {
    "": 1,
    "ms": Fraction(1, 1000),
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
}
_NUMBER: Final = r"([0-9]{1,18}(?:\.[0-9]{1,9})?)"
# cgroup v1 says "no limit" with the largest multiple of the page size: no machine has an exabyte.
_NO_MACHINE: Final = 1 << 60
_WHOLE_PERCENT: Final = 100


def parse_bytes(text: str, variable: str) -> int:
    """Read a size: ``1000000``, ``512MB`` (10**6), ``512MiB`` or ``512Mi`` (2**20), ``2g``.

    A single letter is binary, as for ``docker run --memory``; case does not count. Raises
    ``SettingError``.
    """
    match = re.fullmatch(_NUMBER + r" ?([A-Za-z]{0,3})", text, re.ASCII)
    if match is None or match[2].lower() not in _UNITS:
        raise SettingError(variable, text, "bytes, as 1000000, 512MB, 512MiB or 2g (= 2GiB)")
    return int(Fraction(match[1]) * _UNITS[match[2].lower()])


def parse_duration(text: str, variable: str) -> float:
    """Read a duration, in seconds: ``60``, ``0.5``, ``500ms``, ``90s``, ``10m``, ``1h``, ``1d``.

    Raises ``SettingError``.
    """
    match = re.fullmatch(_NUMBER + r" ?([a-z]{0,2})", text, re.ASCII)
    if match is None or match[2] not in _SECONDS:
        raise SettingError(
            variable, text, "seconds, or a number with its unit: 500ms, 90s, 10m, 1h"
        )
    return float(Fraction(match[1]) * _SECONDS[match[2]])


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many items of a task may fail: a number, or a share of all."""

    number: Fraction
    is_share: bool = False

    def exceeded(self, failed: int, total: int) -> bool:
        """Tell whether ``failed`` of ``total`` items are more than allowed."""
        return failed > (self.number * total if self.is_share else self.number)

    def __str__(self) -> str:
        return f"{float(self.number * 100):g}%" if self.is_share else str(self.number)


def parse_count_or_percent(text: str, variable: str) -> Allowance:
    """Read ``5`` (items) or ``2%``, ``0.5%`` (of a task's items). Raises ``SettingError``."""
    accepted = "a whole number of items, as 5, or a percentage from 0% to 100%, as 2%"
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        return Allowance(Fraction(text))
    match = re.fullmatch(_NUMBER + "%", text, re.ASCII)
    if match is None or Fraction(match[1]) > _WHOLE_PERCENT:
        raise SettingError(variable, text, accepted)
    return Allowance(Fraction(match[1]) / _WHOLE_PERCENT, is_share=True)


def memory_limit(memory_max: str | None = None, limit_in_bytes: str | None = None) -> int | None:
    """Return a cgroup's memory limit in bytes, ``None`` where there is none or none is readable.

    The texts of v2's ``memory.max`` and v1's ``memory.limit_in_bytes``; the tighter one counts.
    """
    limits = [_whole(text) for text in (memory_max, limit_in_bytes)]
    return min((n for n in limits if n is not None and 0 < n < _NO_MACHINE), default=None)


def usable_cores(
    affinity: int,
    cpu_max: str | None = None,
    cfs_quota_us: str | None = None,
    cfs_period_us: str | None = None,
) -> int:
    """Return the number of worker processes that the cgroup and ``affinity`` can keep busy, >= 1.

    The texts of v2's ``cpu.max`` (``quota period`` or ``max period``) and v1's ``cpu.cfs_*_us``
    (a quota of -1: none). Part of a core counts as one: 1.5 keeps two workers busy.
    """
    quota, _, period = (cpu_max or "").strip().partition(" ")
    pairs = ((quota, period or "100000"), (cfs_quota_us, cfs_period_us or "100000"))
    granted = [affinity]
    for microseconds, of in ((_whole(q), _whole(p)) for q, p in pairs):
        if microseconds and of:
            granted.append(ceil(microseconds / of))
    return max(1, min(granted))


def _whole(text: str | None) -> int | None:
    """Return the number a kernel file holds; ``max``, ``-1`` and unknown forms are no limit."""
    found = re.fullmatch(r"[0-9]{1,20}", (text or "").strip(), re.ASCII)
    return int(found[0]) if found else None


_BYTES_IN_FLIGHT: Final = 256_000_000
_PROCESS: Final = 80 << 20
"""What a task's process, or a worker's, holds before any image (measured: 55 to 75 MiB)."""
_USABLE: Final = 0.9
_LEAST: Final = 32 << 20


def bytes_in_flight(limit: int | None) -> int:
    """Return how many bytes of sources a task may hold: an eighth of its limit, if it has one."""
    return _BYTES_IN_FLIGHT if limit is None else min(_BYTES_IN_FLIGHT, max(_LEAST, limit // 8))


def decoding_memory(limit: int, workers: int) -> tuple[int, int]:
    """Return the bytes that decoding one image may take: beside others, and with no other.

    Of a tenth nothing is promised; the processes and the sources in flight come first. Never less
    than 32 MiB, so that small images are always tried.
    """
    free = int(limit * _USABLE) - (workers + 1) * _PROCESS
    share = (free - bytes_in_flight(limit)) // workers
    return max(share, _LEAST), max(free, _LEAST)
