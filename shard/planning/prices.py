"""What clouds charge: the one table to edit. US dollars, list prices, free tiers ignored.

Each row says its region and where and when it was looked up; ``AS_OF`` is the oldest of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shard.planning import machines

if TYPE_CHECKING:
    from shard.planning.machines import Sizes

AS_OF: Final = "2026-04"


@dataclass(frozen=True, slots=True)
class Compute:
    """An engine's price: dollars a vCPU-second and a GiB-second, from start to end of a task.

    ``least_seconds`` are billed for any task. ``sizes`` are the machines that it has. ``cloud`` is
    where it reads and writes without egress.
    """

    name: str
    engine: str
    cloud: str
    cpu_second: float
    gib_second: float
    least_seconds: float
    sizes: Sizes
    region: str
    source: str

    def memory(self, wanted: float, cpus: int) -> float | None:
        """Return the GiB that a task of ``cpus`` gets that asks for ``wanted``.

        ``None`` if there is no machine with so many cores, or so much memory for them.
        """
        mib = machines.least_memory(self.sizes, cpus, math.ceil(wanted * machines.GIB))
        return None if mib is None else mib / machines.GIB

    def task(self, seconds: float, cpus: int, gib: float) -> float:
        """Return the dollars that one task of ``seconds`` costs that has ``gib``."""
        rate = cpus * self.cpu_second + gib * self.gib_second
        return max(seconds, self.least_seconds) * rate


@dataclass(frozen=True, slots=True)
class Requests:
    """A store's prices: dollars for 1,000 requests, and a GB that leaves its cloud."""

    scheme: str
    cloud: str
    lists: float
    gets: float
    puts: float
    egress_gb: float
    region: str
    source: str


_FARGATE: Final = "aws.amazon.com/fargate/pricing, Linux/x86"

COMPUTE: Final = (
    Compute(
        *("Cloud Run", "cloud-run", "Google Cloud", 0.000018, 0.000002, 60.0),
        machines.CLOUD_RUN,
        *("us-central1 (tier 1)", "cloud.google.com/run/pricing, jobs, 2026-04"),
    ),
    Compute(
        *("Fargate", "aws-batch", "AWS", 0.04048 / 3600, 0.004445 / 3600, 60.0),
        machines.FARGATE,
        *("us-east-1", f"{_FARGATE}, 2026-04"),
    ),
    Compute(
        # AWS sets the spot price anew as demand goes; this is the usual discount, about 70 %.
        *("Fargate Spot", "aws-batch", "AWS", 0.01214 / 3600, 0.001334 / 3600, 60.0),
        machines.FARGATE,
        *("us-east-1", f"{_FARGATE}, Spot at 30 % of the list price, 2026-04"),
    ),
)

STORES: Final = (
    Requests(
        *("s3", "AWS", 0.005, 0.0004, 0.005, 0.09),
        *("us-east-1", "aws.amazon.com/s3/pricing, S3 Standard, first 10 TB out, 2026-04"),
    ),
    Requests(
        *("gs", "Google Cloud", 0.005, 0.0004, 0.005, 0.12),
        *("us-central1", "cloud.google.com/storage/pricing, Standard, first TB out, 2026-04"),
    ),
)


def leaving(cloud: str) -> float:
    """Return the dollars of a GB that leaves a cloud."""
    return next(row.egress_gb for row in STORES if row.cloud == cloud)


def store(scheme: str) -> Requests | None:
    """Return the prices of the store that URLs of this scheme name, ``None`` if it has none."""
    return next((row for row in STORES if row.scheme == scheme), None)
