"""Numbers as people read them, the same everywhere."""

from __future__ import annotations

import humanize


def size(count: float) -> str:
    """Return bytes as ``12.4 MB`` (decimal units, as stores bill them)."""
    return str(humanize.naturalsize(count))


def number(count: int) -> str:
    """Return a count as ``1,234,567``."""
    return str(humanize.intcomma(count))


def duration(seconds: float) -> str:
    """Return a time as ``0.8 s``, ``42 s``, ``3 min 05 s``, ``2 h 07 min`` or ``15 d 01 h``."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a tenth matters
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours >= 48:  # noqa: PLR2004 - two days
        return f"{hours // 24} d {hours % 24:02d} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def one_line(text: str) -> str:
    """Return the text with its control characters as escapes: names of files may hold any."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plural(count: int, word: str) -> str:
    """Return ``1 image`` or ``1,234 images``."""
    return f"{number(count)} {word}" + ("" if count == 1 else "s")


def rate(count: int, seconds: float) -> str:
    """Return images a second with three figures, ``-`` where nothing was measured."""
    if not count or seconds <= 0:
        return "-"
    return f"{count / seconds:.3g} images a second"


def percent(part: float, whole: float) -> str:
    """Return a share as ``93.3%``, ``-`` of nothing; what is not all never reads ``100.0%``."""
    if not whole:
        return "-"
    share = 100.0 * part / whole
    if 0 < share < 100:  # noqa: PLR2004 - per cent
        share = min(99.9, max(0.1, share))
    return f"{share:.1f}%"
