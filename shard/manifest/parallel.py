"""A function over many things by threads, its results in order, little of it ahead of time."""

from __future__ import annotations

import collections
import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_AHEAD = 4
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class _Cell(Generic[_In, _Out]):
    """One thing on its way through a thread."""

    def __init__(self, thing: _In) -> None:
        self.thing = thing
        self.done = threading.Event()
        self.result: _Out | None = None
        self.error: BaseException | None = None


def ordered(function: Callable[[_In], _Out], things: Iterable[_In], threads: int) -> Iterator[_Out]:
    """Yield ``function(thing)`` for each thing, in their order; an exception comes in its turn.

    At most four things more than threads are begun or wait to be taken. When the generator is
    closed no more are begun; threads in the middle of one are left alone, and being daemons do not
    keep a program that was interrupted from ending.
    """
    waiting: queue.SimpleQueue[_Cell[_In, _Out] | None] = queue.SimpleQueue()
    ahead: collections.deque[_Cell[_In, _Out]] = collections.deque()
    closed = threading.Event()

    def work() -> None:
        while (cell := waiting.get()) is not None and not closed.is_set():
            try:
                cell.result = function(cell.thing)
            except BaseException as error:  # noqa: BLE001 - raised again where it is asked for
                cell.error = error
            cell.done.set()

    crew = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for thread in crew:
        thread.start()
    try:
        for thing in things:
            cell: _Cell[_In, _Out] = _Cell(thing)
            waiting.put(cell)
            ahead.append(cell)
            if len(ahead) >= threads + _AHEAD:
                yield _taken(ahead.popleft())
        while ahead:
            yield _taken(ahead.popleft())
    finally:
        closed.set()
        for _ in crew:
            waiting.put(None)


def _taken(cell: _Cell[_In, _Out]) -> _Out:
    cell.done.wait()
    if cell.error is not None:
        raise cell.error
    return cell.result  # type: ignore[return-value]  # it is done and did not fail
