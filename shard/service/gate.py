"""What every request passes: limits, id, CORS, headers, count, log. One ASGI layer, kept lean."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from shard.service import access
from shard.service.refusal import Refusal, answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from shard.planning.service_settings import RequestLimits
    from shard.service.metrics import Metrics
    from shard.service.recent import Recent

_log = logging.getLogger("shard")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_OK: Final = 200
NO_ROUTE: Final = "(none)"
_ALWAYS: Final = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"ETag, Last-Modified, Retry-After, X-Request-Id, X-Shard-Aligned, Content-Length",
    ),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
)
_PREFLIGHT: Final = (
    (b"allow", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"Authorization, If-Modified-Since, If-None-Match, Range, X-Request-Id",
    ),
    (b"access-control-max-age", b"86400"),
    (b"cache-control", b"no-store"),
)


class _Exchange:
    """One request and its answer, as far as it has come."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.begun = time.perf_counter()
        self.method: str = scope["method"]
        self.scope: Scope = {**scope, "method": "GET"} if self.method == "HEAD" else scope
        self.length = 0
        self.id = ""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self.length = int(value[:18])
            elif name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
                self.id = value.decode()
        self.id = self.id or secrets.token_hex(8)
        self.scope["state"] = {**scope.get("state", {}), "request_id": self.id}
        self.status, self.bytes, self.is_complete = 0, 0, False
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass the answer on, with what every answer says; without a body to HEAD."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = ((b"x-request-id", self.id.encode()),)
            message = {**message, "headers": [*message.get("headers", ()), *_ALWAYS, *own]}
        elif message["type"] == "http.response.body":
            if self.method == "HEAD":
                message = {**message, "body": b""}
            self.bytes += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
        await self._send(message)

    @property
    def route(self) -> str:
        """The template of the route that took the request."""
        route = self.scope.get("route")
        return str(getattr(route, "path", NO_ROUTE))


class Gate:
    """An ASGI middleware. ``GET``'s routes answer ``HEAD`` too; ``OPTIONS`` is answered here."""

    def __init__(
        self,
        app: ASGIApp,
        limits: RequestLimits,
        metrics: Metrics,
        recent: Recent,
        *,
        access_log: bool = True,
    ) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._recent, self._access_log = recent, access_log
        self._at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens below."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        self._at_once += 1
        self._metrics.in_flight.inc()
        try:
            await self._settled(exchange, receive)
        finally:
            self._at_once -= 1
            self._metrics.in_flight.dec()
            self._told(exchange)

    async def _settled(self, exchange: _Exchange, receive: Receive) -> None:
        """Answer; what is raised becomes an answer too, or ends one that has begun."""
        refusal: Refusal | None = None
        try:
            await self._answered(exchange, receive)
        except Refusal as error:
            refusal = error
        except asyncio.CancelledError:  # only by the server, when the grace of its end is over
            refusal = Refusal(503, "stopping", "the service is stopping; try again")
        except Exception:  # noqa: BLE001 - the last border: one request fails, the others go on
            _log.exception("request %s failed unexpectedly", exchange.id)
            refusal = Refusal(
                500,
                "unexpected",
                f"this should not have happened; the service's log knows it as {exchange.id}",
            )
        if refusal is not None and not exchange.status:
            response = answer(refusal, exchange.id)
            await response(exchange.scope, receive, exchange.send)

    async def _answered(self, exchange: _Exchange, receive: Receive) -> None:
        self._check(exchange)
        if exchange.method == "OPTIONS":
            await exchange.send(
                {"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)}
            )
            await exchange.send({"type": "http.response.body"})
            return
        seconds = self._limits.seconds
        try:
            async with asyncio.timeout(seconds) as due:
                await self._app(exchange.scope, self._bounded(receive), exchange.send)
        except TimeoutError:
            if not due.expired():
                raise
            message = f"not answered within {seconds:g} s; try again, it may be ready then"
            raise Refusal(504, "timeout", message) from None

    def _check(self, exchange: _Exchange) -> None:
        """Refuse what is over a limit before anything is done for it."""
        limits, scope = self._limits, exchange.scope
        length = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if length > limits.url:
            message = f"the URL has {length:,} bytes; accepted: up to {limits.url:,}"
            raise Refusal(414, "url_too_long", message)
        if exchange.length > limits.body:
            raise self._too_large()
        if self._at_once > limits.at_once and scope["path"] not in access.QUIET:
            message = f"{limits.at_once:,} requests are being answered; try again in a moment"
            raise Refusal(429, "busy", message, {"retry-after": "1"})

    def _bounded(self, receive: Receive) -> Receive:
        """Count a body that did not say its length."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limits.body:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> Refusal:
        message = f"the request's body is larger than {self._limits.body:,} bytes"
        return Refusal(413, "body_too_large", message, {"connection": "close"})

    def _told(self, exchange: _Exchange) -> None:
        seconds = time.perf_counter() - exchange.begun
        method = exchange.method if exchange.method in _METHODS else "other"
        self._metrics.answered(method, exchange.route, exchange.status, seconds)
        if exchange.status == _OK:
            self._recent.note(exchange.route, exchange.scope)
        if self._access_log:
            facts: dict[str, Any] = {
                "method": exchange.method,
                "route": exchange.route,
                "status": exchange.status,
                "ms": round(seconds * 1000, 2),
                "bytes": exchange.bytes,
                "request_id": exchange.id,
            }
            access.log(exchange.scope, facts)
