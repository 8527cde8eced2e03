"""The rules of `verify`: what is said of every image and of every output."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.model import Format, Item
from shard.planning.layout import parse_layout
from shard.planning.renditions import parse_renditions
from shard.planning.verdicts import EXPECTED, Kind, LastWord, Rules, Tally, Verdict, judge_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.verdicts import Words

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = NOON - timedelta(hours=1), NOON + timedelta(hours=1)


def rules(layout: str = "mirror", renditions: str = "200") -> Rules:
    """Return the rules of a job."""
    wanted = parse_renditions(renditions)
    return Rules(parse_layout(layout, wanted, "20260101T1200Z"), wanted)


def judged(
    sources: list[str], outputs: Mapping[str, str], job: Rules, words: Words | None = None
) -> set[tuple[str, str | None, str | None]]:
    """Return (kind, key or output, detail); ``outputs`` says ``fresh``, ``stale`` or ``empty``."""
    items = [Item(key, 100, NOON) for key in sorted(sources)]
    found = {
        key: Item(key, 0 if state == "empty" else 9, OLD if state == "stale" else NEW)
        for key, state in outputs.items()
    }
    return {
        (
            verdict.kind.value,
            verdict.key or (verdict.output.key if verdict.output else None),
            verdict.detail,
        )
        for verdict in judge_groups(items, found, words or {}, job)
    }


@pytest.mark.parametrize(
    ("state", "kind"),
    [("fresh", "fresh"), ("stale", "stale"), ("empty", "empty"), (None, "missing")],
    ids=["fresh", "stale", "empty", "missing"],
)
def test_an_image_is_judged_by_the_predicate_of_freshness(state: str | None, kind: str) -> None:
    """What is there is fresh, stale or empty; what is not is missing."""
    outputs = {} if state is None else {"a.jpg": state}

    assert judged(["a.jpg"], outputs, rules()) == {(kind, "a.jpg", None)}


@pytest.mark.parametrize(
    ("word", "state", "said"),
    [
        (LastWord("failed", "truncated"), None, ("failed", "a.jpg", "truncated")),
        (LastWord("failed", "truncated"), "stale", ("failed", "a.jpg", "truncated")),
        (LastWord("failed", "truncated"), "fresh", ("fresh", "a.jpg", None)),
        (LastWord("written", None, "a.jpg"), None, ("missing", "a.jpg", "written")),
        (LastWord("written", None, "a.jpg"), "fresh", ("fresh", "a.jpg", None)),
    ],
    ids=["failed", "failed-stale", "made-since", "lost", "written"],
)
def test_the_ledger_says_why(
    word: LastWord, state: str | None, said: tuple[str, str, str | None]
) -> None:
    """What failed is failed, with its reason, unless it was made since; what is lost is told."""
    outputs = {} if state is None else {"a.jpg": state}

    assert judged(["a.jpg"], outputs, rules(), {("a.jpg", "200x200"): word}) == {said}


def test_of_two_outputs_of_one_image_one_is_a_duplicate() -> None:
    """With ``keep`` an image may lie at one of several keys; a second one is a duplicate."""
    outputs = {"a.tif.jpg": "stale", "a.tif.png": "fresh"}

    assert judged(["a.tif"], outputs, rules()) == {
        ("fresh", "a.tif", None),
        ("duplicate", "a.tif", "a.tif.png"),
    }


def test_a_collision_fails_the_later_image() -> None:
    """Two images whose names lead to one output: it is the first's by key, the other has failed."""
    outputs = {"a.jpg": "fresh"}

    assert judged(["x/a.jpg", "y/a.jpg"], outputs, rules("flat")) == {
        ("fresh", "x/a.jpg", None),
        ("failed", "y/a.jpg", "collision"),
    }


def test_the_ledger_says_whose_a_contested_output_is() -> None:
    """Where the content decided otherwise than the names suggest, the ledger's word holds."""
    words = {("scan.tif", "200x200"): LastWord("written", None, "scan.tif.png")}
    outputs = {"scan.tif.jpg": "fresh", "scan.tif.png": "fresh"}

    assert judged(["scan.tif", "scan.tif.jpg"], outputs, rules(), words) == {
        ("fresh", "scan.tif", None),
        ("fresh", "scan.tif.jpg", None),
    }


