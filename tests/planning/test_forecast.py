"""The forecast's rules: tasks for a deadline, loads of slices, requests, dollars."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.model import Item, Rendition, Task
from shard.planning import forecast, prices
from shard.planning.forecast import (
    MOST_TASKS,
    Bill,
    Cost,
    Observation,
    Shape,
    Size,
    Sums,
    bill,
    cost,
)
from shard.planning.layout import Layout, parse_layout
from shard.planning.partition import slice_items
from shard.planning.sampling import Range, Stratum
from shard.planning.settings import SLICES
from shard.planning.slices import Slicer

MIRROR = parse_layout("mirror", [Rendition("a", 9, 9)], "run")
FLAT = parse_layout("flat", [Rendition("a", 9, 9), Rendition("b", 5, 5)], "run")
NOTHING = Range.exact(0)
NEED = Bill((0, 0), NOTHING, NOTHING, NOTHING, NOTHING)


@given(st.floats(1, 1e5), st.floats(0.1, 1e6))
def test_the_fewest_tasks_that_meet_the_deadline(room: float, work: float) -> None:
    """The number found meets it; one task fewer would not."""
    found = forecast.tasks_for(room, 0.0, lambda count: work / count)

    if found.reason is None:
        assert work / found.count <= room
        assert found.count == 1 or work / (found.count - 1) > room
    else:
        assert work / MOST_TASKS > room


@pytest.mark.parametrize(
    ("room", "longest", "said"),
    [(-1, 1, "start-up and listing"), (0, 0, "start-up and listing"), (10, 11, "longest single")],
)
def test_a_deadline_that_no_number_of_tasks_meets(room: float, longest: float, said: str) -> None:
    """Why it cannot be met is said."""
    found = forecast.tasks_for(room, longest, lambda _: 0.0)

    assert found.reason is not None
    assert said in found.reason


@given(
    st.sampled_from(SLICES),
    st.lists(
        st.builds(Item, key=st.text("ab/.jpgtif", min_size=1, max_size=6), size=st.integers(0, 99)),
        unique_by=lambda item: item.key,
        min_size=1,
        max_size=25,
    ),
    st.integers(1, 6),
    st.sampled_from([MIRROR, FLAT]),
)
def test_loads_are_those_of_the_jobs_own_slices(
    rule: str, items: list[Item], count: int, layout: Layout
) -> None:
    """Heaviest and lightest agree with the slices that tasks would take."""
    items = sorted(items, key=lambda item: item.key)
    work = {item.key: float(item.size) for item in items[::2]}
    loads = Slicer(rule, items, layout).loads(count, work)
    slices = [slice_items(rule, items, Task(at, count), layout) for at in range(count)]
    sums = [sum(work.get(item.key, 0.0) for item in mine) for mine in slices]

    assert loads.heaviest == pytest.approx(max(sums))
    assert loads.lightest == pytest.approx(min(sums))
    assert loads.mean * count == pytest.approx(sum(work.values()))


def test_a_slower_core_computes_longer_but_waits_the_same() -> None:
    """``speed`` divides the computing alone; other programs here do not count there."""
    seen = Observation(1.5, 0.5, 5.0, 1.0, 1, 1, 1, 1, 0)

    assert Shape(cpus=1, speed=0.5, startup=0).work(seen) == 5.0
    assert Shape(cpus=2, speed=1, startup=0, cadence=4).work(seen) == 8.0


def _sums(thumbnails: int, reads: int) -> Sums:
    exact = [Range.exact(n) for n in (1, 1, thumbnails, 10, 20, reads, 0)]
    return Sums(*exact)


def test_requests_are_counted_as_the_tasks_make_them() -> None:
    """Each task lists both stores, 1,000 a page; its ledger is written at begin, end, between."""
    found = bill(_sums(2000, 2400), (2500, 0), 4, 65.0)

    assert found.lists == (12, 4)
    assert found.gets.value == 2400 + 3 * 4
    assert found.puts.value == 2000 + 4 * (1 + 2 * (2 + 2))


def _price(name: str) -> prices.Compute:
    return next(price for price in prices.COMPUTE if price.name == name)


def test_the_computing_planned_is_the_workers() -> None:
    """`cpu` is held against what workers report; `work` has the task's own process and more."""
    seen = {at: Observation(2.0, 0.5, 4.0, 1.0, 1, 1, 1, 1, 0) for at in range(3)}
    sums = Sums.of([Stratum((0, 1, 2), (0, 1, 2))], seen)

    assert (sums.cpu.value, sums.work.value) == (6.0, 22.5)


