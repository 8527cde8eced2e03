"""Which items stand for all: strata by kind and size, a sample of each, totals with their ranges.

Strata of a kind have about equal shares of its bytes, and all strata equal samples: the "equal
aggregate" rule, close to Neyman's optimum where the spread within a stratum grows with its mean, as
it does with the time that images of a size take (Cochran, Sampling Techniques, 3rd ed., 1977,
sections 5.5 and 5A.7). Bytes of different kinds take different times: each kind is for itself.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_STRATA: Final = 20
_EACH: Final = 8
"""Least of a sample that is worth a stratum of its own."""
_FIRST: Final = 16
"""Items that two workers have read ahead before they are at their pace (measured)."""
_FIXED: Final = 100_000
"""Bytes that what an image costs whatever its size is counted as."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure and the interval that holds the true one with 95 % confidence."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Range:
        """Return a figure that is known."""
        return cls(value, value, value)

    def __mul__(self, factor: float) -> Range:
        return Range(self.value * factor, self.low * factor, self.high * factor)

    def __add__(self, more: float) -> Range:
        return Range(self.value + more, self.low + more, self.high + more)

    def wider(self, share: float) -> Range:
        """Return the range with an independent error of ``share`` of the value joined to its own.

        Half-widths add as standard errors do, by their squares.
        """
        more = share * self.value
        low = self.value - math.hypot(self.value - self.low, more)
        return Range(
            self.value, max(0.0, low), self.value + math.hypot(self.high - self.value, more)
        )

    def at_most(self, limit: float) -> Range:
        """Return the range cut off at what is possible."""
        return Range(min(self.value, limit), min(self.low, limit), min(self.high, limit))

    def holds(self, actual: float) -> bool:
        """Tell whether ``actual`` lies within the range."""
        return self.low <= actual <= self.high


@dataclass(frozen=True, slots=True)
class Stratum:
    """Units alike in size, by their positions, and those of them that stand for all."""

    members: tuple[int, ...]
    chosen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """What can be drawn: its ``kind`` (a file's extension), ``size`` in bytes, and ``chance``.

    ``chance`` is a text without any order of its own that is the same every time, as a hash is.
    """

    kind: str
    size: int
    chance: str


