"""When a task should stop: SIGTERM, SIGINT, or its own time running out."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType, TracebackType

_T = TypeVar("_T")

# Before the engine's own limit, so that the ledger is written by us and not cut by a SIGKILL.
_MARGIN = 30.0


# Looking at the clock for every key of a listing would cost more than the key.
_LOOK_EVERY = 256


class Interrupted(BaseException):
    """The stop was requested before the work began: nothing is lost, nothing was made.

    Like ``KeyboardInterrupt`` no ``Exception``: no library may take it for a failed request.
    """

    def __init__(self, reason: str | None, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(f"stopped by {reason}")


class Stop:
    """Knows whether and why to stop. A context manager: handlers are in place inside it.

    ``timeout`` is the engine's limit in seconds for this task, counted from now; the task stops
    by itself 30 s before it (at half of it when it is shorter than a minute). ``wake`` is a file
    descriptor that becomes readable when a signal arrives. ``exit_code`` follows the shell's
    convention, 128 + signal; a time-out counts as the SIGTERM that it anticipates.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.reason: str | None = None
        self.exit_code = 0
        self.urgent = False
        self._at_once = False
        self._deadline = (
            None if timeout is None else time.monotonic() + max(timeout - _MARGIN, timeout / 2)
        )
        self._timeout = timeout
        self.wake, self._waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._waker, False)
        self._previous: dict[int, signal.Handlers | int | object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._handle)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave us
        os.close(self.wake)
        os.close(self._waker)

    @property
    def requested(self) -> bool:
        """Whether to take no more items."""
        due = self._deadline is not None and time.monotonic() >= self._deadline
        if due and self.reason is None:
            self.reason = f"TASK_TIMEOUT of {self._timeout:g} s is near"
            self.exit_code = 128 + signal.SIGTERM
        return self.reason is not None

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """While the block lasts a signal raises ``Interrupted``: nothing is under way to finish.

        Listings may wait long, for a store that is down, in calls that look at no flag.
        """
        self._at_once = True
        try:
            if self.requested:
                raise Interrupted(self.reason, self.exit_code)
            yield
        finally:
            self._at_once = False

    @contextlib.contextmanager
    def last_words(self) -> Iterator[None]:
        """While the block lasts another signal raises ``Interrupted``, whatever is being said."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def watch(self, things: Iterable[_T]) -> Iterator[_T]:
        """Pass things through; raise ``Interrupted`` between two of them once a stop is asked."""
        for count, thing in enumerate(things):
            if count % _LOOK_EVERY == 0 and self.requested:
                raise Interrupted(self.reason, self.exit_code)
            yield thing

    def sleep(self, seconds: float) -> None:
        """Sleep, or until a signal arrives."""
        if select.select([self.wake], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wake, 4096)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - fixed form
        self.urgent = self.reason is not None  # asked twice: do not even wait for the grace
        self.reason = signal.Signals(number).name
        self.exit_code = 128 + number
        if self._at_once:
            raise Interrupted(self.reason, self.exit_code)
