"""What a scan found, for a person, and how far it is while it looks."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from shard.report import words
from shard.report.tables import Block, Table

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from rich.console import Console
    from rich.progress import Progress

    from shard.manifest.model import Header

_log = logging.getLogger("shard")
_LINE_EVERY = 30.0
_COLUMNS = ("collection", "images", "with", "missing", "originals", "thumbnails", "orphans")


class Listed:
    """How many objects were listed: a line of the log now and then, or on a terminal at once."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._next = self._began + _LINE_EVERY
        self._shown: Progress | None = None
        self.count = 0

    def __enter__(self) -> Self:
        """Begin to show it."""
        if self._console is not None and not self._quiet:
            from rich.progress import Progress, SpinnerColumn, TextColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"))
            self._shown = Progress(*columns, console=self._console, transient=True)
            self._shown.add_task("listing")
            self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        if self._shown is not None:
            self._shown.stop()

    def seen(self, more: int) -> None:
        """Count more objects; from any thread."""
        with self._lock:
            self.count += more
            now = time.monotonic()
            if self._shown is not None:
                self._shown.update(self._shown.task_ids[0], description=self._text(now))
            elif now >= self._next and not self._quiet:
                self._next = now + _LINE_EVERY
                _log.info("%s", self._text(now))

    def _text(self, now: float) -> str:
        rate = words.number(round(self.count / max(now - self._began, 0.001)))
        return f"{words.plural(self.count, 'object')} listed, {rate} a second"


@dataclass(frozen=True, slots=True)
class Found:
    """A scan's end. ``leftovers`` are counts by (collection, kind), ``None`` where not looked for.

    ``objects`` were listed in all; ``ignored`` are those that are neither original nor thumbnail,
    by reason; ``unnamed`` originals could not be named in the manifest's form.
    """

    header: Header
    manifest: str
    objects: int
    ignored: Counter[str]
    leftovers: Mapping[tuple[str, str], int] | None
    limited: bool = False
    unnamed: int = 0
    beside: str = field(default="")


def summary(found: Found) -> list[Block]:
    """Return what a scan says at its end."""
    header = found.header
    stats = header.collection_stats.values()
    images = words.plural(sum(s.total_images for s in stats), "image")
    seconds = header.scan_duration_seconds
    rate = words.number(round(found.objects / max(seconds, 0.001)))
    head = (
        f"Scanned {header.source.url}\n"
        f"{images}, {words.plural(found.objects, 'object')} listed in {words.duration(seconds)}"
        f" ({rate} a second)"
    )
    table = Table(_COLUMNS, total=_row("total", *_sums(found, None)) if len(stats) > 1 else None)
    table.rows = [_row(name, *_sums(found, name)) for name in header.collection_stats]
    return [head, "", table, "", *_notes(found)]


def _sums(found: Found, name: str | None) -> tuple[list[int], int | None]:
    every = found.header.collection_stats
    stats = [every[name]] if name else list(every.values())
    figures = [
        sum(getattr(one, what) for one in stats)
        for what in (
            *("total_images", "with_thumbnails", "missing_thumbnails"),
            *("total_original_bytes", "total_thumbnail_bytes"),
        )
    ]
    return figures, found_leftovers(found.leftovers, "orphan", name)


def found_leftovers(
    leftovers: Mapping[tuple[str, str], int] | None, kind: str, name: str | None = None
) -> int | None:
    """Return how many leftovers of a kind there are, in one collection or in all."""
    if leftovers is None:
        return None
    return sum(
        n for (where, what), n in leftovers.items() if what == kind and name in (None, where)
    )


def _row(name: str, figures: list[int], orphans: int | None) -> list[str]:
    counts = [words.number(count) for count in figures[:3]]
    sizes = [words.size(size) for size in figures[3:]]
    return [name, *counts, *sizes, "?" if orphans is None else words.number(orphans)]


def _notes(found: Found) -> list[Block]:
    notes = [f"  manifest   {found.manifest}"]
    if found.beside:
        notes.append(f"  leftovers  {found.beside}")
    if found.limited:
        notes.append("  limited    only the first images by --limit; orphans were not looked for")
    if extras := found_leftovers(found.leftovers, "extra"):
        what = words.plural(extras, "thumbnail")
        notes.append(f"  extra      {what} beside a better one of the same image and size")
    if duplicates := found_leftovers(found.leftovers, "duplicate"):
        what = words.plural(duplicates, "original")
        notes.append(f"  duplicate  {what}: another one of the same name has the thumbnails")
    if found.unnamed:
        what = words.plural(found.unnamed, "original")
        notes.append(f"  left out   {what} whose name is not UTF-8 (.json can hold them)")
    if found.ignored:
        reasons = ", ".join(f"{why} {words.number(n)}" for why, n in found.ignored.most_common())
        notes.append(f"  no images  {reasons}")
    return list(notes)