@pytest.mark.parametrize(
    ("layout", "renditions", "output", "kind"),
    [
        ("mirror", "200", "gone.jpg", "orphan"),
        ("mirror", "200", "gone.txt", "other"),
        ("mirror", "200", "gone", "other"),
        ("mirror", "200,format=webp", "gone.jpg", "other"),
        ("mirror", "200,format=webp", "gone.jpg.webp", "orphan"),
        ("mirror", "100;200", "gone_200x200.png", "orphan"),
        ("mirror", "100;200", "gone_300x300.png", "other"),
        ("flat", "200", "x/gone.jpg", "other"),
        ("t/{rendition}/{dir}/{name}", "200", "t/200x200/x/y/gone.jpg", "orphan"),
        ("t/{rendition}/{dir}/{name}", "200", "u/200x200/gone.jpg", "other"),
        ("{run}/{name}", "200", "20250101T0000Z/gone.jpg", "other"),
        ("collections", "200", "iz/thumbnails/ab/gone_200.jpg", "orphan"),
        ("collections", "200", "iz/thumbnails/ab/gone_400.png", "orphan"),
        ("collections", "200", "iz/thumbnails/ab/gone.jpg", "other"),
        ("collections", "200", "iz/elsewhere/gone_200.jpg", "other"),
    ],
)
def test_an_orphan_has_a_name_that_the_layout_gives(
    layout: str, renditions: str, output: str, kind: str
) -> None:
    """Only what the layout could have made can be an orphan; all else is left alone."""
    assert judged([], {output: "fresh"}, rules(layout, renditions)) == {(kind, output, None)}


def test_other_sizes_of_an_original_that_is_there_are_no_orphans() -> None:
    """Collections may hold more sizes than are asked for."""
    outputs = {"iz/thumbnails/a_200.jpg": "fresh", "iz/thumbnails/a_400.jpg": "fresh"}

    assert judged(["iz/originals/a.jpg"], outputs, rules("collections")) == {
        ("fresh", "iz/originals/a.jpg", None),
        ("other", "iz/thumbnails/a_400.jpg", None),
    }


SEGMENT = st.sampled_from(
    ["a", "b", "a.tif", "a.jpg", "a.tif.jpg", "a.png", "a_200x200.jpg", "x.gif"]
)
KEYS = st.builds("/".join, st.lists(SEGMENT, min_size=1, max_size=2))
STATES = st.sampled_from(["fresh", "stale", "empty"])


@given(
    st.sets(KEYS, max_size=6),
    st.dictionaries(KEYS, STATES, max_size=8),
    st.sampled_from(["mirror", "flat", "{rendition}/{dir}/{name}"]),
    st.sampled_from(["200", "100;200", "200,format=webp"]),
)
def test_the_sums_always_add_up(
    sources: set[str], outputs: dict[str, str], layout: str, renditions: str
) -> None:
    """Each rendition of each image is judged once, and each output is named once."""
    job = rules(layout, renditions)
    items = [Item(key, 100, NOON) for key in sorted(sources)]
    found = {key: Item(key, 9, NEW if s == "fresh" else OLD) for key, s in outputs.items()}
    verdicts = list(judge_groups(items, found, {}, job))

    expected = [(v.key, v.rendition) for v in verdicts if v.kind in EXPECTED]
    assert sorted(expected) == sorted((i.key, r.name) for i in items for r in job.renditions)
    assert sorted(v.output.key for v in verdicts if v.output) == sorted(found)


@given(
    st.sets(KEYS, min_size=1, max_size=6),
    st.sampled_from(["mirror", "flat", "{rendition}/{dir}/{name}", "t/{stem}_{rendition}{ext}"]),
    st.sampled_from(["200", "100;200", "200,format=webp"]),
    st.sampled_from([Format.JPEG, Format.PNG, Format.WEBP]),
)
def test_what_a_job_makes_is_never_an_orphan(
    sources: set[str], layout: str, renditions: str, made: Format
) -> None:
    """Whatever the layout names for an image that is there is not left over; without it, it is."""
    job = rules(layout, renditions)
    for key in sources:
        for rendition in job.renditions:
            fmt = made if rendition.format is Format.KEEP else rendition.format
            output = job.layout.output_key(key, rendition, fmt)

            assert not job.layout.is_leftover(output, sorted(sources))
            assert job.layout.is_leftover(output, [])


def test_a_tally_keeps_the_first_of_each_kind() -> None:
    """Counts are of all, examples are the first few by key."""
    tally = Tally(keep=2)
    for key in "dbca":
        tally.add(Verdict(Kind.MISSING, key, "200x200"))

    assert tally.counts[Kind.MISSING] == 4
    assert [verdict.key for verdict in tally.first[Kind.MISSING]] == ["a", "b"]
