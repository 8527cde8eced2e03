"""Slices: disjoint, complete, and independent of the listing's order."""

from __future__ import annotations

import itertools
import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.model import Item, Rendition, Task
from shard.planning.layout import Layout, parse_layout
from shard.planning.partition import owner, slice_items

if TYPE_CHECKING:
    import random

RULES = ("hash", "stride", "contiguous", "balanced")
MIRROR = parse_layout("mirror", [Rendition("a", 9, 9)], "run")
FLAT = parse_layout("flat", [Rendition("a", 9, 9), Rendition("b", 5, 5)], "run")

keys = st.text("ab/.jpgtif_", min_size=1, max_size=7) | st.text(min_size=1, max_size=5)
listings = st.lists(
    st.builds(Item, key=keys, size=st.integers(0, 10**9)), unique_by=lambda i: i.key, max_size=30
)
layouts = st.sampled_from([MIRROR, FLAT])
rules = st.sampled_from(RULES)
counts = st.integers(1, 9)


def slices(rule: str, items: list[Item], count: int, layout: Layout = MIRROR) -> list[list[Item]]:
    """Return all tasks' slices."""
    return [slice_items(rule, iter(items), Task(i, count), layout) for i in range(count)]


def plain(count: int) -> list[Item]:
    """Return items that never collide, of different sizes."""
    return [Item(f"d/{i:04d}.jpg", (i * 7919) % 1000) for i in range(count)]


@pytest.mark.parametrize(
    ("group", "number"),
    [
        ("", 16476032584258269876),
        ("a", 4681665781835383343),
        ("photos/2026/cat", 4832517579553524210),
        ("é", 14635220546840893743),
        ("\udcff", 12046828671236620177),
    ],
)
def test_hash_is_pinned(group: str, number: int) -> None:
    """The documented hash never changes: these numbers are its contract."""
    assert owner(group, 2**64) == number


@given(rules, listings, counts, layouts)
def test_disjoint_and_complete(rule: str, items: list[Item], count: int, layout: Layout) -> None:
    """Every item is in exactly one slice, and every slice is sorted by key."""
    found = slices(rule, items, count, layout)

    assert sorted(i.key for s in found for i in s) == sorted(i.key for i in items)
    assert all([i.key for i in s] == sorted(i.key for i in s) for s in found)


@given(rules, listings, counts, layouts, st.randoms(use_true_random=False))
def test_order_is_irrelevant(
    rule: str, items: list[Item], count: int, layout: Layout, chance: random.Random
) -> None:
    """Slices follow from what is listed, not from the order of listing."""
    shuffled = items.copy()
    chance.shuffle(shuffled)

    assert slices(rule, shuffled, count, layout) == slices(rule, items, count, layout)


@given(rules, listings, counts, layouts)
def test_colliding_items_stay_together(
    rule: str, items: list[Item], count: int, layout: Layout
) -> None:
    """Items with a possible output key in common have one owner."""
    owners: dict[str, set[int]] = {}
    for index, mine in enumerate(slices(rule, items, count, layout)):
        for item, rendition in itertools.product(mine, layout.renditions):
            for candidate in layout.candidates(item.key, rendition):
                owners.setdefault(candidate, set()).add(index)

    assert [key for key, tasks in owners.items() if len(tasks) > 1] == []


@given(listings, listings, counts)
def test_hash_owner_is_independent_of_other_items(
    items: list[Item], others: list[Item], count: int
) -> None:
    """Under hash, objects that come and go never change another item's owner."""
    before = {i.key: n for n, s in enumerate(slices("hash", items, count)) for i in s}
    known = {item.key for item in items}
    more = items[1:] + [item for item in others if item.key not in known]
    after = {i.key: n for n, s in enumerate(slices("hash", more, count)) for i in s}

    assert {k: n for k, n in after.items() if k in before} == {
        k: n for k, n in before.items() if k in after
    }


@given(st.integers(0, 200), st.integers(1, 70), st.sampled_from(["stride", "contiguous"]))
def test_sizes_differ_by_one(items: int, count: int, rule: str) -> None:
    """Without collisions no task has more than one item more than another."""
    sizes = [len(s) for s in slices(rule, plain(items), count)]

    assert max(sizes) - min(sizes) <= 1


def test_a_hundred_items_on_64_tasks() -> None:
    """No task stands idle, also where names pair up as x.jpg and x.png."""
    items = [Item(f"{i:02d}.{ext}", 1) for i in range(50) for ext in ("jpg", "png")]

    assert {len(s) for s in slices("contiguous", items, 64)} == {1, 2}
    assert {len(s) for s in slices("stride", items, 64)} == {1, 2}


def test_contiguous_is_contiguous() -> None:
    """Contiguous blocks follow one another in key order."""
    found = slices("contiguous", plain(10), 4)

    assert [i.key for s in found for i in s] == [i.key for i in plain(10)]


def test_stride_is_every_nth() -> None:
    """Stride deals the sorted items out like cards."""
    assert slices("stride", plain(10), 4)[1] == plain(10)[1::4]


@given(st.lists(st.integers(0, 50), max_size=7), st.integers(1, 3))
def test_balanced_is_within_four_thirds(sizes: list[int], count: int) -> None:
    """The heaviest task has at most 4/3 of the bytes that the best possible division gives it."""
    items = [Item(f"{i}.jpg", size) for i, size in enumerate(sizes)]
    best = min(
        max(sum(s for s, o in zip(sizes, owners, strict=True) if o == t) for t in range(count))
        for owners in itertools.product(range(count), repeat=len(sizes))
    )
    heaviest = max(sum(i.size for i in s) for s in slices("balanced", items, count))

    assert 3 * heaviest <= 4 * best


def test_balanced_spreads_empty_objects() -> None:
    """Objects without bytes are spread as evenly as any."""
    items = [Item(f"{i}.jpg", 0) for i in range(8)]

    assert [len(s) for s in slices("balanced", items, 4)] == [2, 2, 2, 2]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("turn", [1, -1])
def test_repeated_keys_count_once(rule: str, turn: int) -> None:
    """A key that the listing repeats is one item, with its newest facts."""
    old = Item("a.jpg", 9, datetime(2026, 1, 1, tzinfo=UTC))
    new = Item("a.jpg", 5, datetime(2026, 2, 1, tzinfo=UTC))
    items = [old, Item("b.jpg", 1), new, Item("a.jpg", 20)][::turn]

    assert sorted(slices(rule, items, 1)[0], key=lambda i: i.key) == [new, Item("b.jpg", 1)]


def test_hash_streams() -> None:
    """Under hash nothing is kept of the listing but the slice."""
    tracemalloc.start()
    mine = slice_items("hash", (Item(f"{i}.jpg", i) for i in range(20_000)), Task(0, 2_000), MIRROR)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert mine
    assert peak < 200_000


def test_hash_is_even() -> None:
    """The hash spreads 10,000 keys over 16 tasks within 15 % of the mean."""
    sizes = [len(s) for s in slices("hash", plain(10_000), 16)]

    assert 0.85 * 625 < min(sizes) <= max(sizes) < 1.15 * 625


def test_unknown_rule() -> None:
    """An unknown rule is refused with those that exist."""
    with pytest.raises(SettingError, match="SLICE is 'random'; accepted: hash, stride"):
        slice_items("random", [], Task(), MIRROR)
