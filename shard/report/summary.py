"""A task's or a run's end, as text that a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shard.execution.totals import Totals
from shard.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shard.execution.intake import Listing, Plan

_DRY_RUN_KEYS = 20
_SHARE_FROM = 0.005


@dataclass(frozen=True, slots=True)
class Where:
    """Where to look: the run's id, and the URLs of its outputs and of its ledgers."""

    run: str
    output: str
    ledger: str


def task(summary: Mapping[str, Any], where: Where, more: Iterable[tuple[str, str]] = ()) -> str:
    """Return the summary of one task's attempt; ``more`` are rows to end with."""
    index, count = summary["task"]["index"], summary["task"]["count"]
    how = summary["ended_by"]
    head = f"Task {index} of {count} of run {where.run}: {how} after " + words.duration(
        summary["seconds"]
    )
    images = summary["images"]
    by_manifest = summary["job"] == "generate"
    listed = words.plural(images["listed"], "image") + ("" if by_manifest else " listed")
    seen = f"{listed}, {words.number(images['slice'])} {'looked at' if by_manifest else 'mine'}"
    if ignored := sum(images["ignored"].values()):
        reasons = ", ".join(f"{why} {words.number(n)}" for why, n in images["ignored"].items())
        seen += f"; {reasons}" if by_manifest else f"; {words.number(ignored)} no input ({reasons})"
    lines = [head, _row("manifest" if by_manifest else "source", seen)]
    lines += _counts(Totals.from_json(summary["totals"]), summary["seconds"])
    if not by_manifest:
        lines += _why_fresh(Totals.from_json(summary["totals"]))
    if images["left"] is None:
        lines.append(_row("left", "unknown, the listing was not complete: run it again"))
    elif images["left"]:
        again = "" if by_manifest else ": run it again"
        lines.append(_row("left", words.plural(images["left"], "image") + again))
    if images["beyond_limit"]:
        lines.append(_row("beyond", f"{words.plural(images['beyond_limit'], 'image')} over LIMIT"))
    return "\n".join([*lines, *_where(where), *(_row(*row) for row in more)])


def run(totals: Totals, seconds: float, head: str, where: Where, *, kind: str) -> str:
    """Return the summary of a whole run; ``head`` says how its tasks ended.

    ``kind``: ``manifest`` where its images are those of a manifest, ``upload`` where it wrote
    originals too, ``pyramids`` where it made those, else ``job``.
    """
    hint = _why_fresh(totals) if kind == "job" else []
    noun = {"upload": "object", "pyramids": "pyramid"}.get(kind, "thumbnail")
    return "\n".join([head, *_counts(totals, seconds, noun), *hint, *_where(where)])


def dry_run(plan: Plan, listing: Listing, output: str) -> str:
    """Return what a task would do."""
    works = [work for chain in plan.chains for work in chain.works]
    renditions = sum(len(work.renditions) for work in works)
    size = sum(work.item.size for work in works)
    listed = words.plural(listing.inputs, "image")
    images = words.plural(len(works), "image")
    would = f"{words.plural(renditions, 'thumbnail')} of {images} ({words.size(size)} to read)"
    fresh = words.plural(sum(map(len, plan.skipped)), "thumbnail")
    lines = [
        f"Dry run, nothing was written: {listed} listed, {words.number(plan.items)} in this slice",
        _row("would write", would),
        _row("would skip", f"{fresh} (fresh)"),
        _row("outputs", output),
    ]
    lines += [f"    {work.item.key!r}" for work in works[:_DRY_RUN_KEYS]]
    if len(works) > _DRY_RUN_KEYS:
        lines.append(f"    ... and {words.number(len(works) - _DRY_RUN_KEYS)} more")
    return "\n".join(lines)


def _counts(totals: Totals, seconds: float, noun: str = "thumbnail") -> Iterator[str]:
    written = words.plural(totals.written, noun)
    if totals.written:
        written += f" of {words.plural(totals.items_rendered, 'image')}, "
        written += f"{words.size(totals.bytes_in)} read, {words.size(totals.bytes_out)} written, "
        written += words.rate(totals.items_rendered, seconds)
    yield _row("written", written)
    skipped = ", ".join(f"{why} {words.number(n)}" for why, n in sorted(totals.skipped.items()))
    yield _row(
        "skipped", words.number(totals.skipped.total()) + (f" ({skipped})" if skipped else "")
    )
    yield _row("failed", words.number(totals.failed.total()))
    for reason, count in totals.failed_images.most_common():
        keys = totals.failed_keys.get(reason, [])
        more = ", ..." if count > len(keys) else ""
        named = ", ".join(map(repr, sorted(keys))) + more
        yield f"    {reason}, {words.plural(count, 'image')}: {named}"
    if stages := stage_shares(totals):
        yield _row("time in", stages)


def _why_fresh(totals: Totals) -> list[str]:
    if totals.written or not totals.skipped:
        return []
    return [_row("", "after changing RENDITIONS: another OUTPUT_FOLDER, or EXISTING=overwrite")]


def stage_shares(totals: Totals) -> str:
    """Return how the items' time divides over the stages, as ``decode 61 %, write 20 %``."""
    total = sum(totals.ms.values())
    ordered = sorted(totals.ms.items(), key=lambda pair: -pair[1])
    shares = [(stage, ms / total) for stage, ms in ordered] if total else []
    return ", ".join(f"{stage} {share:.0%}" for stage, share in shares if share >= _SHARE_FROM)


def _where(where: Where) -> list[str]:
    return [_row("outputs", where.output), _row("ledger", where.ledger)]


def _row(name: str, what: str) -> str:
    return f"  {name:<11} {what}"
