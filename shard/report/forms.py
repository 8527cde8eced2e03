"""Rows for programs: one JSON document, or CSV with a line of names; both streamed."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def as_json(facts: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a document: the facts, then ``rows``, one a line."""
    yield json.dumps(facts, indent=2).removesuffix("\n}") + ","
    yield '  "rows": ['
    before = None
    for row in rows:
        if before is not None:
            yield f"    {before},"
        before = json.dumps(row)
    if before is not None:
        yield f"    {before}"
    yield "  ]"
    yield "}"


def as_csv(rows: Iterable[Mapping[str, Any]], names: Iterable[str] = ()) -> Iterator[str]:
    """Yield lines of CSV (RFC 4180); ``names`` stand in the first one where there are no rows."""
    fields: list[str] | None = None
    for row in rows:
        if fields is None:
            fields = list(row)
            yield _line(fields)
        yield _line(["" if row[name] is None else row[name] for name in fields])
    if fields is None:
        yield _line(list(names))


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
