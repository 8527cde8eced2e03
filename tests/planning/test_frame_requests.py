"""What may be asked of a frame, and the key of what is made."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import ParameterError
from shard.planning.archive_records import Frame
from shard.planning.composites import HEAD, Remark, read_remark, to_comment
from shard.planning.frames import (
    PARAMETERS,
    Answer,
    FrameRequest,
    Picture,
    cache_key,
    canonical,
    parse_frame_request,
)

FRAME = Frame(7, "a.fits", "https://files.example/a.fits", "P1", "9", "EXPOSE", version="abc")
_ROOT = Path(__file__).parent.parent.parent


def _picture(query: str) -> Picture:
    pairs = [tuple(pair.split("=", 1)) for pair in query.split("&") if pair]
    return parse_frame_request([(name, value) for name, value in pairs]).picture


def test_the_defaults_are_those_of_the_older_service() -> None:
    """200 x 200, quality 80, percentile 99.5, a URL as JSON."""
    asked = parse_frame_request([])

    assert asked == FrameRequest(Picture(), Answer.URL)
    assert (asked.picture.width, asked.picture.height, asked.picture.quality) == (200, 200, 80)
    assert asked.picture.fits.percentile == 99.5


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("true", Answer.REDIRECT),
        ("", Answer.REDIRECT),
        ("1", Answer.REDIRECT),
        ("false", Answer.URL),
        ("inline", Answer.INLINE),
        ("Inline", Answer.INLINE),
    ],
)
def test_image_says_how_it_is_answered(value: str, answer: Answer) -> None:
    """True is a redirect, inline the bytes, false the URL."""
    assert parse_frame_request([("image", value)]).answer is answer


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("width=0", "width is '0'; accepted: a whole number from 1 to 4096"),
        ("height=4097", "height is '4097'; accepted: a whole number from 1 to 4096"),
        ("quality=101", "quality is '101'; accepted: a whole number from 1 to 100"),
        ("image=picture", "image is 'picture'; accepted: inline, or true or false"),
        ("stretch=cubic", "stretch is 'cubic'; accepted: zscale, astropy-zscale"),
        ("zmin=dark", "zmin is 'dark'; accepted: a number"),
        ("zmin=5&zmax=1", "zmin, zmax is 'zmin=5,zmax=1'; accepted: zmin less than zmax"),
        ("plane=0", "plane is '0'; accepted: a whole number from 1"),
        ("hdu=1,stretch=log", "hdu is '1,stretch=log'; accepted: one value"),
        ("mosaic=maybe", "mosaic is 'maybe'; accepted: true or false"),
        ("label=" + "x" * 201, "label is 'x+...'; accepted: up to 200 characters"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_wrong_is_named_with_what_is_accepted(query: str, said: str) -> None:
    """Each wrong parameter is told by name, value and accepted form."""
    with pytest.raises(ParameterError) as caught:
        _picture(query)

    assert str(caught.value).replace("x" * 80, "x+").startswith(said)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("color=True", "color=true"),
        ("color=", "color=1"),
        ("color=no", ""),
        ("percentile=50", ""),
        ("median=0&percentile=50", "percentile=99"),
        ("percentile=99.50", "percentile=99.5"),
        ("width=200", ""),
        ("width=0200", "width=200"),
        ("label=", ""),
        ("label= ", ""),
        ("zmin=0.0", "zmin=0"),
        ("stretch=zscale", ""),
        ("height=300&width=100", "width=100&height=300"),
        ("image=inline", "image=true"),
    ],
)
def test_what_looks_the_same_has_one_key(one: str, other: str) -> None:
    """Spelling, order and what means nothing do not make another picture."""
    keys = {cache_key(FRAME, _picture(query), [FRAME]) for query in (one, other)}

    assert len(keys) == 1


@pytest.mark.parametrize(
    "query",
    [
        "color=true",
        "width=201",
        "height=201",
        "label=a",
        "median=true",
        "median=true&percentile=99",
        "stretch=asinh",
        "stretch=asinh&percentile=99",
        "quality=81",
        "zmin=0",
        "zmax=0",
        "hdu=1",
        "hdu=SCI",
        "plane=1",
        "filter=median",
        "mosaic=true",
    ],
)
def test_what_looks_different_has_another_key(query: str) -> None:
    """Every parameter that changes the picture changes the key, zmin=0 included."""
    shorter = query.rpartition("&")[0]

    assert cache_key(FRAME, _picture(query), [FRAME]) != cache_key(
        FRAME, _picture(shorter), [FRAME]
    )


def test_another_version_of_the_file_has_another_key() -> None:
    """A frame that was reduced again is drawn again."""
    again = replace(FRAME, version="def")

    assert cache_key(FRAME, Picture(), [FRAME]) != cache_key(again, Picture(), [again])


def test_a_better_blue_frame_has_another_key() -> None:
    """A composite's key names the frames that it is made of."""
    blue, better = replace(FRAME, id=8), replace(FRAME, id=9)
    colour = Picture(color=True)

    assert cache_key(FRAME, colour, [FRAME, FRAME, blue]) != cache_key(
        FRAME, colour, [FRAME, FRAME, better]
    )


def test_the_url_of_the_file_is_not_in_the_key() -> None:
    """It is signed anew each time."""
    signed = replace(FRAME, url="https://files.example/a.fits?X-Amz-Signature=1")

    assert cache_key(FRAME, Picture(), [FRAME]) == cache_key(FRAME, Picture(), [signed])


def test_the_canonical_form_is_sorted_json() -> None:
    """Anybody can compute the key from the documented text."""
    text = canonical(_picture("median=1&label=é"), [FRAME])

    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert text == (
        '{"color":false,"frames":[[7,"abc"]],"height":200,"label":"\\u00e9","median":true,'
        '"percentile":99.5,"quality":80,"recipe":1,"width":200}'
    )


def test_the_key_is_the_same_in_every_process() -> None:
    """Hash randomisation, which made the older service's keys differ, has no say."""
    program = (
        "from shard.planning.frames import *; from shard.planning.archive_records import Frame;"
        "f = Frame(7, 'a.fits', 'https://x/a.fits', None, None, 'EXPOSE', version='abc');"
        "p = parse_frame_request([('color', 'on'), ('label', 'M 51'), ('stretch', 'log')]).picture;"
        "print(cache_key(f, p, [f, f, f]))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }

    assert len(keys) == 1
    assert keys.pop().startswith("7.")


@given(st.lists(st.tuples(st.sampled_from(PARAMETERS), st.text(max_size=20)), max_size=8))
def test_any_query_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    """Nothing but a ParameterError comes out."""
    with contextlib.suppress(ParameterError):
        asked = parse_frame_request(pairs)

        assert cache_key(FRAME, asked.picture, [FRAME]).endswith(".jpg")


@given(
    st.sampled_from([None, "wcs", "stars"]),
    st.lists(st.text(max_size=100), max_size=3).map(tuple),
)
def test_a_remark_is_read_back_from_the_jpeg(aligned: str | None, notes: tuple[str, ...]) -> None:
    """What is known of a composite lies in the picture's beginning."""
    import io

    from PIL import Image

    remark, out = Remark(aligned, notes), io.BytesIO()
    Image.new("RGB", (3, 3)).save(out, "JPEG", comment=to_comment(remark))

    assert read_remark(out.getvalue()[:HEAD]) == remark


@given(st.binary(max_size=200))
def test_any_bytes_have_a_remark_or_none(data: bytes) -> None:
    """A broken picture in the bucket is no reason to fail."""
    assert read_remark(b"\xff\xd8" + data) is None
