"""A bar chart as plain SVG text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH, _LEFT, _RIGHT = 760, 190, 90
_ROW, _BAR, _TITLE, _GAP = 26, 18, 30, 14
_OURS, _OTHERS = "#1f6f5c", "#a9b8b3"


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that share a scale: images a second by program, the first is ours."""

    title: str
    bars: Mapping[str, float]


def svg(groups: Sequence[Group]) -> str:
    """Return the chart, one group below the other."""
    parts, y = [], _GAP
    for group in groups:
        parts.append(_text(0, y + 16, group.title, bold=True))
        y += _TITLE
        longest = max(group.bars.values())
        for at, (name, rate) in enumerate(group.bars.items()):
            parts.extend(_bar(y, name, rate, rate / longest, ours=at == 0))
            y += _ROW
        y += _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" '
        f'viewBox="0 0 {_WIDTH} {y}" font-family="sans-serif" font-size="13">'
    )
    ground = f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>'
    return "\n".join([head, ground, *parts, "</svg>", ""])


def _bar(y: int, name: str, rate: float, share: float, *, ours: bool) -> list[str]:
    length = max(1.0, share * (_WIDTH - _LEFT - _RIGHT))
    colour = _OURS if ours else _OTHERS
    return [
        _text(_LEFT - 10, y + 14, name, end=True, bold=ours),
        f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>',
        _text(_LEFT + length + 8, y + 14, f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"),  # noqa: PLR2004  # two digits are enough
    ]


def _text(x: float, y: float, text: str, *, end: bool = False, bold: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="#222222"{anchor}{weight}>{escape(text)}</text>'
