"""Labels: white, lower left, whole, and never outside the picture."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from shard.imaging.fits.label import LONGEST, label, one_line, place

NAME = "ogg0m404-kb82-20160807-0001-e91"
BRIGHTNESSES = [0, 127, 255]

sides = st.integers(1, 600)


def changed(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int]:
    """Where two pictures differ, as (left, top, right, bottom)."""
    box = ImageChops.difference(before, after).convert("L").getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize("grey", BRIGHTNESSES)
def test_white_on_any_grey_picture(grey: int) -> None:
    """Letters are white on black, grey and white, and what is behind them is at most 102 of 255."""
    placed = place(NAME, (200, 200))
    assert placed is not None
    shade = label(Image.new("L", (200, 200), grey), NAME).crop(placed.box)

    counts = shade.histogram()
    assert counts[255] > 100
    assert counts[grey * 2 // 5] > 1000


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 0, 255), (255, 255, 255)])
def test_white_on_any_colour(colour: tuple[int, int, int]) -> None:
    """On a colour picture the label is white, not red."""
    labelled = label(Image.new("RGB", (200, 200), colour), NAME)
    before = 40000 if colour == (255, 255, 255) else 0

    pixels = {value: count for count, value in labelled.getcolors(40000) or []}
    assert labelled.mode == "RGB"
    assert abs(pixels[(255, 255, 255)] - before) > 100


def test_lower_left() -> None:
    """A short label keeps its size and lies lower left, three pixels off both edges."""
    white = Image.new("L", (400, 300), 255)
    left, top, right, bottom = changed(white, label(white, "NGC 7331"))

    assert (left, bottom) == (3, 297)
    assert right < 150
    assert top > 260


def test_shrunk_before_cut() -> None:
    """A name of 31 letters fits 200 pixels whole, in smaller letters."""
    wide, narrow = place(NAME, (800, 200)), place(NAME, (200, 200))

    assert wide is not None
    assert narrow is not None
    assert (wide.size, wide.text) == (20, NAME)
    assert 8 <= narrow.size < 20
    assert narrow.text == NAME


def test_cut_with_an_ellipsis() -> None:
    """What does not fit in the least size is cut, and an ellipsis says so."""
    placed = place(NAME, (100, 100))

    assert placed is not None
    assert placed.size == 8
    assert placed.text.endswith("…")
    assert NAME.startswith(placed.text[:-1])
    assert len(placed.text) > 10


def test_letters_stand_on_the_same_line() -> None:
    """Tails below the baseline and accents above move nothing: one shade, one line."""
    picture = Image.new("L", (200, 60))
    tails, none = (changed(picture, label(picture, text)) for text in ("Agpq", "ABCD"))

    assert tails[1] == none[1]
    assert tails[3] > none[3]
    placed = [place(text, (200, 60)) for text in ("Ägq", "ace")]
    assert [at and at.box[1] for at in placed] == [29, 29]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("a\nb\r\n\tc", "a b c", id="line breaks"),
        pytest.param("  M 31  ", "M 31", id="spaces"),
        pytest.param("a\x00b\x1b[31m", "a b [31m", id="control characters"),
        pytest.param("a\u202eb\u200bc\ufeff", "abc", id="invisible"),
        pytest.param("cafe\u0301", "café", id="composed"),
        pytest.param("\ud800", "\ufffd", id="half a pair"),
        pytest.param("\n\t ", "", id="nothing to see"),
        pytest.param("x" * LONGEST, "x" * LONGEST, id="just long enough"),
        pytest.param("x" * 10**6, "x" * (LONGEST - 1) + "…", id="too long"),
        pytest.param(" " * 10**6 + "x", "…", id="cut before anything"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    """Any text becomes one bounded line."""
    assert one_line(text) == line


def test_empty_text_changes_nothing() -> None:
    """A picture without a label is the picture."""
    picture = Image.effect_noise((50, 50), 60)

    assert label(picture, " \n").tobytes() == picture.tobytes()


def test_the_given_picture_is_left_alone() -> None:
    """The label is drawn on a copy."""
    picture = Image.new("L", (100, 100))
    label(picture, "M31")

    assert picture.getextrema() == (0, 0)


@pytest.mark.parametrize("mode", ["P", "RGBA", "1", "CMYK"])
def test_other_modes_become_rgb(mode: str) -> None:
    """A mode that cannot hold white letters becomes RGB."""
    assert label(Image.new(mode, (90, 90)), "M31").mode == "RGB"


@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=60), width=sides, height=sides)
def test_never_outside(text: str, width: int, height: int) -> None:
    """Whatever the text and the size from 1x1, the label lies inside, or there is none."""
    placed = place(text, (width, height))
    picture = Image.new("L", (width, height), 99)
    labelled = label(picture, text)

    assert labelled.size == (width, height)
    box = ImageChops.difference(picture, labelled).getbbox()
    if placed is None:
        assert box is None
        return
    assert 0 <= placed.box[0] < placed.box[2] <= width
    assert 0 <= placed.box[1] < placed.box[3] <= height
    if box is not None:
        assert box[0] >= placed.box[0]
        assert box[1] >= placed.box[1]
        assert box[2] <= placed.box[2]
        assert box[3] <= placed.box[3]
