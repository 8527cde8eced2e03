"""Sums over outcomes: what a summary, a progress bar and the ledger's totals are made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shard.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shard.model import Outcome

# How many keys of each failure reason a summary names; the ledger has them all.
FIRST_KEYS = 5


@dataclass(slots=True)
class Totals:
    """Counts are of outcomes (item x rendition), unless their names say images.

    ``bytes_in`` and ``cpu_ms`` count once an item; ``failed_keys`` names the first keys by reason.
    """

    written: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failed_images: Counter[str] = field(default_factory=Counter)
    failed_keys: dict[str, list[str]] = field(default_factory=dict)
    retryable: int = 0
    items_rendered: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    cpu_ms: float = 0.0
    ms: dict[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many outcomes there are in all."""
        return self.written + self.skipped.total() + self.failed.total()

    def add_item(self, outcomes: Iterable[Outcome]) -> None:
        """Add all outcomes of one item: what is common to them counts once."""
        rendered = False
        failed: dict[str, str] = {}
        for outcome in outcomes:
            self._add(outcome)
            if outcome.status is Status.FAILED:
                failed[outcome.reason or "error"] = outcome.key
            if not rendered and outcome.status is not Status.SKIPPED:
                rendered = True
                self.items_rendered += outcome.status is Status.WRITTEN
                self.bytes_in += outcome.bytes_in
                self.cpu_ms += outcome.cpu_ms
                self._add_ms(outcome, shared=True)
            self._add_ms(outcome, shared=False)
        for reason, key in failed.items():
            self.add_failed_image(reason, key)

    def add_failed_image(self, reason: str, key: str) -> None:
        """Count an image that failed for this reason, in however many renditions."""
        self.failed_images[reason] += 1
        keys = self.failed_keys.setdefault(reason, [])
        if len(keys) < FIRST_KEYS:
            keys.append(key)

    def _add(self, outcome: Outcome) -> None:
        match outcome.status:
            case Status.WRITTEN:
                self.written += 1
                self.bytes_out += outcome.bytes_out
            case Status.SKIPPED:
                self.skipped[outcome.reason or "error"] += 1
            case Status.FAILED:
                self.failed[outcome.reason or "error"] += 1
                self.retryable += outcome.retryable

    def _add_ms(self, outcome: Outcome, *, shared: bool) -> None:
        # Only the write is a rendition's own; all other stages are the item's, on each line.
        self.add_ms({s: ms for s, ms in outcome.ms.items() if (s != "write") is shared})

    def add_ms(self, ms: Mapping[str, float]) -> None:
        """Add milliseconds by stage."""
        for stage, more in ms.items():
            self.ms[stage] = self.ms.get(stage, 0.0) + more

    def merge(self, other: Totals) -> None:
        """Add another's sums to these."""
        self.written += other.written
        self.skipped.update(other.skipped)
        self.failed.update(other.failed)
        self.failed_images.update(other.failed_images)
        for reason, keys in other.failed_keys.items():
            ours = self.failed_keys.setdefault(reason, [])
            ours.extend(keys[: FIRST_KEYS - len(ours)])
        self.retryable += other.retryable
        self.items_rendered += other.items_rendered
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.cpu_ms += other.cpu_ms
        self.add_ms(other.ms)

    def to_json(self) -> dict[str, Any]:
        """Return the sums as plain JSON values."""
        return {
            "written": self.written,
            "skipped": dict(self.skipped),
            "failed": dict(self.failed),
            "failed_images": dict(self.failed_images),
            "failed_keys": self.failed_keys,
            "retryable": self.retryable,
            "items_rendered": self.items_rendered,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "cpu_ms": round(self.cpu_ms, 1),
            "ms": {stage: round(ms, 1) for stage, ms in self.ms.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Totals:
        """Read what ``to_json`` wrote."""
        return cls(
            written=data["written"],
            skipped=Counter(data["skipped"]),
            failed=Counter(data["failed"]),
            failed_images=Counter(data["failed_images"]),
            failed_keys={reason: list(keys) for reason, keys in data["failed_keys"].items()},
            retryable=data["retryable"],
            items_rendered=data["items_rendered"],
            bytes_in=data["bytes_in"],
            bytes_out=data["bytes_out"],
            cpu_ms=data.get("cpu_ms", 0.0),
            ms=dict(data["ms"]),
        )
