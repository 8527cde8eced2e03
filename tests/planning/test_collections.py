"""The layout `collections`: names of thumbnails, and whose they are."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.model import Fit, Format, Item, Rendition
from shard.planning import collections, formats
from shard.planning.collisions import contested
from shard.planning.layout import parse_layout
from shard.planning.settings import TaskSettings

SIZES = tuple(collections.served(Rendition(str(s), s, s)) for s in (200, 400))
LAYOUT = collections.collections(SIZES)
OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def thumb(name: str, *, size: int = 9, modified: datetime = NEW) -> Item:
    """Return an object of c/thumbnails/a/."""
    return Item(f"c/thumbnails/a/{name}", size, modified)


def original(name: str) -> Item:
    """Return an object of c/originals/a/."""
    return Item(f"c/originals/a/{name}", 100, OLD)


@pytest.mark.parametrize(
    ("key", "content", "expected"),
    [
        ("botany/originals/ab/cd/x.jpg", "jpeg", "botany/thumbnails/ab/cd/x_200.jpg"),
        ("botany/originals/ab/cd/x.JPEG", "jpeg", "botany/thumbnails/ab/cd/x_200.JPEG"),
        ("botany/originals/x.gif", "gif", "botany/thumbnails/x_200.gif"),
        ("iz/originals/ab/scan.tif", "tiff", "iz/thumbnails/ab/scan_200.png"),
        ("iz/originals/ab/notes.pdf", "pdf", "iz/thumbnails/ab/notes_200.png"),
        ("iz/originals/ab/photo.HEIC", "heic", "iz/thumbnails/ab/photo_200.png"),
        ("iz/originals/ab/new.webp", "webp", "iz/thumbnails/ab/new_200.webp"),
        ("iz/originals/ab/liar.jpg", "png", "iz/thumbnails/ab/liar_200.png"),
        ("iz/originals/ab/liar.png", "tiff", "iz/thumbnails/ab/liar_200.png"),
        ("iz/originals/ab/bare", "jpeg", "iz/thumbnails/ab/bare_200.jpg"),
        ("iz/originals/ab/IMG_2034.jpg", "jpeg", "iz/thumbnails/ab/IMG_2034_200.jpg"),
        ("iz/originals/ab/IMG_2034_200.jpg", "jpeg", "iz/thumbnails/ab/IMG_2034_200_200.jpg"),
        ("iz/originals/originals/x.jpg", "jpeg", "iz/thumbnails/originals/x_200.jpg"),
        ("iz/originals/1/2/3/4/a.b.png", "png", "iz/thumbnails/1/2/3/4/a.b_200.png"),
    ],
)
def test_thumbnails_are_where_the_server_looks(key: str, content: str, expected: str) -> None:
    """TIFF, PDF and the like become PNG under the original's stem; what a server shows stays."""
    fmt = formats.resolve(Format.KEEP, content, has_alpha=False, otherwise=SIZES[0].otherwise)

    assert LAYOUT.output_key(key, SIZES[0], fmt) == expected


@pytest.mark.parametrize(
    "key",
    [
        "botany/thumbnails/a/x_200.jpg",
        "originals/x.jpg",
        "botany/originals/",
        "a/b/originals/x.jpg",
    ],
)
def test_other_keys_are_no_inputs(key: str) -> None:
    """Only what lies in a collection's originals/ is an input."""
    assert not LAYOUT.accepts(key)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("c/thumbnails/a/x_200.jpg", ("a/", "x", 200)),
        ("c/thumbnails/x_200.PNG", ("", "x", 200)),
        ("c/thumbnails/IMG_2034.jpg", ("", "IMG", 2034)),
        ("c/thumbnails/IMG_2034_400.jpg", ("", "IMG_2034", 400)),
        ("c/thumbnails/a.b_200.Webp", ("", "a.b", 200)),
        ("c/thumbnails/x.jpg", None),
        ("c/thumbnails/x_0200.jpg", None),
        ("c/thumbnails/x_200", None),
        ("c/thumbnails/x_200.tif", None),
        ("c/thumbnails/_200.jpg", None),
        ("c/originals/x_200.jpg", None),
    ],
)
def test_names_of_thumbnails(key: str, found: tuple[str, str, int] | None) -> None:
    """The last number of a name below thumbnails/ is the scale."""
    name = collections.parse_thumbnail(key)

    assert (name and (name.folder, name.stem, name.scale)) == found


names = st.text(st.sampled_from("ab_2.0-"), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."}
)
keys = st.builds("c/originals/{}{}".format, st.sampled_from(["", "f/", "f/g/"]), names)


@given(keys, st.sampled_from(SIZES), st.sampled_from(formats.KEPT))
def test_every_output_is_a_candidate_of_its_group(key: str, size: Rendition, fmt: Format) -> None:
    """What is written is found again: as a candidate, in the same group, at the same scale."""
    output = LAYOUT.output_key(key, size, fmt)
    name = collections.parse_thumbnail(output)

    assert output in LAYOUT.candidates(key, size)
    assert LAYOUT.output_group(output) == LAYOUT.group(key)
    assert name is not None
    assert name.scale == size.width


