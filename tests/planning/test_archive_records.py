"""Records of frames: what is accepted, what is refused and why, what a composite is made of."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from shard.planning.archive_records import (
    BadRecord,
    FrameRefused,
    FrameRules,
    accept,
    choose_colours,
    is_fits_name,
    is_web_url,
    read_frame,
)

RULES = FrameRules(
    ("configuration_type", "request_id", "filename"),
    ("EXPOSE", "STANDARD", "SPECTRUM"),
    ("EXPOSE", "STANDARD"),
)


def record(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a record as an archive gives it."""
    return {
        "id": number,
        "filename": f"frame-{number}.fits.fz",
        "url": f"https://files.example/{number}.fits.fz?X-Amz-Signature=abc",
        "proposal_id": "P-1",
        "request_id": 1756835,
        "configuration_type": "EXPOSE",
        "primary_optical_element": "V",
        "reduction_level": 91,
        "observation_date": f"2026-03-21T05:{number:02d}:00Z",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "colour", "reason", "said"),
    [
        ({"configuration_type": "CATALOG"}, False, "configuration_type", "=CATALOG"),
        ({"configuration_type": None}, False, "configuration_type", "=None"),
        ({"configuration_type": "SPECTRUM"}, True, "configuration_type", "color thumbnail"),
        ({"request_id": None}, True, "no_request", "does not have a request"),
        ({"filename": "calibration.tar.gz"}, False, "not_fits", "non FITS-type frame"),
        ({"filename": None}, False, "not_fits", "non FITS-type frame"),
    ],
)
def test_frames_are_refused_with_the_reason(
    changes: dict[str, Any], colour: bool, reason: str, said: str
) -> None:
    """Each rule of the older service says which it is."""
    with pytest.raises(FrameRefused, match=said) as caught:
        accept(record(**changes), RULES, colour=colour)

    assert caught.value.reason == reason


def test_missing_keys_are_named() -> None:
    """A record that lacks required keys says which."""
    lacking = {key: value for key, value in record().items() if key != "request_id"}
    with pytest.raises(FrameRefused, match="its record has no request_id") as caught:
        accept(lacking, RULES, colour=False)

    assert caught.value.reason == "missing_keys"


def test_a_type_is_compared_in_capitals() -> None:
    """Archives write types either way."""
    assert accept(record(configuration_type="expose"), RULES, colour=True).type == "EXPOSE"


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "text",
        {},
        record(id="1"),
        record(id=True),
        record(id=-1),
        record(url=None),
        record(url="ftp://files.example/a"),
        record(url="file:///etc/passwd"),
        record(url="https://user:secret@files.example/a"),
        record(url="https://"),
        record(url="http://[::1"),
        record(filename=5),
        record(request_id={"a": 1}),
    ],
)
def test_no_record_is_a_bad_record(broken: object) -> None:
    """What an archive should never say is its failure, not ours."""
    with pytest.raises(BadRecord):
        read_frame(broken)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a.fits", True),
        ("a.fits.fz", True),
        ("a.FITS.GZ", True),
        ("a.fit", True),
        ("a.fts", True),
        ("a.b.fits", True),
        ("a.tar.gz", False),
        ("fits", False),
        ("a.fits.txt", False),
        ("a.fits\n", False),
        ("", False),
    ],
)
def test_names_say_fits(name: str, answer: bool) -> None:
    """.fits, .fit and .fts, compressed or not."""
    assert is_fits_name(name) is answer


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//files.example/a", "", "http:///a", "gopher://a/b"]
)
def test_only_web_urls_are_fetched(url: str) -> None:
    """No other scheme, and no URL without a host."""
    assert not is_web_url(url)


def _chosen(frames: list[dict[str, Any]], asked: int = 1) -> list[int]:
    frame = accept(frames[asked - 1], RULES, colour=True)
    return [one.id for one in choose_colours(frame, frames, RULES)]


def test_colours_are_chosen_by_filter() -> None:
    """Red is R or rp, visual V, blue B."""
    frames = [
        record(1, primary_optical_element="B"),
        record(2, primary_optical_element="rp"),
        record(3, primary_optical_element="V"),
        record(4, primary_optical_element="gp"),
    ]

    assert _chosen(frames) == [2, 3, 1]


def test_the_choice_does_not_depend_on_the_order_told() -> None:
    """The frame itself first, then the nearest in time, then the lowest id."""
    frames = [
        record(1, primary_optical_element="V"),
        record(2, primary_optical_element="V", observation_date="2026-03-21T04:59:59Z"),
        record(3, primary_optical_element="R", observation_date="2026-03-21T05:05:00Z"),
        record(4, primary_optical_element="rp", observation_date="2026-03-21T04:58:00Z"),
        record(5, primary_optical_element="B", observation_date=None),
        record(6, primary_optical_element="B", observation_date="never"),
    ]
    frame = accept(frames[0], RULES, colour=True)
    orders = itertools.islice(itertools.permutations(frames), 0, 720, 7)
    chosen = {tuple(one.id for one in choose_colours(frame, list(o), RULES)) for o in orders}

    assert chosen == {(4, 1, 5)}


def test_raw_frames_and_other_types_are_no_part_of_a_composite() -> None:
    """Also where an archive does not heed what it was asked."""
    frames = [
        record(1, primary_optical_element="V"),
        record(2, primary_optical_element="B", reduction_level=0),
        record(3, primary_optical_element="R", configuration_type="SPECTRUM"),
        record(4, primary_optical_element="R", filename="r.tar.gz"),
    ]
    with pytest.raises(FrameRefused) as caught:
        _chosen(frames)

    assert caught.value.reason == "no_colour_frames"
    assert "in red (R or rp), blue (B)" in str(caught.value)


def test_the_version_is_that_of_the_newest_file() -> None:
    """Records list versions in any order."""
    versions = [
        {"id": 9, "created": "2026-03-22T00:00:00Z", "md5": "new"},
        {"id": 5, "created": "2026-03-21T00:00:00Z", "md5": "old"},
    ]
    found = {read_frame(record(version_set=order)).version for order in (versions, versions[::-1])}

    assert found == {"new"}


@pytest.mark.parametrize("versions", [None, [], {}, [5], [{}], "x"])
def test_a_record_without_versions_is_a_record(versions: object) -> None:
    """Not every archive tells them."""
    assert read_frame(record(version_set=versions)).version is None
