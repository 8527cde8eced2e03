"""Limits as texts."""

from __future__ import annotations

import pytest

from shard.errors import SettingError
from shard.planning.limits import (
    memory_limit,
    parse_bytes,
    parse_count_or_percent,
    parse_duration,
    usable_cores,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000000", 1_000_000),
        ("0", 0),
        ("512MiB", 512 << 20),
        ("512Mi", 512 << 20),
        ("512MB", 512_000_000),
        ("512 mb", 512_000_000),
        ("2g", 2 << 30),
        ("1.5GiB", 3 << 29),
        ("4kB", 4_000),
        ("7B", 7),
        ("1T", 1 << 40),
    ],
)
def test_bytes(text: str, size: int) -> None:
    """Decimal units are decimal, binary ones and single letters binary."""
    assert parse_bytes(text, "MEMORY_LIMIT") == size


@pytest.mark.parametrize(
    "text", ["", "-1", "1e9", "2 GiBs", "GiB", "1,5g", "nan", "2pb", " 1", "1\n"]
)
def test_bytes_refused(text: str) -> None:
    """What is no size is refused with its variable."""
    with pytest.raises(SettingError, match=r"MEMORY_LIMIT is .*512MiB"):
        parse_bytes(text, "MEMORY_LIMIT")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60", 60),
        ("0.1", 0.1),
        ("500ms", 0.5),
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("2d", 172_800),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Durations are seconds or have a unit."""
    assert parse_duration(text, "TASK_TIMEOUT") == seconds


@pytest.mark.parametrize("text", ["", "-1", "1H", "10 min", "1h30m", "inf", "s", "1:30"])
def test_durations_refused(text: str) -> None:
    """What is no duration is refused with its variable."""
    with pytest.raises(SettingError, match=r"TASK_TIMEOUT is .*10m"):
        parse_duration(text, "TASK_TIMEOUT")


@pytest.mark.parametrize(
    ("text", "failed", "total", "exceeded"),
    [
        ("0", 0, 10, False),
        ("0", 1, 10, True),
        ("5", 5, 5, False),
        ("5", 6, 1000, True),
        ("2%", 2, 100, False),
        ("2%", 3, 100, True),
        ("0.1%", 1, 1000, False),
        ("0.1%", 2, 1000, True),
        ("0%", 0, 0, False),
        ("100%", 9, 9, False),
    ],
)
def test_allowances(text: str, failed: int, total: int, exceeded: bool) -> None:
    """An allowance is exceeded by more failures than its number or its share, exactly."""
    allowance = parse_count_or_percent(text, "MAX_FAILURES")

    assert allowance.exceeded(failed, total) is exceeded
    assert str(allowance) == text


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "%", "5 %", "five", "1/2"])
def test_allowances_refused(text: str) -> None:
    """What is neither a count nor a percentage is refused with its variable."""
    with pytest.raises(SettingError, match=r"MAX_FAILURES is .*2%"):
        parse_count_or_percent(text, "MAX_FAILURES")


@pytest.mark.parametrize(
    ("v2", "v1", "limit"),
    [
        (None, None, None),
        ("max\n", None, None),
        ("268435456\n", None, 268_435_456),
        (None, "9223372036854771712\n", None),
        (None, "536870912\n", 536_870_912),
        ("900", "800", 800),
        ("gibberish", "", None),
    ],
)
def test_memory_limit(v2: str | None, v1: str | None, limit: int | None) -> None:
    """The cgroup's memory limit is read from either version; none is ``None``."""
    assert memory_limit(v2, v1) == limit


@pytest.mark.parametrize(
    ("affinity", "v2", "quota", "period", "cores"),
    [
        (8, None, None, None, 8),
        (8, "max 100000\n", None, None, 8),
        (8, "200000 100000\n", None, None, 2),
        (8, "150000 100000", None, None, 2),
        (8, "50000 100000", None, None, 1),
        (2, "400000 100000", None, None, 2),
        (8, None, "-1\n", "100000\n", 8),
        (8, None, "300000\n", "100000\n", 3),
        (8, "200000", None, None, 2),
        (8, "0 0", None, None, 8),
        (0, None, None, None, 1),
    ],
)
def test_usable_cores(
    affinity: int, v2: str | None, quota: str | None, period: str | None, cores: int
) -> None:
    """Cores are those of the affinity, or fewer where the cgroup's quota grants fewer."""
    assert usable_cores(affinity, v2, quota, period) == cores
