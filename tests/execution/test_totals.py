"""Sums over outcomes."""

from __future__ import annotations

from shard.execution.totals import Totals
from shard.model import Outcome, Status


def _outcome(rendition: str, status: Status, **more: object) -> Outcome:
    return Outcome(key="a", rendition=rendition, status=status, bytes_in=100, **more)  # type: ignore[arg-type]


def test_shared_stages_count_once_an_item_and_writes_once_a_rendition() -> None:
    """An item's read and decode are on each of its lines, but were done once."""
    totals = Totals()

    totals.add_item(
        [
            _outcome("s", Status.WRITTEN, ms={"read": 5.0, "decode": 7.0, "write": 1.0}),
            _outcome("m", Status.WRITTEN, ms={"read": 5.0, "decode": 7.0, "write": 2.0}),
        ]
    )

    assert dict(totals.ms) == {"read": 5.0, "decode": 7.0, "write": 3.0}
    assert (totals.written, totals.items_rendered, totals.bytes_in) == (2, 1, 100)


def test_json_round_trip_keeps_every_sum() -> None:
    """What one process writes down, another adds up without loss."""
    totals = Totals()
    totals.add_item([_outcome("s", Status.FAILED, reason="corrupt", retryable=True)])
    totals.add_item([_outcome("s", Status.SKIPPED, reason="fresh")])

    again = Totals()
    again.merge(Totals.from_json(totals.to_json()))

    assert again == totals
    assert again.failed_keys == {"corrupt": ["a"]}
