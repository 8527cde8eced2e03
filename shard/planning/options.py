"""How values of ``option=value`` are read, where several options are one setting's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shard.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Readers = Mapping[str, Callable[[str], Any]]


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


def read_options(
    pieces: Iterable[str], readers: Readers, variable: str, accepted: str, once: str
) -> dict[str, Any]:
    """Read each ``option=value`` by its reader; spaces around a part do not count.

    Raises ``SettingError`` that names the piece: no option of ``readers`` (the form that is
    ``accepted``), one that is there twice (``once``), or a value that its reader refuses.
    """
    read: dict[str, Any] = {}
    for piece in pieces:
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or name not in readers:
            raise SettingError(variable, piece, accepted)
        if name in read:
            raise SettingError(variable, piece, f"{name} {once}")
        try:
            read[name] = readers[name](value)
        except Refused as refused:
            raise SettingError(variable, piece, f"{name}= with {refused}") from None
    return read
