"""Whether the service could do its work now: each part is asked, at most every few seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from shard.errors import ShardError, StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = logging.getLogger("shard")

_KEPT_SECONDS: Final = 5.0
_UNREADY_SECONDS: Final = 1.0
_PATIENCE: Final = 5.0


class Readiness:
    """Named questions, each an async function that raises a ``ShardError`` where it goes ill."""

    def __init__(self) -> None:
        self._questions: dict[str, Callable[[], Awaitable[None]]] = {}
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._answers: dict[str, str] = {}

    def add(self, name: str, question: Callable[[], Awaitable[None]]) -> None:
        """Ask this too; ``name`` is shown to whoever may ask."""
        self._questions[name] = question

    async def faults(self) -> dict[str, str]:
        """Return the parts that are not usable, each with a word why; empty: ready.

        An answer holds for five seconds, a bad one for one. Details go to the log, once for as long
        as they last.
        """
        async with self._lock:
            kept = _UNREADY_SECONDS if self._answers else _KEPT_SECONDS
            if time.monotonic() - self._asked > kept:
                names = list(self._questions)
                words = await asyncio.gather(*(self._ask(name) for name in names))
                for name in self._answers:
                    if not words[names.index(name)]:
                        _log.info("ready again: %s", name)
                self._answers = {n: word for n, word in zip(names, words, strict=True) if word}
                self._asked = time.monotonic()
        return dict(self._answers)

    @property
    def names(self) -> list[str]:
        """What is asked."""
        return list(self._questions)

    async def _ask(self, name: str) -> str:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._questions[name]()
        except TimeoutError:
            word, detail = "no_answer", f"no answer within {_PATIENCE:g} s"
        except StorageError as error:
            word, detail = error.reason, str(error)
        except ShardError as error:
            word, detail = "not_usable", str(error)
        else:
            return ""
        if self._answers.get(name) != word:
            _log.warning("not ready: %s: %s", name, detail)
        return word
