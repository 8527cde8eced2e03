"""How values of ``option=value`` are read, where several options are one setting's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Refused(Exception):
    """A value is not accepted; the message says what is."""


def choice(*accepted: str) -> Callable[[str], str]:
    """Return a reader of one of these words; it raises ``Refused``."""

    def read(text: str) -> str:
        if text not in accepted:
            raise Refused(", ".join(accepted))
        return text

    return read


def yes(text: str) -> bool:
    """Read ``yes`` or ``no``. Raises ``Refused``."""
    if text not in {"yes", "no"}:
        raise Refused("yes, no")
    return text == "yes"
