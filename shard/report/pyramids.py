"""What a task of `shard pyramid` says at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shard.execution.totals import Totals
from shard.report import words
from shard.report.summary import stage_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_NAMED = 5
_DRY_RUN_KEYS = 20
_WAYS = {
    "done": "done and removed",
    "kept": "kept for the next run",
    "failed": "moved to failed/",
    "newer": "newer by now, kept",
    "problem": "could not be updated",
    "marked": "written for images that share a stem",
}


def run(
    summary: Mapping[str, Any],
    where: tuple[str, str],
    counts: Mapping[str, int] | None,
    shared: Sequence[tuple[str, str]],
) -> str:
    """Return the summary of a task's attempt; ``where`` are the URLs of outputs and ledger.

    ``counts``: which way markers went; ``None`` without any. ``shared``: images that cannot have
    their own stem, and what they have instead.
    """
    index, count = summary["task"]["index"], summary["task"]["count"]
    images, totals = summary["images"], Totals.from_json(summary["totals"])
    took = words.duration(summary["seconds"])
    lines = [f"Task {index} of {count}: {summary['ended_by']} after {took}"]
    what = "image" if counts is None else "marker"
    listed = f"{words.plural(images['listed'], what)} listed, {words.number(images['slice'])} mine"
    if ignored := sum(images["ignored"].values()):
        listed += f"; {words.number(ignored)} left out"
    lines.append(_row("source" if counts is None else "markers", listed))
    lines += _counts(totals, summary["seconds"])
    if images["left"]:
        lines.append(_row("left", f"{words.plural(images['left'], 'image')}: run it again"))
    if images["beyond_limit"]:
        lines.append(_row("beyond", f"{words.plural(images['beyond_limit'], what)} over LIMIT"))
    lines += _shared(shared)
    if counts:
        told = [f"{words.number(n)} {_WAYS[way]}" for way in _WAYS if (n := counts.get(way))]
        lines.append(_row("markers", ", ".join(told)))
    return "\n".join([*lines, _row("outputs", where[0]), _row("ledger", where[1])])


def _counts(totals: Totals, seconds: float) -> Iterator[str]:
    written = words.plural(totals.written, "pyramid")
    if totals.written:
        written += f", {words.size(totals.bytes_in)} read, {words.size(totals.bytes_out)} written"
        written += f", {words.rate(totals.items_rendered, seconds)}"
    yield _row("written", written)
    skipped = ", ".join(f"{why} {words.number(n)}" for why, n in sorted(totals.skipped.items()))
    yield _row("skipped", words.number(totals.skipped.total()) + (f" ({skipped})" * bool(skipped)))
    yield _row("failed", words.number(totals.failed.total()))
    for reason, count in totals.failed_images.most_common():
        keys = totals.failed_keys.get(reason, [])
        more = ", ..." if count > len(keys) else ""
        yield f"    {reason}, {words.plural(count, 'image')}: {', '.join(map(repr, keys))}{more}"
    if stages := stage_shares(totals):
        yield _row("time in", stages)


def _shared(shared: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not shared:
        return
    yield _row("same stem", f"{words.plural(len(shared), 'image')} named in full:")
    for key, stem in sorted(shared)[:_NAMED]:
        yield f"    {key!r} -> {stem!r}"
    if len(shared) > _NAMED:
        yield f"    ... and {words.number(len(shared) - _NAMED)} more"


def dry_run(keys: Iterable[str], listed: int, what: str, would: str) -> str:
    """Return what would be done; ``what`` is counted, ``would`` is the verb's phrase."""
    named = list(keys)
    lines = [
        f"Dry run, nothing was written: {words.plural(listed, what)} listed",
        _row("would", f"{would} {words.plural(len(named), what)}"),
        *(f"    {key!r}" for key in named[:_DRY_RUN_KEYS]),
    ]
    if len(named) > _DRY_RUN_KEYS:
        lines.append(f"    ... and {words.number(len(named) - _DRY_RUN_KEYS)} more")
    return "\n".join(lines)


def mark(counts: Mapping[str, int], where: str) -> str:
    """Return the summary of `shard pyramid mark`."""
    ways = ("listed", "marked", "failed", "refused")
    left = {why: n for why, n in counts.items() if why not in ways}
    told = ", ".join(f"{why} {words.number(n)}" for why, n in sorted(left.items()) if n)
    marked, listed = words.plural(counts["marked"], "marker"), counts["listed"]
    lines = [
        f"{marked} written, of {words.plural(listed, 'object')} listed",
        _row("left out", told or "0"),
    ]
    if counts.get("failed"):
        lines.append(_row("failed", f"{words.plural(counts['failed'], 'marker')}: run it again"))
    if counts.get("refused"):
        said = f"{words.plural(counts['refused'], 'image')} can have no marker: the log says why"
        lines.append(_row("refused", said))
    return "\n".join([*lines, _row("markers", where)])


def _row(name: str, what: str) -> str:
    return f"  {name:<11} {what}"
