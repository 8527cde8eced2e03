"""The OpenAPI document, true in what FastAPI cannot know: errors are JSON, whatever a route is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI


def describe(app: FastAPI) -> None:
    """Have the application's document say of every operation that its errors are ``ErrorBody``."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_json_errors(made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _with_json_errors(document: dict[str, Any]) -> dict[str, Any]:
    body = {"schema": {"$ref": "#/components/schemas/ErrorBody"}}
    for methods in document["paths"].values():
        for operation in methods.values():
            answers = operation["responses"]
            answers.pop("default", None)
            answers = dict(sorted(answers.items()))
            answers["default"] = {
                "description": "an error",
                "content": {"application/json": body},
            }
            operation["responses"] = answers
    return document
