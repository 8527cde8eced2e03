"""Which items could be given the same output key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shard.model import Format, Item, Rendition
from shard.planning.collisions import contested
from shard.planning.layout import parse_layout

KEEP = (Rendition("a", 9, 9),)
JPEG = (Rendition("a", 9, 9, format=Format.JPEG),)


def sets(keys: list[str], text: str, renditions: tuple[Rendition, ...] = KEEP) -> list[list[str]]:
    """Return the contested keys."""
    layout = parse_layout(text, renditions, "run")
    return [[i.key for i in s] for s in contested([Item(k, 1) for k in keys], layout, renditions)]


def test_flat_names_meet() -> None:
    """Equal file names of different folders meet under flat, in key order."""
    assert sets(["c/x.jpg", "b/y.jpg", "a/x.jpg"], "flat") == [["a/x.jpg", "c/x.jpg"]]


def test_mirrored_names_do_not_meet() -> None:
    """Mirrored keys keep apart, even where only the extension differs."""
    assert sets(["a/x.jpg", "b/x.jpg", "a/x.png", "a/x.tif"], "mirror") == []


def test_what_the_content_decides_is_contested() -> None:
    """A key that would be given the other's name, if its content says so, is contested."""
    assert sets(["scan.tif.jpg", "scan.tif"], "mirror") == [["scan.tif", "scan.tif.jpg"]]


def test_explicit_formats_meet_only_in_their_extension() -> None:
    """With an explicit format only that format's name is contested."""
    assert sets(["scan", "scan.png"], "mirror", JPEG) == []
    assert sets(["scan", "scan.jpg"], "mirror", JPEG) == [["scan", "scan.jpg"]]


def test_chains_are_one_set() -> None:
    """Sets are closed: what is linked through a third item is in one set."""
    keys = ["x.jpg", "x.png", "x"]

    assert sets(keys, "mirror") == [["x", "x.jpg", "x.png"]]


@given(st.lists(st.text("ab./jpgn", min_size=1, max_size=6), unique=True, max_size=12))
def test_sets_are_exactly_the_components(keys: list[str]) -> None:
    """Every pair with a shared candidate is in one set, and no set could be smaller."""
    layout = parse_layout("flat", KEEP, "run")
    outputs = {k: set(layout.candidates(k, KEEP[0])) for k in keys}
    expected = [{k} for k in keys]
    for a in keys:
        for b in keys:
            if outputs[a] & outputs[b]:
                ours, theirs = (next(s for s in expected if k in s) for k in (a, b))
                if ours is not theirs:
                    expected.remove(theirs)
                    ours |= theirs

    assert sets(keys, "flat") == sorted(sorted(s) for s in expected if len(s) > 1)
