"""What every request passes: limits, ids, CORS, HEAD, errors."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time

from shard.errors import AccessDenied, Unavailable
from shard.service.app import create_app
from shard.service.refusal import Refusal
from tests.service.service_client import client_of, service, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from fastapi import FastAPI


def _with_routes(folder: Path, variables: dict[str, str] | None = None) -> FastAPI:
    app = create_app(settings_of(folder, variables))

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("a secret")

    @app.get("/slow")
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @app.get("/refused")
    async def refused() -> None:
        raise Refusal(415, "not_an_image", "it is a text", {"x-more": "yes"})

    @app.get("/denied")
    async def denied() -> None:
        raise AccessDenied("s3://private-bucket/a", "credentials are refused")

    @app.get("/down")
    async def down() -> None:
        raise Unavailable("s3://private-bucket/a", "no answer")

    @app.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    return app


async def _asked(app: FastAPI, method: str, url: str, **more: object) -> httpx.Response:
    async with client_of(app) as client:
        return await client.request(method, url, **more)  # type: ignore[arg-type]  # httpx's own


def _ask(app: FastAPI, method: str, url: str, **more: object) -> httpx.Response:
    return asyncio.run(_asked(app, method, url, **more))


@pytest.mark.parametrize(
    ("method", "url", "status", "reason"),
    [
        ("GET", "/nowhere/at/all", 404, "not_found"),
        ("PUT", "/healthz", 405, "method_not_allowed"),
        ("GET", "/slow?seconds=much", 400, "bad_parameter"),
        ("GET", "/slow", 400, "bad_parameter"),
        ("GET", "/slow?seconds=9", 504, "timeout"),
        ("GET", "/broken", 500, "unexpected"),
        ("GET", "/refused", 415, "not_an_image"),
        ("GET", "/denied", 502, "access_denied"),
        ("GET", "/down", 503, "unavailable"),
        ("GET", "/healthz?" + "x" * 300, 414, "url_too_long"),
    ],
)
def test_every_error_is_json(
    tmp_path: Path, method: str, url: str, status: int, reason: str
) -> None:
    """An error has its status, a reason, a message, and the request's id, whatever went wrong."""
    app = _with_routes(tmp_path, {"REQUEST_TIMEOUT": "200ms", "MAX_URL": "256"})
    response = _ask(app, method, url, headers={"x-request-id": "mine"})

    body = response.json()
    assert (response.status_code, body["reason"], body["request_id"]) == (status, reason, "mine")
    assert body["message"]
    assert "secret" not in response.text
    assert "private-bucket" not in response.text


def test_wrong_method_names_the_right_ones(tmp_path: Path) -> None:
    """405 carries Allow."""
    response = _ask(_with_routes(tmp_path), "DELETE", "/healthz")

    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


def test_wrong_parameter_is_named(tmp_path: Path) -> None:
    """400 says which parameter has which value."""
    response = _ask(_with_routes(tmp_path), "GET", "/slow?seconds=much")

    assert response.json()["message"].startswith("seconds is 'much': ")


def test_refusal_keeps_its_headers(tmp_path: Path) -> None:
    """What a refusal says in headers arrives."""
    assert _ask(_with_routes(tmp_path), "GET", "/refused").headers["x-more"] == "yes"


def test_unexpected_error_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is in the log, once, with the id that the caller was told."""
    told = _ask(_with_routes(tmp_path), "GET", "/broken").json()["request_id"]

    found = [record for record in caplog.records if record.exc_info]
    assert [told in record.getMessage() for record in found] == [True]


@pytest.mark.parametrize("announced", [True, False])
def test_large_body_is_refused(tmp_path: Path, announced: bool) -> None:
    """A body over the limit gets 413, whether its length is announced or not."""

    async def pieces() -> object:
        for _ in range(4):
            yield b"x" * 500

    content = b"x" * 2000 if announced else pieces()
    app = _with_routes(tmp_path, {"MAX_BODY": "1000"})
    response = _ask(app, "POST", "/body", content=content)

    assert (response.status_code, response.json()["reason"]) == (413, "body_too_large")


def test_body_within_the_limit_arrives(tmp_path: Path) -> None:
    """A body as large as allowed is read whole."""
    app = _with_routes(tmp_path, {"MAX_BODY": "1000"})

    assert _ask(app, "POST", "/body", content=b"x" * 1000).json() == 1000


def test_too_many_at_once_are_told_to_come_again(tmp_path: Path) -> None:
    """Over MAX_REQUESTS a request gets 429 with Retry-After; health is answered all the same."""

    async def ask() -> list[httpx.Response]:
        async with client_of(_with_routes(tmp_path, {"MAX_REQUESTS": "2"})) as client:
            waiting = [asyncio.create_task(client.get("/slow?seconds=0.5")) for _ in range(2)]
            await asyncio.sleep(0.1)
            late = [await client.get("/slow?seconds=0"), await client.get("/healthz")]
            return [*late, *await asyncio.gather(*waiting)]

    answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [429, 200, 200, 200]
    assert answers[0].headers["retry-after"] == "1"


def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    """HEAD has GET's status and headers, and no body."""

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with service(tmp_path) as client:
            return await client.get("/robots.txt"), await client.head("/robots.txt")

    got, head = asyncio.run(ask())

    assert head.content == b""
    for name in ("content-length", "content-type"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("url", ["/healthz", "/nowhere/at/all", "/broken"])
def test_any_page_may_read_the_answers(tmp_path: Path, url: str) -> None:
    """CORS is open, also on errors."""
    response = _ask(_with_routes(tmp_path), "GET", url, headers={"origin": "https://example.org"})

    assert response.headers["access-control-allow-origin"] == "*"


def test_preflight_allows_authorization(tmp_path: Path) -> None:
    """A browser may send Authorization along, and no method that writes."""
    asked = {"origin": "https://example.org", "access-control-request-method": "GET"}
    response = _ask(_with_routes(tmp_path), "OPTIONS", "/healthz", headers=asked)

    assert response.status_code == 204
    assert "Authorization" in response.headers["access-control-allow-headers"]
    assert response.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"


def test_odd_request_id_is_replaced(tmp_path: Path) -> None:
    """An id that could forge a line of the log is not taken over."""
    told = _ask(_with_routes(tmp_path), "GET", "/healthz", headers={"x-request-id": "a b\tc"})

    assert told.headers["x-request-id"].isalnum()


def test_secrets_stay_out_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The line of a request shows its path, not the values of its secrets."""
    caplog.set_level(logging.INFO, "shard")
    url = "/nowhere?width=7&X-Amz-Signature=abc1&token=abc2"
    _ask(_with_routes(tmp_path), "GET", url, headers={"authorization": "abc3"})

    facts = [record.__dict__["facts"] for record in caplog.records if "facts" in record.__dict__]
    assert [fact["path"] for fact in facts] == ["/nowhere?width=7&X-Amz-Signature=...&token=..."]
    assert "abc" not in json.dumps(facts)


def test_metrics_know_routes_not_paths(tmp_path: Path) -> None:
    """However many paths are asked, the labels stay few."""

    async def ask() -> str:
        async with service(tmp_path) as client:
            for number in range(5):
                await client.get(f"/nowhere/{number}/x")
            await client.get("/healthz")
            return (await client.get("/metrics")).text

    lines = asyncio.run(ask()).splitlines()
    counted = [line for line in lines if line.startswith("shard_http_requests_total")]

    assert counted == [
        'shard_http_requests_total{method="GET",route="(none)",status="404"} 5.0',
        'shard_http_requests_total{method="GET",route="/healthz",status="200"} 1.0',
    ]
