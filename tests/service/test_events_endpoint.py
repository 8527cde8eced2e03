"""`POST /events`: the event receiver behind the service's door."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from shard.planning.service_settings import ServiceSettings
from shard.service.app import create_app
from tests.service.service_client import client_of, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.servers import S3Server

_TOKEN = "0123456789abcdef"
_EVENT = {
    "Records": [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-21T08:00:00.000Z",
            "s3": {
                "bucket": {"name": "scans"},
                "object": {"key": "maps/a+b.tif", "size": 9, "eTag": "e", "sequencer": "1"},
            },
        }
    ]
}


def _sns() -> bytes:
    return json.dumps({"Type": "Notification", "Message": json.dumps(_EVENT)}).encode()


def _post(variables: dict[str, str], url: str, body: bytes, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(create_app(ServiceSettings.parse(variables))) as client:
            return await client.post(url, content=body, headers=headers)

    return asyncio.run(ask())


@pytest.fixture
def variables(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Name a process bucket of a real server."""
    for name, text in moto_s3.env.items():
        monkeypatch.setenv(name, text)
    return {"PROCESS_BUCKET": moto_s3.bucket()}


def test_an_upload_becomes_a_marker(variables: dict[str, str], moto_s3: S3Server) -> None:
    """A notification by SNS writes the marker that a function would have written."""
    answer = _post(variables, "/events", _sns())

    listed: Any = moto_s3.client().list_objects_v2(Bucket=variables["PROCESS_BUCKET"])
    assert answer.status_code == 200, answer.text
    assert [one["written"] for one in answer.json()["records"]] == [True]
    assert [item["Key"] for item in listed["Contents"]] == ["rbsc/maps/a b.tif.json"]


def test_what_cannot_be_read_is_sent_back(variables: dict[str, str]) -> None:
    """A body that is no event gets 400, so that the sender keeps it."""
    answer = _post(variables, "/events", b"x")

    assert answer.status_code == 400
    assert answer.json()["records"][0]["reason"] == "failed"


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("/events", {}, 401),
        ("/events?token=wrong", {}, 401),
        ("/events", {"authorization": "Bearer wrong"}, 401),
        ("/events", {"authorization": f"Basic {_TOKEN}"}, 401),
        (f"/events?token={_TOKEN}", {}, 200),
        ("/events", {"authorization": f"Bearer {_TOKEN}"}, 200),
        ("/events", {"authorization": f"bearer {_TOKEN}"}, 200),
    ],
    ids=["nothing", "wrong", "wrong-bearer", "basic", "query", "bearer", "lower-case"],
)
def test_only_those_with_the_token_may_call(
    variables: dict[str, str], url: str, headers: dict[str, str], status: int
) -> None:
    """With EVENTS_TOKEN callers show it in the query or as a bearer."""
    answer = _post({**variables, "EVENTS_TOKEN": _TOKEN}, url, _sns(), **headers)

    assert answer.status_code == status
    assert _TOKEN not in answer.text


def test_without_a_process_bucket_there_is_no_such_endpoint(tmp_path: Path) -> None:
    """Where PROCESS_BUCKET is not set nothing takes events."""

    async def ask() -> int:
        async with client_of(create_app(settings_of(tmp_path))) as client:
            return (await client.post("/events", content=b"{}")).status_code

    assert asyncio.run(ask()) in (404, 405)
