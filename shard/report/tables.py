"""Tables of figures: drawn by rich on a terminal, plain aligned text everywhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table as RichTable

WIDTH = 80
_GAP = "  "
_LEAST = 8


@dataclass(slots=True)
class Table:
    """Columns of texts, the first to the left, the others to the right.

    ``total`` is a last row, set apart. ``marked`` are the numbers of rows that stand out.
    """

    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    total: Sequence[str] | None = None
    marked: set[int] = field(default_factory=set)
    title: str | None = None

    def plain(self) -> str:
        """Return the table as lines of at most 80 columns; a long first column is shortened."""
        last = [self.total] if self.total else []
        every = [self.columns, *self.rows, *last]
        widths = [max(len(row[at]) for row in every) for at in range(len(self.columns))]
        others = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
        widths[0] = max(_LEAST, min(widths[0], WIDTH - others - 2))
        lines = [] if self.title is None else [self.title]
        lines.append("  " + _line(self.columns, widths))
        lines += [
            ("* " if number in self.marked else "  ") + _line(row, widths)
            for number, row in enumerate(self.rows)
        ]
        if self.total:
            lines.append("  " + _line(self.total, widths))
        return "\n".join(lines)

    def rich(self) -> RichTable:
        """Return the table as rich draws it."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        drawn = RichTable(
            box=box.SIMPLE_HEAD,
            title=self.title,
            title_justify="left",
            title_style="bold",
            show_footer=self.total is not None,
            footer_style="bold",
            pad_edge=False,
            padding=(0, 1),
        )
        for at, name in enumerate(self.columns):
            footer = self.total[at] if self.total else ""
            justify = "right" if at else "left"
            # Only the first column gives way where the terminal is narrow.
            drawn.add_column(
                name,
                footer,
                justify="right" if justify == "right" else "left",
                no_wrap=True,
                overflow="ellipsis",
                min_width=None if at == 0 else max((len(row[at]) for row in self.rows), default=0),
            )
        for number, row in enumerate(self.rows):
            style = "bold green" if number in self.marked else None
            drawn.add_row(*(Text(cell) for cell in row), style=style)
        return drawn


Block = str | Table
"""A piece of what a command says."""


def plain(blocks: Sequence[Block]) -> str:
    """Return everything as plain text."""
    return "\n".join(block if isinstance(block, str) else block.plain() for block in blocks)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    texts = [_fitted(*first).ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return _GAP.join(texts).rstrip()


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
