"""The reports about a manifest: each a table for people, and rows of plain values for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from shard.report import words
from shard.report.pace import CADENCES, TASKS
from shard.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shard.manifest import Manifest
    from shard.report.pace import Pace
    from shard.report.survey import Survey, Tally
    from shard.report.tables import Block

Row = dict[str, Any]
_NEEDED: Final = ("missing", "empty", "stale")
_TOTAL: Final = "total"
_ONE_ROW_EACH: Final = ("summary", "detailed")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a manifest: its survey, how fast images are made, at what cadence."""

    manifest: Manifest
    survey: Survey
    pace: Pace
    cadence: float = 0.0


@dataclass(slots=True)
class Report:
    """One report: ``blocks`` for a person, ``rows`` for programs.

    Rows hold counts, bytes, shares (0 to 1) and seconds of one collection each; those of all
    together, whose collection is ``None``, go with ``more``, what else there is to say.
    """

    kind: str
    blocks: list[Block] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    more: Row = field(default_factory=dict)


def build(kind: str, question: Question) -> Report:
    """Return a report: ``summary``, ``detailed``, ``plan`` or ``sizes``."""
    report = KINDS[kind](question)
    totals = [row for row in report.rows if row["collection"] is None]
    report.more["total"] = totals[0] if kind in _ONE_ROW_EACH else totals
    report.rows = [row for row in report.rows if row["collection"] is not None]
    report.blocks = [_head(question), "", *report.blocks, "", *_tail(question)]
    return report


def facts(question: Question) -> Row:
    """Return what holds for a report as a whole."""
    header, total = question.manifest.header, question.survey.total
    return {
        "manifest": question.manifest.url,
        "source": header.source.url,
        "created_at": header.created_at.isoformat(),
        "collections": list(question.survey.collections),
        "size": question.survey.size,
        "cadence": question.cadence,
        "to_make": total.to_make.count,
        "to_make_bytes": total.to_make.bytes,
        "seconds": round(question.pace.seconds(total.to_make.count, 1, question.cadence), 1),
        "images_per_second": round(question.pace.rate, 3),
        "images_per_second_from": question.pace.run,
    }


def _tallies(survey: Survey) -> Iterator[tuple[str | None, Tally]]:
    """Yield each collection's, then, without a name, that of all."""
    yield from survey.collections.items()
    yield None, survey.total


def _table(columns: tuple[str, ...], rows: list[list[str]], **rest: Any) -> Table:
    """Return a table whose last row is the total, left out where there is but one other."""
    *body, total = rows
    return Table(columns, list(body), total if len(body) != 1 else None, **rest)


def _summary(question: Question) -> Report:
    survey, report = question.survey, Report("summary")
    columns = ("collection", "images", "any size", "", f"{survey.size} px", "", "to make")
    lines = []
    for name, tally in _tallies(survey):
        images = tally.originals.count
        lines.append(
            [
                name or _TOTAL,
                words.number(images),
                words.number(tally.with_thumbnails),
                words.percent(tally.with_thumbnails, images),
                words.number(tally.fresh),
                words.percent(tally.fresh, images),
                words.number(tally.to_make.count),
            ]
        )
        report.rows.append(
            {
                "collection": name,
                "images": images,
                "with_thumbnails": tally.with_thumbnails,
                "coverage": _share(tally.with_thumbnails, images),
                "fresh": tally.fresh,
                "fresh_share": _share(tally.fresh, images),
                "to_make": tally.to_make.count,
                **_reasons(tally),
                **_leftovers(survey, tally),
            }
        )
    report.blocks = [_table(columns, lines)]
    return report


def _detailed(question: Question) -> Report:
    survey, report = question.survey, Report("detailed")
    columns = ("collection", "images", "bytes", "mean", "thumbs", "bytes", "mean", "share")
    lines = []
    for name, tally in _tallies(survey):
        ours, theirs = tally.originals, tally.thumbnails
        lines.append(
            [
                name or _TOTAL,
                *(words.number(ours.count), words.size(ours.bytes), words.size(round(ours.mean))),
                words.number(theirs.count),
                *(words.size(theirs.bytes), words.size(round(theirs.mean))),
                words.percent(theirs.bytes, ours.bytes),
            ]
        )
        report.rows.append(
            {
                "collection": name,
                "images": ours.count,
                "original_bytes": ours.bytes,
                "original_mean_bytes": round(ours.mean),
                "thumbnails": theirs.count,
                "thumbnail_bytes": theirs.bytes,
                "thumbnail_mean_bytes": round(theirs.mean),
                "share": _share(theirs.bytes, ours.bytes),
                **_reasons(tally),
                **_leftovers(survey, tally, with_bytes=True),
            }
        )
    report.blocks = [_table(columns, lines)]
    return report


