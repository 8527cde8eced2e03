"""The end of a server process: one grace for all that has to be finished."""

from __future__ import annotations

import time


class Ending:
    """Counts down from the moment when the end was asked for. Times in seconds."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._by: float | None = None

    def begin(self) -> None:
        """Begin to count, unless that has been done."""
        if self._by is None:
            self._by = time.monotonic() + self._grace

    @property
    def left(self) -> float:
        """How much of the grace is left: all of it before it began."""
        return self._grace if self._by is None else max(0.0, self._by - time.monotonic())
