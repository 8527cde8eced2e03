"""The verb `report`: what a manifest says, counted and laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shard.report import words
from shard.report.forms import as_csv, as_json
from shard.report.inventory import Question, Report, build, facts
from shard.report.missing import missing
from shard.report.pace import pace
from shard.report.survey import survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shard.manifest import Manifest
    from shard.report.inventory import Row
    from shard.report.tables import Block

_COLUMNS = ("collection", "key", "reason", "bytes", "thumbnail")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which report, of which collections (none: all), for thumbnails of ``size`` pixels.

    ``cadence`` is in seconds an image; ``every``: the whole list of ``missing``.
    """

    manifest: Manifest
    kind: str = "summary"
    collections: Sequence[str] = ()
    size: int = 200
    cadence: float = 0.0
    form: str = "text"
    every: bool = False


def run_report(wish: Wish, show: Callable[[list[Block]], None], line: Callable[[str], None]) -> int:
    """Report; text goes to ``show``, a program's form to ``line``. Return the exit code 0."""
    manifest = wish.manifest
    found = survey(manifest, wish.collections, wish.size)
    question = Question(manifest, found, pace(manifest.header.source), wish.cadence)
    if wish.kind == "missing":
        report = Report("missing")
        rows: Iterator[Row] = missing(manifest, wish.collections, wish.size, every=wish.every)
    else:
        report = build(wish.kind, question)
        rows = iter(report.rows)
    if wish.form == "text":
        _show(report, rows, question, show, line)
        return 0
    head = {"type": wish.kind, **facts(question), **report.more}
    for text in as_csv(rows, _COLUMNS) if wish.form == "csv" else as_json(head, rows):
        line(text)
    return 0


def _show(
    report: Report,
    rows: Iterator[Row],
    question: Question,
    show: Callable[[list[Block]], None],
    line: Callable[[str], None],
) -> None:
    if report.kind != "missing":
        show(report.blocks)
        return
    shown = 0
    for row in rows:
        line(f"{row['reason']:<8} {words.one_line(row['key'])}")
        shown += 1
    count = question.survey.total.to_make.count
    need = f"need a thumbnail of {question.survey.size} px"
    images = words.plural(count, "image")
    if not count:
        line(f"no image {need.replace('need', 'needs')}")
    elif shown < count:
        line(f"... and {words.number(count - shown)} more: {images} {need} (--all lists them)")
    else:
        line(f"{images} {need.replace('need', 'needs') if count == 1 else need}")
