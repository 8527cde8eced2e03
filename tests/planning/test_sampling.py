"""Samples: which units stand for all, and what sums they give."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.planning.sampling import Range, Stratum, Unit, order, share, stratify, student, total

units = st.lists(
    st.builds(
        Unit,
        kind=st.sampled_from([".jpg", ".png", ".tif", ""]),
        size=st.integers(0, 10**10),
        chance=st.text("0123456789abcdef", min_size=4, max_size=4),
    ),
    max_size=120,
)


@given(units, st.integers(1, 150))
def test_strata_partition_the_units(population: list[Unit], wanted: int) -> None:
    """Every unit is in exactly one stratum, and the chosen ones are members of theirs."""
    strata = stratify(population, wanted)

    members = list(itertools.chain.from_iterable(stratum.members for stratum in strata))
    assert sorted(members) == list(range(len(population)))
    for stratum in strata:
        assert len(set(stratum.chosen)) == len(stratum.chosen) >= 1
        assert set(stratum.chosen) <= set(stratum.members)


@given(units, st.integers(1, 150))
def test_a_sample_has_about_the_size_wanted(population: list[Unit], wanted: int) -> None:
    """At most two more a stratum than asked for, and never more than there are."""
    strata = stratify(population, wanted)

    chosen = sum(len(stratum.chosen) for stratum in strata)
    assert chosen <= min(len(population), wanted + 2 * len(strata))
    assert chosen >= min(len(population), wanted) - len(strata)


@given(units, st.integers(1, 150))
def test_what_stands_for_many_is_not_tried_first(population: list[Unit], wanted: int) -> None:
    """All chosen are tried once; none of the first stands for more than one that comes later."""
    strata = stratify(population, wanted)
    weights = {at: len(s.members) / len(s.chosen) for s in strata for at in s.chosen}
    tried = order(strata)

    assert sorted(tried) == sorted(weights)
    assert tried[16:] == sorted(tried[16:])
    first, later = [weights[at] for at in tried[:16]], [weights[at] for at in tried[16:]]
    assert max(first, default=0) <= min(later, default=math.inf)


@given(units, st.integers(1, 150), st.randoms())
def test_a_sample_does_not_depend_on_the_order(
    population: list[Unit], wanted: int, chance: random.Random
) -> None:
    """The same units are chosen, whatever the order in which they were listed."""
    population = list(set(population))
    mixed = list(population)
    chance.shuffle(mixed)

    def chosen(of: list[Unit]) -> set[Unit]:
        return {of[at] for stratum in stratify(of, wanted) for at in stratum.chosen}

    assert chosen(population) == chosen(mixed)


def test_the_largest_unit_is_always_chosen() -> None:
    """What bounds memory is never left to chance."""
    population = [Unit(".jpg", 1000 + n, f"{n:04}") for n in range(500)]
    population.insert(77, Unit(".tif", 10**9, "0000"))

    chosen = {at for stratum in stratify(population, 20) for at in stratum.chosen}

    assert 77 in chosen


def test_a_rare_kind_is_not_missed() -> None:
    """A kind that is 1 % of the images and small in bytes has a stratum of its own."""
    population = [Unit(".jpg", 1000 + n, f"{n:04}") for n in range(990)]
    population += [Unit(".webp", 1000 + n, f"{n:04}") for n in range(10)]

    kinds = [population[at].kind for stratum in stratify(population, 100) for at in stratum.chosen]

    assert kinds.count(".webp") >= 8


@given(units.filter(bool))
def test_all_units_give_the_exact_sum(population: list[Unit]) -> None:
    """Where everything was observed, the estimate is the sum and has no range."""
    strata = stratify(population, len(population))
    found = total(strata, {at: float(unit.size) for at, unit in enumerate(population)})

    actual = sum(unit.size for unit in population)
    assert found.value == pytest.approx(actual)
    assert found.low == found.high == pytest.approx(actual)


def test_a_sum_holds_the_truth_as_often_as_it_says() -> None:
    """Of 300 populations with long tails, the 95 % ranges hold the sum of at least 90 %."""
    held = 0
    for seed in range(300):
        chance = random.Random(seed)
        population = [
            Unit(".jpg", int(chance.lognormvariate(13, 1)), f"{chance.random():.9f}")
            for _ in range(2000)
        ]
        times = [unit.size * 1e-8 * chance.lognormvariate(0, 0.5) + 0.003 for unit in population]
        strata = stratify(population, 200)
        seen = {at: times[at] for stratum in strata for at in stratum.chosen}
        held += total(strata, seen).holds(sum(times))

    assert held >= 270


def test_one_observation_of_many_says_that_it_knows_little() -> None:
    """A sample of one gives a range, not a false certainty."""
    found = total([Stratum(tuple(range(100)), (3,))], {3: 2.0})

    assert found.value == 200
    assert found.low <= 2.0 + 1e-9
    assert found.high > 400


@pytest.mark.parametrize(
    ("failed", "population", "sample", "low", "high"),
    [(0, 100, 100, 0, 0), (3, 100, 100, 3, 3), (0, 10_000, 100, 0, 400), (10, 1000, 100, 50, 200)],
)
def test_failures_expected(
    failed: int, population: int, sample: int, low: float, high: float
) -> None:
    """None seen is no promise of none; all seen is exact; never fewer than were seen."""
    stratum = Stratum(tuple(range(population)), tuple(range(sample)))
    found = share([stratum], {at: at < failed for at in range(sample)})

    assert found.value == pytest.approx(failed * population / sample)
    assert found.low >= max(low, failed)
    assert found.low <= found.value <= found.high <= high


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 400))
def test_failures_are_never_more_than_images(population: int, sample: int, failed: int) -> None:
    """A range of a count stays within what is possible."""
    sample, failed = min(sample, population), min(failed, sample, population)
    stratum = Stratum(tuple(range(population)), tuple(range(sample)))
    found = share([stratum], {at: at < failed for at in range(sample)})

    assert failed - 1e-9 <= found.low <= found.value <= found.high <= population + 1e-9


@pytest.mark.parametrize(
    ("freedom", "table"), [(3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (1e9, 1.960)]
)
def test_students_t(freedom: float, table: float) -> None:
    """The quantile agrees with the printed tables to 2 %."""
    assert student(freedom) == pytest.approx(table, rel=0.02)


def test_a_wider_range_adds_squares() -> None:
    """An independent error widens as standard errors do; a range never goes below nothing."""
    found = Range(100, 70, 130).wider(0.4)

    assert (found.low, found.high) == (50, 150)
    assert Range(1, 0.5, 1.5).wider(2).low == 0
    assert math.isclose(Range.exact(10).wider(0.1).high, 11)
