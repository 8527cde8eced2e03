"""The predicate for "needs work"."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shard.model import Item
from shard.planning.freshness import Decision, decide


def at(seconds: str | None, size: int = 9, key: str = "out.jpg") -> Item:
    """Return an object of that second of one minute."""
    if seconds is None:
        return Item(key, size)
    return Item(
        key, size, datetime.fromisoformat(f"2026-11-21T09:00:{seconds}").replace(tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("source", "output", "needed", "reason"),
    [
        ("10", "11", False, "fresh"),
        ("10", "10", False, "fresh"),
        ("11", "10", True, "stale"),
        ("10.000600", "10.000500", True, "stale"),
        ("10.000500", "10.000500", False, "fresh"),
        ("10.600000", "10", False, "fresh"),
        ("10.600000", "09", True, "stale"),
        ("10", "10.600000", False, "fresh"),
        ("10.600000", "10.500000", True, "stale"),
        ("10.600200", "10.600000", False, "fresh"),
        ("10.600200", "10.599000", True, "stale"),
        (None, "10", False, "fresh_time_unknown"),
        ("10", None, False, "fresh_time_unknown"),
    ],
)
def test_times(source: str | None, output: str | None, needed: bool, reason: str) -> None:
    """An output is fresh if it is not older than its source, as finely as both stores tell."""
    decision = decide(at(source), [at(output)])

    assert (decision.needed, decision.reason) == (needed, reason)


def test_missing() -> None:
    """What does not exist is to be made, whether or not overwriting is asked for."""
    assert {decide(at("10"), [], overwrite=o) for o in (False, True)} == {Decision(True, "missing")}


def test_empty() -> None:
    """An empty output is never fresh, even if it is new or its time is not told."""
    found = {decide(at("10"), [at(moment, size=0)]) for moment in ("11", None)}

    assert found == {Decision(True, "empty")}


def test_any_fresh_candidate_suffices() -> None:
    """One fresh output among the candidates is enough, and it is named."""
    existing = [at("09", key="a.jpg"), at("11", 0, "a.jpg.gif"), at("11", key="a.jpg.png")]

    assert decide(at("10"), existing) == Decision(False, "fresh", "a.jpg.png")


def test_stale_wins_over_empty() -> None:
    """Where nothing is fresh, an output with content is called stale."""
    assert decide(at("10"), [at("11", 0), at("09")]) == Decision(True, "stale")


def test_overwrite() -> None:
    """Asked to overwrite, even what is fresh is made again."""
    assert decide(at("10"), [at("11")], overwrite=True) == Decision(True, "overwrite")
