"""Settings as variables: what one is, and how their texts are read, the same for every command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.limits import parse_bytes, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_YES: Final = ("yes", "true", "1", "on")
_NO: Final = ("no", "false", "0", "off")


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting: its environment name, default (``None``: none) and what it means."""

    name: str
    default: str | None
    help: str
    is_switch: bool = False

    @property
    def flag(self) -> str:
        """The command-line flag of the same name."""
        return "--" + self.name.lower().replace("_", "-")


class Reader:
    """Typed access to variables' texts; an empty text counts as not set."""

    def __init__(self, env: Mapping[str, str], variables: Iterable[Variable]) -> None:
        self._env = env
        self._defaults = {variable.name: variable.default for variable in variables}

    def text(self, name: str) -> str | None:
        """Return the text, or the default."""
        return self._env.get(name) or self._defaults[name]

    def all(self) -> dict[str, str]:
        """Return all texts that are set or have a default."""
        texts = {name: self.text(name) for name in self._defaults}
        return {name: text for name, text in texts.items() if text is not None}

    def whole(self, name: str, least: int, most: int | None) -> int | None:
        """Return a whole number; ``most`` may be ``None``: any. Raises ``SettingError``."""
        text = self.text(name)
        if text is None:
            return None
        accepted = f"a whole number from {least}" + ("" if most is None else f" to {most}")
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise SettingError(name, text, accepted)
        if int(text) < least or (most is not None and int(text) > most):
            raise SettingError(name, text, accepted)
        return int(text)

    def seconds(self, name: str) -> float | None:
        """Return a duration in seconds. Raises ``SettingError``."""
        text = self.text(name)
        return None if text is None else parse_duration(text, name)

    def positive_seconds(self, name: str) -> float | None:
        """Return a duration above 0. Raises ``SettingError``."""
        seconds = self.seconds(name)
        if seconds is not None and seconds <= 0:
            raise SettingError(name, self.text(name), "more than 0 seconds, as 600, 90s or 10m")
        return seconds

    def size(self, name: str) -> int | None:
        """Return a number of bytes. Raises ``SettingError``."""
        text = self.text(name)
        return None if text is None else parse_bytes(text, name)

    def choice(self, name: str, accepted: tuple[str, ...]) -> str:
        """Return one of the accepted words. Raises ``SettingError``."""
        text = self.text(name) or ""
        if text not in accepted:
            raise SettingError(name, text, " or ".join((", ".join(accepted[:-1]), accepted[-1])))
        return text

    def switch(self, name: str) -> bool:
        """Return whether the text says yes. Raises ``SettingError``."""
        text = (self.text(name) or "no").lower()
        if text not in _YES + _NO:
            raise SettingError(name, text, "yes or no (also true/false, 1/0, on/off)")
        return text in _YES