@given(st.sets(keys, min_size=2, max_size=6))
def test_originals_that_share_an_output_are_contested(found: set[str]) -> None:
    """No two originals write one thumbnail without one owner to settle it."""
    items = [Item(key, 1) for key in sorted(found)]
    sets = [{item.key for item in met} for met in contested(items, LAYOUT, SIZES)]
    outputs: dict[str, set[str]] = {}
    for key in found:
        for fmt in formats.KEPT:
            outputs.setdefault(LAYOUT.output_key(key, SIZES[0], fmt), set()).add(key)

    assert all(any(met <= one for one in sets) for met in outputs.values() if len(met) > 1)


@pytest.mark.parametrize(
    ("originals", "thumbnails", "matched", "orphans", "extras"),
    [
        (["x.tif"], ["x_200.jpg"], {"x.tif": {200: "x_200.jpg"}}, [], []),
        (["x.tif"], ["x_200.png"], {"x.tif": {200: "x_200.png"}}, [], []),
        (["x.tif"], ["x_200.jpg", "x_200.png"], {"x.tif": {200: "x_200.png"}}, [], ["x_200.jpg"]),
        (["x.tif"], ["x_200.tif"], {"x.tif": {}}, ["x_200.tif"], []),
        ([], ["x_200.png"], {}, ["x_200.png"], []),
        (
            ["x.jpg", "x.tif"],
            ["x_200.jpg", "x_200.png"],
            {"x.jpg": {200: "x_200.jpg"}, "x.tif": {200: "x_200.png"}},
            [],
            [],
        ),
        (["x.jpg", "x.tif"], ["x_200.gif"], {"x.jpg": {}, "x.tif": {}}, ["x_200.gif"], []),
        (
            ["x.jpg"],
            ["x_200.jpg", "x_400.JPG"],
            {"x.jpg": {200: "x_200.jpg", 400: "x_400.JPG"}},
            [],
            [],
        ),
    ],
)
def test_whose_a_thumbnail_is(
    originals: list[str],
    thumbnails: list[str],
    matched: dict[str, dict[int, str]],
    orphans: list[str],
    extras: list[str],
) -> None:
    """One original has all thumbnails of its stem; several have those of their own names."""
    found = collections.match([original(n) for n in originals], [thumb(n) for n in thumbnails])
    got = {
        key.rpartition("/")[2]: {s: t.key.rpartition("/")[2] for s, t in by.items()}
        for key, by in found.thumbnails.items()
    }

    assert got == matched
    assert [item.key.rpartition("/")[2] for item in found.orphans] == orphans
    assert [item.key.rpartition("/")[2] for item in found.extras] == extras


def test_a_fresh_thumbnail_of_another_name_counts() -> None:
    """Where the expected thumbnail is stale and another is fresh, there is nothing to make."""
    stale = thumb("x_200.png", modified=OLD - timedelta(days=1))
    found = collections.match([original("x.tif")], [stale, thumb("x_200.jpg")])

    assert found.thumbnails["c/originals/a/x.tif"][200].key.endswith("x_200.jpg")


def test_duplicates_name_the_winner() -> None:
    """Of two originals that ask for one thumbnail the first by key has it."""
    found = collections.match([original("x.png"), original("x.tif")], [thumb("x_200.png")])

    assert [(i.key, w) for i, w in found.duplicates] == [
        ("c/originals/a/x.tif", "c/originals/a/x.png")
    ]
    assert found.thumbnails["c/originals/a/x.tif"] == {}


@pytest.mark.parametrize(
    ("renditions", "accepted"),
    [
        ((Rendition("a", 200, 100),), "square boxes"),
        ((Rendition("a", 200, 200, Fit.COVER),), "square boxes"),
        ((Rendition("a", 200, 200), Rendition("b", 200, 200)), "each size once"),
    ],
)
def test_refused_renditions(renditions: tuple[Rendition, ...], accepted: str) -> None:
    """What a scale cannot tell apart is refused."""
    with pytest.raises(SettingError) as raised:
        parse_layout("collections", renditions, "run")

    assert accepted in str(raised.value)


def test_the_layout_travels() -> None:
    """Worker processes get the same rule."""
    assert pickle.loads(pickle.dumps(LAYOUT)) == LAYOUT  # noqa: S301 - our own bytes


def test_the_job_writes_beside_the_originals() -> None:
    """With LAYOUT=collections the output is the source unless another is named."""
    settings = TaskSettings.parse(
        {"INPUT_FOLDER": "gs://b/attachments", "LAYOUT": "collections", "SIZES": "200"}
    )

    assert settings.output == settings.source
    assert settings.renditions[0].otherwise is Format.PNG


def test_another_bucket_is_refused() -> None:
    """OUTPUT_BUCKET belongs to the default output, which this layout does not have."""
    variables = {"INPUT_FOLDER": "gs://b/a", "LAYOUT": "collections", "OUTPUT_BUCKET": "c"}
    with pytest.raises(SettingError) as raised:
        TaskSettings.parse(variables)

    assert raised.value.variable == "OUTPUT_BUCKET"
