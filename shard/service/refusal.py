"""What the service answers when it cannot do as asked: one shape for every error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import HTTPConnection


class Refusal(Exception):
    """A request is answered with an error. Any layer of the service may raise it.

    ``reason`` is a word for programs (``not_found``, ``too_many_pixels``, ...), ``message`` a
    sentence for people, without secrets. ``headers`` go into the answer.
    """

    def __init__(
        self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.reason, self.message = status, reason, message
        self.headers = dict(headers or {})
        super().__init__(message)


class ErrorBody(BaseModel):
    """Every error's body."""

    message: str = Field(description="a sentence for people", examples=["nothing is at /nowhere"])
    reason: str = Field(description="a word for programs", examples=["not_found"])
    request_id: str = Field(
        description="names the request in the service's log", examples=["5c0b7e1f9a3d2468"]
    )


def request_id(connection: HTTPConnection) -> str:
    """Return the id under which the request stands in the log."""
    return str(connection.scope.get("state", {}).get("request_id", ""))


def answer(refusal: Refusal, identity: str) -> JSONResponse:
    """Return the refusal as a response; ``identity`` is the request's id."""
    body = {"message": refusal.message, "reason": refusal.reason, "request_id": identity}
    headers = {"cache-control": "no-store", **refusal.headers}
    return JSONResponse(body, refusal.status, headers)
