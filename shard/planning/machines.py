"""What machines engines have: for each number of cores, the amounts of memory that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GIB: Final = 1024
"""MiB in a GiB."""

Sizes = Mapping[float, tuple[range, ...]]
"""For each number of cores, the amounts of memory in MiB that the engine has for it."""

CLOUD_RUN: Final[Sizes] = {
    1: (range(512, 4 * GIB + 1),),
    2: (range(512, 8 * GIB + 1),),
    4: (range(2 * GIB, 16 * GIB + 1),),
    6: (range(4 * GIB, 24 * GIB + 1),),
    8: (range(4 * GIB, 32 * GIB + 1),),
}
FARGATE: Final[Sizes] = {
    0.25: (range(512, 513), range(1 * GIB, 2 * GIB + 1, GIB)),
    0.5: (range(1 * GIB, 4 * GIB + 1, GIB),),
    1: (range(2 * GIB, 8 * GIB + 1, GIB),),
    2: (range(4 * GIB, 16 * GIB + 1, GIB),),
    4: (range(8 * GIB, 30 * GIB + 1, GIB),),
    8: (range(16 * GIB, 60 * GIB + 1, 4 * GIB),),
    16: (range(32 * GIB, 120 * GIB + 1, 8 * GIB),),
}


def least_memory(sizes: Sizes, cpus: float, wanted: int) -> int | None:
    """Return the least memory in MiB, not less than ``wanted``, that there is for so many cores.

    ``None`` if there is no such number of cores, or never so much memory for them.
    """
    enough = [
        mib for amount in sizes.get(cpus, ()) for mib in (amount[0], *_around(amount, wanted))
    ]
    return min((mib for mib in enough if mib >= wanted), default=None)


def _around(amount: range, wanted: int) -> tuple[int, ...]:
    """Return the first of the amounts that is enough, if there is one."""
    steps = -(-(wanted - amount[0]) // amount.step)
    return (amount[steps],) if 0 <= steps < len(amount) else ()
