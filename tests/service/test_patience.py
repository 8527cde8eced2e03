"""How long a request is worked for."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from shard.service.patience import while_wanted
from shard.service.refusal import Refusal

if TYPE_CHECKING:
    from starlette.types import Message


def _asked(message: str, seconds: float) -> int:
    """Wait ``seconds`` for an answer to one whose ``message`` comes, or is a refusal, at once."""

    async def receive() -> Message:
        if message == "too large":
            raise Refusal(413, "body_too_large", "the body is too large")
        if message == "nothing":
            await asyncio.sleep(60)
        return {"type": message}

    async def make() -> int:
        await asyncio.sleep(seconds)
        return 7

    noise: list[object] = []

    async def ask() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: noise.append(said))
        try:
            return await while_wanted(receive, make())
        finally:
            gc.collect()

    answer = asyncio.run(ask())
    assert not noise
    return answer


def test_who_waits_gets_the_answer() -> None:
    """Be it made at once or later."""
    assert (_asked("nothing", 0), _asked("nothing", 0.05)) == (7, 7)


@pytest.mark.parametrize(("message", "status"), [("http.disconnect", 499), ("too large", 413)])
def test_the_reason_not_to_go_on_is_told(message: str, status: int) -> None:
    """Who went away is not there to hear it; whose body is too large is."""
    with pytest.raises(Refusal) as refused:
        _asked(message, 30)

    assert refused.value.status == status


def test_an_answer_that_is_there_is_given() -> None:
    """Whatever else came at the same moment; and nothing is left to complain about."""
    assert _asked("too large", 0) == 7
