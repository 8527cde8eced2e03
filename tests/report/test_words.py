"""Numbers as people read them."""

from __future__ import annotations

import pytest

from shard.report import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (42.4, "42 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
        (1.3e6, "15 d 01 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """A duration has the precision that its length deserves."""
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 images"), (1, "1 image"), (1200, "1,200 images")]
)
def test_plurals(count: int, text: str) -> None:
    """Only one is singular; thousands are set apart."""
    assert words.plural(count, "image") == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "-"),
        (0, 5, "0.0%"),
        (1, 3, "33.3%"),
        (5, 5, "100.0%"),
        (999_999, 1_000_000, "99.9%"),
        (1, 1_000_000, "0.1%"),
    ],
)
def test_percentages(part: int, whole: int, text: str) -> None:
    """A share that is not all never reads as all, nor one that is something as nothing."""
    assert words.percent(part, whole) == text


def test_rate_of_nothing_is_not_a_number() -> None:
    """No images or no time give no rate."""
    assert (words.rate(0, 5.0), words.rate(3, 0.0), words.rate(50, 2.0)) == (
        "-",
        "-",
        "25 images a second",
    )
