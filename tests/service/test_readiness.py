"""Whether the service is ready: asked of all parts, not too often, and told without secrets."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from shard.errors import AccessDenied, ShardError
from shard.service import readiness
from shard.service.app import create_app
from shard.service.readiness import Readiness
from tests.service.service_client import client_of, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def _well() -> None:
    """Have nothing to complain of."""


async def _denied() -> None:
    raise AccessDenied("s3://private-bucket", "InvalidAccessKeyId", "check AWS_PROFILE")


async def _broken() -> None:
    raise ShardError("no render processes")


async def _silent() -> None:
    await asyncio.sleep(60)


def test_each_fault_has_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that are not usable are named, each with its reason; one that is silent too."""
    monkeypatch.setattr(readiness, "_PATIENCE", 0.05)

    async def ask() -> dict[str, str]:
        asked = Readiness()
        for name, question in (
            ("well", _well),
            ("denied", _denied),
            ("broken", _broken),
            ("silent", _silent),
        ):
            asked.add(name, question)
        return await asked.faults()

    assert asyncio.run(ask()) == {
        "denied": "access_denied",
        "broken": "not_usable",
        "silent": "no_answer",
    }


def test_many_askers_are_one_question() -> None:
    """However many ask at once and soon after, each part is asked once."""
    asked = []

    async def count() -> None:
        asked.append(1)
        await asyncio.sleep(0.01)

    async def ask() -> None:
        ready = Readiness()
        ready.add("part", count)
        await asyncio.gather(*(ready.faults() for _ in range(10)))
        await ready.faults()

    asyncio.run(ask())

    assert len(asked) == 1


def test_a_lasting_fault_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log tells when a part goes and when it comes back, not each time it is asked."""
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", -1.0)
    monkeypatch.setattr(readiness, "_UNREADY_SECONDS", -1.0)
    caplog.set_level(logging.INFO, "shard")
    turns = iter([_denied, _denied, _well, _well])

    async def ask() -> None:
        ready = Readiness()

        async def next_turn() -> None:
            await next(turns)()

        ready.add("output", next_turn)
        for _ in range(4):
            await ready.faults()

    asyncio.run(ask())

    assert [record.getMessage() for record in caplog.records] == [
        "not ready: output: s3://private-bucket: InvalidAccessKeyId; check AWS_PROFILE",
        "ready again: output",
    ]


def test_strangers_are_told_no_details(tmp_path: Path) -> None:
    """/readyz answers 503 with the part and a word; buckets and remedies stay in the log."""
    app = create_app(settings_of(tmp_path))

    async def ask() -> tuple[int, dict[str, object], str]:
        async with client_of(app) as client:
            app.state.readiness.add("shelf", _denied)
            answer = await client.get("/readyz")
            return answer.status_code, answer.json(), answer.text

    status, body, text = asyncio.run(ask())

    assert (status, body["reason"]) == (503, "not_ready")
    assert body["parts"]["shelf"] == "access_denied"  # type: ignore[index]  # an object of JSON
    assert "private-bucket" not in text
