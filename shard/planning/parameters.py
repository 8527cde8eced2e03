"""A request's query, read one way in all of the service."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from shard.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

YES: Final = ("true", "1", "yes", "on")
NO: Final = ("false", "0", "no", "off")
BOOLEAN: Final = "true or false (also 1/0, yes/no, on/off, in any case; empty is true)"
_DIGITS: Final = 18


def parse_boolean(text: str, parameter: str) -> bool:
    """Read a boolean; raise ``ParameterError`` for what is none.

    =============================  =======
    text, in any case              answer
    =============================  =======
    true, 1, yes, on, (empty)      True
    false, 0, no, off              False
    =============================  =======

    So ``?color``, ``?color=True`` and ``?color=1`` are the same.
    """
    found = text.strip().lower()
    if found in YES or not found:
        return True
    if found in NO:
        return False
    raise ParameterError(parameter, text, BOOLEAN)


class Parameters:
    """A query's parameters. An empty number or text counts as not given, as forms send it.

    Raises ``ParameterError`` for a name that is not ``known`` or is there twice.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], known: Collection[str]) -> None:
        self._texts: dict[str, str] = {}
        for name, text in pairs:
            if name not in known:
                raise ParameterError(repr(name[:80]), None, ", ".join(known))
            if name in self._texts:
                raise ParameterError(name, f"{self._texts[name]}, {text}", "it once")
            self._texts[name] = text

    def text(self, name: str) -> str | None:
        """Return the text, ``None`` where it is empty or not given."""
        return self._texts.get(name) or None

    def given(self, name: str) -> str | None:
        """Return the text even if it is empty; ``None`` where it is not given."""
        return self._texts.get(name)

    def boolean(self, name: str) -> bool:
        """Return a boolean; not given is false."""
        text = self._texts.get(name)
        return text is not None and parse_boolean(text, name)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within its range, the ``default`` where there is none."""
        text = self.text(name)
        if text is None:
            return default
        digits = text.strip()
        number = int(digits) if re.fullmatch(rf"[0-9]{{1,{_DIGITS}}}", digits) else None
        if number is None or not least <= number <= most:
            raise ParameterError(name, text, f"a whole number from {least} to {most}")
        return number

    def number(self, name: str, default: float, above: float, most: float) -> float:
        """Return a number that is more than ``above`` and at most ``most``."""
        text = self.text(name)
        if text is None:
            return default
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not above < number <= most:
            raise ParameterError(name, text, f"a number above {above:g}, up to {most:g}")
        return number
