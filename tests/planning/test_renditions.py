"""The grammar of RENDITIONS and SIZES."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.imaging.geometry import GRAVITIES, SMART_GRAVITIES
from shard.model import Fit, Format, Rendition
from shard.planning.renditions import canonical, parse_renditions, parse_sizes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100x100", (Rendition("100x100", 100, 100),)),
        ("200", (Rendition("200x200", 200, 200),)),
        ("0200x0100", (Rendition("200x100", 200, 100),)),
        ("small=200x100", (Rendition("small", 200, 100),)),
        (" a = 1 ; b = 65500 ", (Rendition("a", 1, 1), Rendition("b", 65500, 65500))),
        (
            "1x2,fit=cover,format=webp,quality=7,background=#AABBCC",
            (Rendition("1x2", 1, 2, Fit.COVER, Format.WEBP, 7, "#aabbcc"),),
        ),
        (
            "9,gravity=attention,enlarge=yes,sharpen=0.5,progressive=yes,animate=no",
            (
                Rendition(
                    "9x9", 9, 9, gravity="attention", enlarge=True, sharpen=0.5, progressive=True
                ),
            ),
        ),
        (
            "9,lossless=yes,keep=exif+icc,placeholder=blurhash",
            (
                Rendition(
                    *("9x9", 9, 9),
                    lossless=True,
                    keep=frozenset({"icc", "exif"}),
                    placeholder="blurhash",
                ),
            ),
        ),
    ],
)
def test_accepted(text: str, expected: tuple[Rendition, ...]) -> None:
    """The grammar reads names, boxes and options."""
    assert parse_renditions(text) == expected


@pytest.mark.parametrize(
    ("text", "piece", "accepted"),
    [
        ("", "''", "WxH"),
        ("200;", "''", "WxH"),
        ("0x10", "'0x10'", "1 to 65500"),
        ("10x65501", "'10x65501'", "1 to 65500"),
        ("200X100", "'200X100'", "WxH"),
        ("-5", "'-5'", "WxH"),
        ("٣x٣", "'٣x٣'", "WxH"),
        ("a_b=200", "'a_b'", "letters, digits"),
        ("a.b=200", "'a.b'", "letters, digits"),
        ("a/b=200", "'a/b'", "letters, digits"),
        ("=200", "''", "letters, digits"),
        ("200,fit=fill", "'fit=fill'", "inside, cover, pad"),
        ("200,format=gif", "'format=gif'", "keep, jpeg, png, webp, avif, jxl"),
        ("200,quality=0", "'quality=0'", "1 to 100"),
        ("200,quality=101", "'quality=101'", "1 to 100"),
        ("200,background=white", "'background=white'", "#rrggbb"),
        ("200,gravity=up", "'gravity=up'", "centre"),
        ("200,enlarge=true", "'enlarge=true'", "yes, no"),
        ("200,sharpen=11", "'sharpen=11'", "0 (off) to 10"),
        ("200,sharpen=nan", "'sharpen=nan'", "0 (off) to 10"),
        ("200,keep=xmp", "'keep=xmp'", "icc+exif"),
        ("200,keep=", "'keep='", "icc+exif"),
        ("200,placeholder=lqip", "'placeholder=lqip'", "thumbhash, blurhash"),
        ("200,fit", "'fit'", "option=value"),
        ("200,400", "'400'", "';' between renditions"),
        ("200,colour=red", "'colour=red'", "fit, format, quality"),
        ("200,fit=pad,fit=pad", "'fit=pad'", "at most once"),
        ("200;200,fit=cover", "'200x200'", "different names"),
        ("9,format=jpeg,lossless=yes", "'9,format=jpeg,lossless=yes'", "not jpeg"),
    ],
)
def test_refused(text: str, piece: str, accepted: str) -> None:
    """A wrong text is refused with the variable, the offending piece and what is accepted."""
    with pytest.raises(SettingError) as raised:
        parse_renditions(text)

    assert raised.value.variable == "RENDITIONS"
    assert piece in str(raised.value)
    assert accepted in raised.value.accepted


def test_sizes() -> None:
    """SIZES is shorthand for square boxes, called by their box."""
    assert parse_sizes("200, 400") == parse_renditions("200;400")


@pytest.mark.parametrize("text", ["", "200,", "200;400", "200,200", "a=200"])
def test_sizes_refused(text: str) -> None:
    """A wrong SIZES is refused in its own name."""
    with pytest.raises(SettingError, match="SIZES"):
        parse_sizes(text)


sides = st.integers(1, 65500)
renditions = st.builds(
    Rendition,
    name=st.from_regex(r"[A-Za-z0-9-]{1,60}", fullmatch=True),
    width=sides,
    height=sides,
    fit=st.sampled_from(Fit),
    format=st.sampled_from([f for f in Format if f not in {Format.GIF, Format.JPEG}]),
    quality=st.integers(1, 100),
    background=st.from_regex(r"#[0-9a-f]{6}", fullmatch=True),
    gravity=st.sampled_from(["centre", "northwest", "entropy"]),
    enlarge=st.booleans(),
    sharpen=st.integers(0, 10_000).map(lambda n: n / 1000),
    lossless=st.booleans(),
    progressive=st.booleans(),
    animate=st.booleans(),
    keep=st.frozensets(st.sampled_from(["icc", "exif"])),
    placeholder=st.sampled_from([None, "thumbhash", "blurhash"]),
)


@given(renditions)
def test_canonical_text_reads_back(rendition: Rendition) -> None:
    """The canonical text of any rendition reads back as that rendition."""
    assert parse_renditions(canonical(rendition)) == (rendition,)


def test_gravities_are_those_of_the_geometry() -> None:
    """Every place that the geometry knows, and no other but the smart ones, can be asked for."""
    known = {*GRAVITIES, *SMART_GRAVITIES} - {"center"}  # one spelling, so one canonical text
    with pytest.raises(SettingError) as raised:
        parse_renditions("9,gravity=?")

    assert set(raised.value.accepted.removeprefix("gravity= with ").split(", ")) == known


def test_canonical_text_is_short() -> None:
    """Two spellings of one rendition have one canonical text, without the defaults."""
    texts = {
        canonical(r) for s in ("0200,quality=85", "200x200,fit=inside") for r in parse_renditions(s)
    }

    assert texts == {"200x200=200x200"}
