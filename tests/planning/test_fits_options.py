"""The grammar of FITS: text to options and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.planning.fits import FILTERS, FLIPS, STRETCHES, FitsOptions, canonical, parse_fits

NUMBERS = st.floats(-1e12, 1e12)
OPTIONS = st.builds(
    FitsOptions,
    hdu=st.none() | st.integers(0, 999) | st.sampled_from(["SCI", "SCI:2", "MY IMAGE", "A-B"]),
    plane=st.none() | st.integers(1, 999),
    stretch=st.sampled_from(STRETCHES),
    zmin=st.none() | NUMBERS,
    contrast=st.floats(0.001, 10),
    gamma=st.none() | st.floats(0.1, 10),
    filter=st.sampled_from(FILTERS),
    median=st.booleans(),
    percentile=st.floats(0.1, 100),
    flip=st.sampled_from(FLIPS),
)


@given(OPTIONS)
def test_text_and_options_are_one(options: FitsOptions) -> None:
    """Every value has a text that says just it."""
    assert parse_fits(canonical(options)) == options


def test_zero_is_a_value() -> None:
    """``zmin=0`` is not the same as no ``zmin``."""
    assert parse_fits("zmin=0, zmax=1e4") == FitsOptions(zmin=0.0, zmax=10_000.0)
    assert canonical(FitsOptions(zmin=0.0)) == "zmin=0"


def test_nothing_said_is_all_defaults() -> None:
    """An empty text changes nothing, and the defaults have an empty text."""
    assert parse_fits(" ") == FitsOptions()
    assert canonical(FitsOptions()) == ""


def test_gamma_follows_the_stretch() -> None:
    """The observatory's gamma belongs to its own stretch, unless another is asked for."""
    said = ("", "stretch=log", "stretch=log,gamma=2")

    assert [parse_fits(text).exponent for text in said] == [2.5, 1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("strech=log", "option=value"),
        ("log", "option=value"),
        ("stretch=cubehelix", "zscale, astropy-zscale, minmax"),
        ("plane=0", "a whole number from 1"),
        ("zmin=nan", "a number, as 0, -12.5 or 1e4"),
        ("zmin=1e999", "a number, as 0, -12.5 or 1e4"),
        ("contrast=0", "a number above 0"),
        ("percentile=101", "a number above 0, to 100"),
        ("gamma=0", "a number from 0.1 to 10"),
        ("median=true", "yes, no"),
        ("hdu=1,", "option=value"),
        ("hdu=\u00e9", "a number from 0, or an EXTNAME"),
        ("hdu=-1", "a number from 0, or an EXTNAME"),
        ("hdu=1.5", "a number from 0, or an EXTNAME"),
        ("hdu=1,hdu=2", "hdu at most once"),
        ("zmin=5,zmax=5", "zmin less than zmax"),
        ("mosaic=yes,hdu=1", "not both"),
    ],
)
def test_refusals_say_what_is_accepted(text: str, said: str) -> None:
    """What is not accepted is refused by one sentence that names the variable."""
    with pytest.raises(SettingError) as refused:
        parse_fits(text)

    assert str(refused.value).startswith("FITS is ")
    assert said in str(refused.value)