def _cost(engine: str, schemes: tuple[str, str], need: Bill, size: Size) -> Cost:
    found = cost(_price(engine), schemes, need, size)
    assert found
    return found


@pytest.mark.parametrize(
    ("engine", "schemes", "dollars"),
    [
        ("Fargate", ("s3", "s3"), 0),
        ("Fargate", ("file", "file"), 0),
        ("Cloud Run", ("s3", "gs"), 0.09),
        ("Cloud Run", ("gs", "s3"), 0.12 / 10),
        ("Cloud Run", ("s3", "s3"), 0.09 + 0.12 / 10),
        ("Fargate", ("gs", "gs"), 0.12 + 0.09 / 10),
    ],
)
def test_bytes_that_leave_a_cloud_cost(
    engine: str, schemes: tuple[str, str], dollars: float
) -> None:
    """Images that leave the source's cloud are billed, and thumbnails that leave the engine's."""
    need = Bill((0, 0), NOTHING, NOTHING, Range.exact(1e9), Range.exact(1e8))
    found = _cost(engine, schemes, need, Size(Range.exact(60), 1, 1, 1))

    assert found.egress.value == pytest.approx(dollars)


def test_a_short_task_is_billed_for_a_minute() -> None:
    """The least time that an engine bills counts, for each task."""
    need = Bill((0, 0), NOTHING, NOTHING, NOTHING, NOTHING)
    second, minute = (
        _cost("Cloud Run", ("gs", "gs"), need, Size(Range.exact(s), 3, 2, 1)).compute
        for s in (1, 60)
    )

    assert second == minute
    assert minute.value == pytest.approx(3 * 60 * (2 * 0.000018 + 0.000002))


def test_fargate_has_two_gib_a_vcpu_at_least() -> None:
    """The memory that is billed is one that the engine gives."""
    assert _price("Fargate").memory(0.5, 2) == 4
    assert _price("Fargate").memory(5.2, 2) == 6
    assert _price("Cloud Run").memory(0.7, 4) == 2
    assert _cost("Fargate", ("s3", "s3"), NEED, Size(Range.exact(60), 1, 2, 1)).gib == 4


@pytest.mark.parametrize(
    ("engine", "cpus", "gib"), [("Fargate", 3, 1), ("Cloud Run", 16, 1), ("Cloud Run", 2, 8.5)]
)
def test_a_machine_that_is_not_had_has_no_price(engine: str, cpus: int, gib: float) -> None:
    """No dollars are told for what the engine would refuse."""
    assert cost(_price(engine), ("s3", "s3"), NEED, Size(Range.exact(60), 1, cpus, gib)) is None


def test_spot_costs_less() -> None:
    """The table keeps the order that everybody knows."""
    assert _price("Fargate Spot").task(3600, 1, 2) < _price("Fargate").task(3600, 1, 2)


@pytest.mark.parametrize("row", [*prices.COMPUTE, *prices.STORES], ids=lambda row: row.region)
def test_every_price_says_where_and_when(row: prices.Compute | prices.Requests) -> None:
    """Region, source and month are in each row; the table's date is the oldest."""
    found = re.search(r"\d{4}-\d{2}", row.source)

    assert row.region
    assert found
    assert found[0] >= prices.AS_OF


@given(st.integers(0, 10**10), st.integers(1, 64), st.integers(0, 10**7))
def test_memory_grows_with_workers(worker: int, cpus: int, items: int) -> None:
    """A task with one vCPU more needs more, and the range holds the value."""
    one, more = forecast.memory(worker, cpus, items), forecast.memory(worker, cpus + 1, items)

    assert one.low <= one.value <= one.high
    assert one.value < more.value
