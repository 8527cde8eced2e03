"""Where the images lie that could share an output key with a given one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.model import Rendition
from shard.planning.layout import parse_layout
from shard.planning.reach import next_of_kin

if TYPE_CHECKING:
    from shard.planning.layout import Reversible

ONE = (Rendition("small", 9, 9),)
TWO = (*ONE, Rendition("large", 99, 99))
LAYOUTS = [
    parse_layout("mirror", ONE, ""),
    parse_layout("mirror", TWO, ""),
    parse_layout("flat", TWO, ""),
    parse_layout("{rendition}/{dir}/{name}", TWO, ""),
    parse_layout("{dir}/x-{stem}.{rendition}", TWO, ""),
    parse_layout("{dir}-{name}", ONE, ""),
    parse_layout("collections", TWO, ""),
]
EXTENSIONS = ["", ".jpg", ".png", ".tif", ".JPEG", ".webp.jpg", ".tif.jpg.png"]


@st.composite
def keys(draw: st.DrawFn) -> str:
    """Draw keys that are often alike."""
    folder = draw(st.sampled_from(["", "a/", "a/b/", "a-b/", "c/originals/", "c/originals/d/"]))
    stem = draw(st.sampled_from(["1", "10", "1-2", "x_small", ".x", "b-1", "1.tif"]))
    return folder + stem + draw(st.sampled_from(EXTENSIONS))


@given(st.sampled_from(LAYOUTS), st.lists(keys(), min_size=2, max_size=2, unique=True))
def test_who_shares_an_output_is_within_reach(layout: Reversible, pair: list[str]) -> None:
    """Whatever the layout: a listing of the reach finds every rival, and the image itself."""
    if not all(layout.accepts(key) for key in pair):
        return
    wanted = [{c for r in layout.renditions for c in layout.candidates(k, r)} for k in pair]
    reach = layout.reach(pair[0])

    within = [key.startswith(reach.prefix) or key == reach.bare for key in pair]

    assert within[0]
    assert within[1] or not wanted[0] & wanted[1]


@given(st.sampled_from(LAYOUTS), st.sets(keys(), min_size=1, max_size=12))
def test_kin_are_found_one_after_the_other(layout: Reversible, existing: set[str]) -> None:
    """Where names are enough: from any key all are met that share an output, also by way of others.

    Whoever is met is there.
    """
    accepted = {key for key in existing if layout.accepts(key)}
    for key in accepted:
        if not layout.reach(key).by_name:
            continue
        met, wanted = set[str](), [key]
        while wanted:
            one = wanted.pop()
            if one in accepted - met:
                met.add(one)
                wanted.extend(next_of_kin(one))
        outputs = [{c for r in layout.renditions for c in layout.candidates(k, r)} for k in met]
        others = accepted - met

        assert not any(
            one & {c for r in layout.renditions for c in layout.candidates(other, r)}
            for one in outputs
            for other in others
        )


@pytest.mark.parametrize(
    ("layout", "key", "prefix", "bare"),
    [
        (LAYOUTS[0], "a/1.jpg", "a/1.", "a/1"),
        (LAYOUTS[0], "a/s.tif", "a/s.tif", None),
        (LAYOUTS[0], "a/s.tif.jpg", "a/s.tif.", "a/s.tif"),
        (LAYOUTS[0], "a/.jpg", "a/.", None),
        (LAYOUTS[1], "a/1.jpg", "a/1.", "a/1"),
        (LAYOUTS[3], "a/s.tif", "a/s.tif", None),
        (LAYOUTS[4], "a/1.jpg", "a/", None),
        (LAYOUTS[2], "a/1.jpg", "", None),
        (LAYOUTS[6], "c/originals/d/1.jpg", "c/originals/d/1.", "c/originals/d/1"),
    ],
)
def test_reach_is_narrow_where_it_can_be(
    layout: Reversible, key: str, prefix: str, bare: str | None
) -> None:
    """One image is judged without listing its folder, under the usual layouts."""
    reach = layout.reach(key)

    assert (reach.prefix, reach.bare) == (prefix, bare)
