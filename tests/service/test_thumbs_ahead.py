"""What memory serves is checked before it is too old to be served."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from shard.execution.served import Share, served_site
from shard.planning.service_settings import ServiceSettings
from shard.planning.settings import TaskSettings
from shard.service.metrics import Metrics
from shard.service.refusal import Refusal
from shard.service.thumbs import Thumbs
from tests.program import picture, shard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import Message

HOUR = 3600.0
SCOPE: Any = {"raw_path": b"/thumb/40x40/a.jpg", "query_string": b"", "headers": []}


@pytest.fixture
def thumbs(tmp_path: Path) -> Iterator[Thumbs]:
    """Return the thumbnails of a folder, made by the batch; nothing can be made on request."""
    make(tmp_path, 60)
    variables = {
        "INPUT_FOLDER": str(tmp_path / "in"),
        "OUTPUT_FOLDER": str(tmp_path / "out"),
        "RENDITIONS": "40x40",
    }
    site = served_site("", TaskSettings.parse(variables), Share(1, 0, 5.0))
    settings = ServiceSettings.parse({**variables, "FRESH_SECONDS": "1h"})
    made = Thumbs(settings, {"": site}, cast("Any", None), Metrics(None))
    yield made
    made.close()


def make(folder: Path, width: int) -> None:
    """Have the batch make the thumbnail of an image of this width."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in/a.jpg").write_bytes(picture(width, 50))
    os.utime(folder / "in/a.jpg", (width, width))
    done = shard("run", "in", "out", "--renditions", "40x40", "--existing", "overwrite", cwd=folder)

    assert done.returncode == 0, done.stderr


async def ask(thumbs: Thumbs) -> bytes:
    """Ask as a client that stays."""

    async def never() -> Message:
        await asyncio.sleep(HOUR)
        raise AssertionError

    return bytes((await thumbs.answer(SCOPE, never)).body)


def age(thumbs: Thumbs, seconds: float) -> None:
    """Let so much time have passed since the store was asked."""
    (kept,) = thumbs._shelf._pictures.values()
    kept.checked -= seconds


def test_in_the_second_half_the_store_is_asked_beside_the_answer(
    thumbs: Thumbs, tmp_path: Path
) -> None:
    """The answer is what memory has; the next one is what the store has."""

    async def three() -> tuple[bytes, bytes, bytes]:
        first = await ask(thumbs)
        make(tmp_path, 90)
        age(thumbs, 0.6 * HOUR)
        second = await ask(thumbs)
        await asyncio.gather(*thumbs._checks)
        return first, second, await ask(thumbs)

    first, second, third = asyncio.run(three())

    assert second == first
    assert third == (tmp_path / "out/a.jpg").read_bytes() != first


def test_in_the_first_half_nobody_is_asked(thumbs: Thumbs) -> None:
    """A picture that was checked lately is served, and that is all."""

    async def checks() -> int:
        await ask(thumbs)
        age(thumbs, 0.2 * HOUR)
        await ask(thumbs)
        return len(thumbs._checks)

    assert asyncio.run(checks()) == 0


def test_what_the_check_finds_gone_is_told_to_who_asks_next(thumbs: Thumbs, tmp_path: Path) -> None:
    """The check itself fails in silence."""

    async def gone() -> None:
        await ask(thumbs)
        (tmp_path / "in/a.jpg").unlink()
        age(thumbs, 0.6 * HOUR)
        await ask(thumbs)
        await asyncio.wait(thumbs._checks)
        await ask(thumbs)

    with pytest.raises(Refusal, match="no such object"):
        asyncio.run(gone())
