"""How long a request is worked for: as long as somebody waits for its answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from shard.service.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from starlette.types import Receive

T = TypeVar("T")


async def while_wanted(receive: Receive, making: Coroutine[Any, Any, T]) -> T:
    """Return what ``making`` returns; cancel it when the client goes away.

    Raises ``Refusal`` then, for the log: nobody reads it.
    """
    made = asyncio.ensure_future(making)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((made, gone), return_when=asyncio.FIRST_COMPLETED)
        if made.done():
            return made.result()
        gone.result()  # a body over the limit is the caller's to hear of
        raise Refusal(499, "client_gone", "the client did not wait for the answer")
    finally:
        if not gone.cancel() and not gone.cancelled():
            gone.exception()  # looked at: the answer was there before
        made.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