def _sizes(question: Question) -> Report:
    survey, report = question.survey, Report("sizes")
    table = Table(("collection", "size", "images", "share", "bytes", "mean"))
    for name, tally in _tallies(survey):
        for scale in sorted({*tally.scales, survey.size}):
            one, images = tally.scales[scale], tally.originals.count
            report.rows.append(
                {
                    "collection": name,
                    "size": scale,
                    "asked": scale == survey.size,
                    "images": one.count,
                    "share": _share(one.count, images),
                    "bytes": one.bytes,
                    "mean_bytes": round(one.mean),
                }
            )
            if name is None and len(survey.collections) == 1:
                continue
            if scale == survey.size:
                table.marked.add(len(table.rows))
            cells = [words.number(one.count), words.percent(one.count, images)]
            cells += [words.size(one.bytes), words.size(round(one.mean))]
            table.rows.append([name or _TOTAL, f"{scale} px", *cells])
    report.blocks = [table]
    return report


def _plan(question: Question) -> Report:
    survey, report = question.survey, Report("plan")
    total = survey.total
    table = Table(("original", "thumbnail", "images", "share", "to read", "mean"))
    for name, tally in _tallies(survey):
        for (kind, made), one in sorted(tally.needed.items()):
            report.rows.append(
                {
                    "collection": name,
                    "original": kind,
                    "thumbnail": made,
                    "images": one.count,
                    "bytes": one.bytes,
                }
            )
            if name is None:
                cells = [words.number(one.count), words.percent(one.count, total.to_make.count)]
                cells += [words.size(one.bytes), words.size(round(one.mean))]
                table.rows.append([kind, made, *cells])
    by_collection = Table(("collection", "to make", "missing", "empty", "stale", "to read"))
    for name, tally in survey.collections.items():
        reasons = [words.number(tally.decisions[reason]) for reason in _NEEDED]
        count, size = words.number(tally.to_make.count), words.size(tally.to_make.bytes)
        by_collection.rows.append([name, count, *reasons, size])
    report.blocks = [by_collection]
    if table.rows:
        report.blocks += ["", table, "", _times(question, report)]
    return report


def _times(question: Question, report: Report) -> Table:
    """Return the table of cadences and tasks; the one that was asked is marked."""
    images, pace = question.survey.total.to_make.count, question.pace
    table = Table(("time", *(words.plural(tasks, "task") for tasks in TASKS)))
    report.more["times"] = []
    for cadence in sorted({*CADENCES, question.cadence}):
        if cadence == question.cadence:
            table.marked.add(len(table.rows))
        name = f"cadence {cadence:g} s" if cadence else "full speed"
        seconds = [pace.seconds(images, tasks, cadence) for tasks in TASKS]
        table.rows.append([name, *map(words.duration, seconds)])
        report.more["times"] += [
            {"cadence": cadence, "tasks": tasks, "seconds": round(one, 1)}
            for tasks, one in zip(TASKS, seconds, strict=True)
        ]
    return table


KINDS: Final[dict[str, Callable[[Question], Report]]] = {
    "summary": _summary,
    "detailed": _detailed,
    "plan": _plan,
    "sizes": _sizes,
}


def _head(question: Question) -> str:
    header = question.manifest.header
    age = words.duration(max(0.0, header.age(datetime.now(UTC)).total_seconds()))
    return f"{header.source.url}\nscanned {header.created_at:%Y-%m-%d %H:%M} UTC, {age} ago"


def _tail(question: Question) -> Iterator[str]:
    """Yield what needs work at the size asked, how long it takes, and what is left over."""
    survey, total = question.survey, question.survey.total
    to_make = total.to_make
    if to_make.count:
        reasons = ", ".join(
            f"{words.number(total.decisions[why])} {why}" for why in _NEEDED if total.decisions[why]
        )
        what = f"{words.plural(to_make.count, 'thumbnail')} of {survey.size} px"
        yield f"  to make    {what} ({reasons})"
        seconds = words.duration(question.pace.seconds(to_make.count, 1, question.cadence))
        cadence = f", cadence {question.cadence:g} s" if question.cadence else ""
        yield f"  to read    {words.size(to_make.bytes)}, about {seconds} for one task{cadence}"
        yield f"             {question.pace.told}"
    else:
        yield f"  to make    nothing: every image has its thumbnail of {survey.size} px"
    yield f"  left over  {_left_over(survey, total)}"


def _left_over(survey: Survey, total: Tally) -> str:
    if not survey.told:
        return "not known: the scan's .leftovers.jsonl is not beside the manifest"
    counts = {kind: total.leftovers[kind].count for kind in ("orphan", "extra", "duplicate")}
    said = [words.plural(counts["orphan"], "orphan")]
    said += [words.plural(counts["extra"], "extra thumbnail")] if counts["extra"] else []
    if counts["duplicate"]:
        said.append(words.plural(counts["duplicate"], "duplicate original"))
    return ", ".join(said)


def _reasons(tally: Tally) -> Row:
    return {reason: tally.decisions[reason] for reason in _NEEDED}


def _leftovers(survey: Survey, tally: Tally, *, with_bytes: bool = False) -> Row:
    """Return the counts of leftovers, ``None`` where nobody knows."""
    found: Row = {}
    for kind in ("orphan", "extra", "duplicate"):
        one = tally.leftovers[kind] if survey.told else None
        found[f"{kind}s"] = None if one is None else one.count
        if with_bytes:
            found[f"{kind}_bytes"] = None if one is None else one.bytes
    return found


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
