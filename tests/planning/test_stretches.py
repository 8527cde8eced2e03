"""The rule that cuts a sorted stream where folders end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shard.planning.stretches import Stretch, stretches

_KEYS = st.lists(
    st.lists(st.sampled_from(["a", "b", "a-", "c"]), min_size=1, max_size=4).map(
        lambda parts: "c/" + "/".join(parts)
    ),
    unique=True,
    max_size=40,
).map(sorted)


def _cut(keys: list[str], limit: int) -> list[Stretch[str]]:
    return list(stretches(keys, lambda key: key, limit, 1))


@given(_KEYS, st.integers(1, 12))
def test_stretches_are_the_stream_cut_in_pieces(keys: list[str], limit: int) -> None:
    """Joined they are the stream; none is longer than the limit or empty."""
    cut = _cut(keys, limit)

    assert [key for stretch in cut for key in stretch.things] == keys
    assert all(1 <= len(stretch.things) <= limit for stretch in cut)


@given(_KEYS, st.integers(1, 12))
def test_nothing_follows_below_a_whole_folder(keys: list[str], limit: int) -> None:
    """All keys of a stretch lie below its folder; of a whole one none comes later."""
    for stretch in _cut(keys, limit):
        later = [key for key in keys if key > stretch.things[-1]]

        assert all(key.startswith(stretch.folder) for key in stretch.things)
        assert not (stretch.whole and any(key.startswith(stretch.folder) for key in later))


@given(_KEYS, st.integers(1, 12))
def test_neighbours_are_joined_as_far_as_the_limit_allows(keys: list[str], limit: int) -> None:
    """A folder that fits the limit is never cut."""
    cut = _cut(keys, limit)

    for one, other in pairwise(cut):
        folder = one.folder
        below = [key for key in keys if key.startswith(folder)]
        assert len(below) > limit or not other.things[0].startswith(folder)


def test_the_table_of_the_docstring() -> None:
    """The rows that the rule's docstring shows."""
    assert [(s.folder, s.whole) for s in _cut(["c/a/1", "c/a/2", "c/b/1", "d/1"], 9)] == [
        ("c/", True),
        ("d/", True),
    ]
    assert [(s.folder, s.whole) for s in _cut(["c/a/1", "c/a/2", "c/b/1", "d/1"], 2)] == [
        ("c/a/", True),
        ("c/b/", True),
        ("d/", True),
    ]
    assert [(s.folder, s.things) for s in _cut(["c/a/1", "c/a/2", "c/a/3", "d/1"], 2)] == [
        ("c/a/", ("c/a/1", "c/a/2")),
        ("c/a/", ("c/a/3",)),
        ("d/", ("d/1",)),
    ]
