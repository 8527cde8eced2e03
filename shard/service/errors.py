"""Every error in one shape: what frameworks and stores raise becomes a ``Refusal``."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shard.errors import KeyRefused, ObjectMissing, StorageError
from shard.service.refusal import Refusal, answer, request_id

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import JSONResponse

_log = logging.getLogger("shard")


def install(app: FastAPI) -> None:
    """Have the application answer all errors as ``{"message", "reason", "request_id"}``."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        refusal = refusal_of(request, error)
        return answer(refusal, request_id(request))

    for kind in (Refusal, HTTPException, RequestValidationError, StorageError):
        app.add_exception_handler(kind, handle)


def refusal_of(request: Request, error: Exception) -> Refusal:
    """Return what an error is to the caller; what only the operator may know is logged."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        return Refusal(400, "bad_parameter", _parameters(error))
    if isinstance(error, StorageError):
        return _storage(request, error)
    if isinstance(error, HTTPException):
        return _http(request, error)
    raise error


def _http(request: Request, error: HTTPException) -> Refusal:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return Refusal(404, "not_found", f"nothing is at {request.url.path}", headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = headers.get("Allow", "")
        if "GET" in allowed:
            allowed = "GET, HEAD, OPTIONS"
        message = f"{request.method} is not allowed at {request.url.path}; accepted: {allowed}"
        return Refusal(405, "method_not_allowed", message, {"Allow": allowed})
    reason = HTTPStatus(error.status_code).name.lower()
    return Refusal(error.status_code, reason, str(error.detail), headers)


def _parameters(error: RequestValidationError) -> str:
    """Say of each wrong parameter its name, its value and what is accepted."""
    said = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0])
        value = fault.get("input")
        shown = f" is {value[:100]!r}" if isinstance(value, str) else ""
        said.append(f"{name}{shown}: {fault['msg'][:1].lower()}{fault['msg'][1:]}")
    return "; ".join(said)


def _storage(request: Request, error: StorageError) -> Refusal:
    if isinstance(error, KeyRefused):
        return Refusal(400, error.reason, "the key has no safe name in the store")
    if isinstance(error, ObjectMissing):
        return Refusal(404, "not_found", f"nothing is at {request.url.path}")
    identity = request_id(request)
    _log.warning("request %s: %s", identity, error)
    message = f"the store could not be asked ({error.reason}); the log tells more of {identity}"
    if error.retryable:
        return Refusal(503, error.reason, message, {"retry-after": "5"})
    return Refusal(502, error.reason, message)
