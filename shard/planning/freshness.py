"""The one predicate for "needs work", shared by every verb and the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shard.model import Item


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an output has to be made, and why. ``output`` is the key that is fresh already.

    Reasons: ``missing``, ``empty``, ``stale``, ``overwrite`` (needed); ``fresh``,
    ``fresh_time_unknown`` (not needed).
    """

    needed: bool
    reason: str
    output: str | None = None


def decide(item: Item, existing: Sequence[Item], *, overwrite: bool = False) -> Decision:
    """Decide about one rendition of ``item``; ``existing`` are those of its candidates that exist.

    =========  ==============================================  ======  ====================
    overwrite  existing                                        needed  reason
    =========  ==============================================  ======  ====================
    no         nothing                                         yes     missing
    no         only empty objects                              yes     empty
    no         only older than the source (or empty)           yes     stale
    no         one not older than the source                   no      fresh
    no         one, and its time or the source's is not told   no      fresh_time_unknown
    yes        nothing                                         yes     missing
    yes        anything                                        yes     overwrite
    =========  ==============================================  ======  ====================

    Times are compared at the coarser resolution of the two, since stores tell microseconds,
    milliseconds or whole seconds: an output of the source's own second is fresh if one of the
    two tells only seconds.
    """
    if not existing:
        return Decision(True, "missing")
    if overwrite:
        return Decision(True, "overwrite")
    whole = [output for output in existing if output.size > 0]
    for output in whole:
        if item.modified is None or output.modified is None:
            return Decision(False, "fresh_time_unknown", output.key)
        if not _older(output.modified, item.modified):
            return Decision(False, "fresh", output.key)
    return Decision(True, "stale" if whole else "empty")


def _older(output: datetime, source: datetime) -> bool:
    unit = max(_resolution(output), _resolution(source))
    return _cut(output, unit) < _cut(source, unit)


def _resolution(moment: datetime) -> int:
    """Return the coarsest unit, in microseconds, that this time could have been told in."""
    return next(unit for unit in (1_000_000, 1_000, 1) if moment.microsecond % unit == 0)


def _cut(moment: datetime, unit: int) -> datetime:
    return moment.replace(microsecond=moment.microsecond // unit * unit)
