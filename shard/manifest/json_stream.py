"""One large JSON object read piece by piece, so that its array of records is never held whole."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class JsonStream:
    """Reads ``{"a": 1, "records": [{}, {}, ...], ...}``. Raises ``ValueError`` where it is not."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        self._chunks = (decoder.decode(chunk) for chunk in chunks)
        self._text, self._at = "", 0

    def members(self, array: str) -> Iterator[tuple[str, Any]]:
        """Yield (name, value) of the object; for ``array`` once for each of its elements."""
        self._expect("{")
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            name = self._value()
            self._expect(":")
            if name == array and self._peek() == "[":
                for element in self._elements():
                    yield array, element
            else:
                yield name, self._value()
            if self._next_of(",}") == "}":
                return

    def _elements(self) -> Iterator[Any]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._next_of(",]") == "]":
                return

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError:
                if not self._fill():
                    raise
                continue
            if end == len(self._text) and self._fill():
                continue  # a number may go on
            self._at = end
            return value

    def _expect(self, mark: str) -> None:
        self._next_of(mark)

    def _next_of(self, marks: str) -> str:
        found = self._peek()
        if found not in marks or not found:
            raise ValueError(f"{' or '.join(marks)} expected, found {found or 'its end'!r}")
        self._at += 1
        return found

    def _peek(self) -> str:
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        """Read on; tell whether there was more."""
        for text in self._chunks:
            self._text, self._at = self._text[self._at :] + text, 0
            return True
        return False