def stratify(units: Sequence[Unit], wanted: int) -> list[Stratum]:
    """Divide units into strata and choose about ``wanted`` of them, always the same ones.

    The largest unit is a stratum of its own: it bounds memory and the shortest possible task.
    """
    order = sorted(range(len(units)), key=lambda at: (units[at].size, units[at].chance))
    if wanted >= len(order):
        return [Stratum((at,), (at,)) for at in order]
    if wanted == 1:
        return [_sampled(order, units, 1)]
    rest, largest = order[:-1], order[-1]
    groups = list(_groups(rest, units, max(1, min(_STRATA, (wanted - 1) // _EACH))))
    takes = _allocate([len(group) for group in groups], wanted - 1)
    found = [_sampled(group, units, take) for group, take in zip(groups, takes, strict=True)]
    return [*found, Stratum((largest,), (largest,))]


def order(strata: Sequence[Stratum]) -> list[int]:
    """Return the chosen units in the order in which they are to be tried.

    That of their positions, but first those that stand for the fewest others: a worker's first
    items are charged with reading ahead all that come next.
    """
    weights = {
        at: len(stratum.members) / len(stratum.chosen)
        for stratum in strata
        for at in stratum.chosen
    }
    first = sorted(weights, key=lambda at: (weights[at], at))[:_FIRST]
    return first + sorted(weights.keys() - set(first))


def _groups(order: Sequence[int], units: Sequence[Unit], count: int) -> Iterator[list[int]]:
    """Divide by kind (what is too rare for a stratum together), each kind by size."""
    numbers = Counter(units[at].kind for at in order)
    # At least half of the strata are for sizes: a bucket may hold more kinds than strata.
    own = {kind for kind, _ in numbers.most_common(max(1, count // 2)) if numbers[kind] >= _EACH}
    kinds: dict[str, list[int]] = {}
    for at in order:
        kinds.setdefault(units[at].kind if units[at].kind in own else "", []).append(at)
    weights = {kind: sum(units[at].size + _FIXED for at in of) for kind, of in kinds.items()}
    spare, total = max(0, count - len(kinds)), sum(weights.values())
    for kind, members in kinds.items():
        yield from _equal_shares(members, units, 1 + spare * weights[kind] // total)


def _equal_shares(order: Sequence[int], units: Sequence[Unit], count: int) -> list[list[int]]:
    total = sum(units[at].size + _FIXED for at in order)
    groups: list[list[int]] = [[] for _ in range(count)]
    seen = 0
    for at in order:
        groups[min(count - 1, seen * count // total)].append(at)
        seen += units[at].size + _FIXED
    return [group for group in groups if group]


def _allocate(populations: Sequence[int], wanted: int) -> list[int]:
    """Share ``wanted`` equally; what a small stratum cannot use goes to the others."""
    takes = [0] * len(populations)
    by_room = sorted(range(len(populations)), key=lambda at: populations[at])
    for position, at in enumerate(by_room):
        share = round(wanted / (len(by_room) - position))
        takes[at] = min(populations[at], max(share, 2))
        wanted = max(0, wanted - takes[at])
    return takes


def _sampled(group: Sequence[int], units: Sequence[Unit], take: int) -> Stratum:
    members = sorted(group, key=lambda at: (units[at].kind, units[at].chance))
    steps = [(2 * k + 1) * len(members) // (2 * take) for k in range(take)]
    return Stratum(tuple(members), tuple(members[step] for step in steps))


def means(strata: Sequence[Stratum], observed: Mapping[int, float]) -> list[float]:
    """Return each stratum's mean over the units of it that were observed."""
    overall = _mean(list(observed.values()))
    found = [[observed[at] for at in stratum.chosen if at in observed] for stratum in strata]
    return [_mean(values) if values else overall for values in found]


def total(strata: Sequence[Stratum], observed: Mapping[int, float]) -> Range:
    """Estimate a sum over all units from those observed.

    Sum of N_h * mean_h; variance: sum of N_h^2 (1 - n_h/N_h) s_h^2 / n_h (Cochran, theorem 5.3);
    Student's t with Satterthwaite's degrees of freedom (ibid., 5.16). Where a stratum has one
    observation of several units, its deviation is taken to be its mean. Never below what was seen.
    """
    value = variance = against = 0.0
    for stratum, mean in zip(strata, means(strata, observed), strict=True):
        values = [observed[at] for at in stratum.chosen if at in observed]
        population, taken = len(stratum.members), max(1, len(values))
        value += population * mean
        spread = _variance(values, mean) if taken > 1 else mean * mean
        part = population * (population - taken) * spread / taken
        variance += part
        against += part * part / max(1, taken - 1)
    half = student(variance * variance / against) * math.sqrt(variance) if variance > 0 else 0.0
    return Range(value, max(math.fsum(observed.values()), value - half), value + half)


def share(strata: Sequence[Stratum], observed: Mapping[int, bool]) -> Range:
    """Estimate how many of all units have a property, from those observed.

    Wilson's score interval (1927), which is right for rare properties and for none at all, with
    Kish's effective sample size (N^2 / sum of N_h^2 / n_h) and the finite population's correction.
    """
    population = sum(len(stratum.members) for stratum in strata)
    counted = {at: float(has) for at, has in observed.items()}
    value = sum(
        len(stratum.members) * mean
        for stratum, mean in zip(strata, means(strata, counted), strict=True)
    )
    seen = sum(counted.values())
    unseen = population - len(observed)
    if unseen <= 0:
        return Range.exact(seen)
    effective = population**2 / sum(
        len(stratum.members) ** 2 / max(1, sum(at in observed for at in stratum.chosen))
        for stratum in strata
    )
    effective *= population / unseen
    p, z2 = value / population, _Z * _Z
    centre = (p + z2 / (2 * effective)) / (1 + z2 / effective)
    half = _Z / (1 + z2 / effective)
    half *= math.sqrt(p * (1 - p) / effective + z2 / (4 * effective**2))
    low, high = max(seen, population * (centre - half)), population * (centre + half)
    return Range(value, min(low, value), max(value, min(high, seen + unseen)))


def student(freedom: float) -> float:
    """Return Student's t for the confidence used, by Cornish and Fisher's expansion.

    Abramowitz and Stegun 26.7.5; within 2 % from 3 degrees of freedom on, below that those of 3.
    """
    v, z = max(3.0, freedom), _Z
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _variance(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
