"""What `shard generate` would do, as text."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shard.execution.supply import Chain
from shard.report import words

if TYPE_CHECKING:
    from shard.execution.inventory import Inventory
    from shard.manifest import Manifest

_NAMED = 20


def dry_run(supply: Inventory, manifest: Manifest) -> str:
    """Go through the supply, as the task would, and return what it would do.

    The store is asked as well, so that this is what a run at this moment makes.
    """
    thumbnails = images = size = 0
    skipped: Counter[str] = Counter()
    first: list[str] = []
    for step in supply.steps():
        if isinstance(step, Chain):
            for work in step.works:
                images += 1
                thumbnails += len(work.renditions)
                size += work.item.size
                first += [work.item.key] if len(first) < _NAMED else []
        elif step is not None:
            skipped.update(outcome.reason or "" for outcome in step)
    age = words.duration(manifest.header.age(datetime.now(UTC)).total_seconds())
    seen = f"{words.number(supply.items)} of {words.plural(supply.images, 'image')} looked at"
    would = f"{words.plural(thumbnails, 'thumbnail')} of {words.plural(images, 'image')}"
    lines = [
        "Dry run, nothing was written",
        _row("manifest", f"{manifest.url}, {age} old: {seen}"),
        _row("would write", f"{would} ({words.size(size)} to read){_why(supply.reasons)}"),
        _row("would skip", f"{words.plural(skipped.total(), 'thumbnail')}{_why(skipped)}"),
        _row("outputs", supply.store.url),
    ]
    lines += [f"    {key!r}" for key in first]
    if images > len(first):
        lines.append(f"    ... and {words.number(images - len(first))} more")
    if supply.limited:
        lines.append(_row("limit", "reached: there may be more"))
    return "\n".join(lines)


def _why(counts: Counter[str]) -> str:
    said = ", ".join(f"{why} {words.number(count)}" for why, count in sorted(counts.items()))
    return f": {said}" if said else ""


def _row(name: str, what: str) -> str:
    return f"  {name:<11} {what}"
