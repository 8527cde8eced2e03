"""`GET /docs`: the OpenAPI document as a page, made here: nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations at run time
from starlette.responses import HTMLResponse

from shard.service.pages import html
from shard.service.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

router = APIRouter(include_in_schema=False)

_METHODS: Final = ("get", "post")
_EXAMPLE: Final = {
    "message": "width is 'abc': a whole number from 1 is accepted",
    "reason": "bad_parameter",
    "request_id": "5c0b7e1f9a3d2468",
}


@router.get("/docs", response_class=HTMLResponse)
def documents(request: Request) -> HTMLResponse:
    """Show every endpoint, its parameters and its answers."""
    document = request.app.openapi()
    facts = {
        "here": "docs",
        "summary": document["info"].get("summary", ""),
        "operations": sorted(operations(document), key=lambda one: one["is_for_machines"]),
        "example": json.dumps(_EXAMPLE, indent=2),
    }
    return html("docs.html", facts)


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what the page says of each operation of an OpenAPI document, in its order."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            said = methods[method]
            yield {
                "method": method.upper(),
                "path": path,
                "is_for_machines": "operation" in said.get("tags", ()) and path != "/",
                "anchor": re.sub(r"[^a-z]+", "-", f"{method}{path}".lower()).strip("-"),
                "paragraphs": said.get("description", "").split("\n\n"),
                "parameters": [_parameter(one) for one in said.get("parameters", ())],
                "answers": [_answer(*one) for one in said["responses"].items()],
            }


def _parameter(said: Mapping[str, Any]) -> dict[str, Any]:
    schema = said.get("schema", {})
    return {
        "name": said["name"],
        "place": said["in"],
        "required": said.get("required", False),
        "accepted": accepted(schema),
        "description": said.get("description") or schema.get("description") or "",
        "example": said.get("example") or schema.get("example"),
    }


def accepted(schema: Mapping[str, Any]) -> str:
    """Say a parameter's schema in words.

    ==========================================================  ==================================
    schema                                                      words
    ==========================================================  ==================================
    ``{"type": "integer", "minimum": 1, "default": 200}``       whole number, from 1; default 200
    ``{"enum": ["a", "b"]}``                                    a, b
    ``{"type": "number", "exclusiveMinimum": 0, "maximum": 9}``  number, above 0, to 9
    ``{"anyOf": [{"type": "string"}, {"type": "null"}]}``       text
    ==========================================================  ==================================
    """
    if "anyOf" in schema:
        kinds = [accepted(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema:
        words = ", ".join(str(value) for value in schema["enum"])
    else:
        names = {"integer": "whole number", "string": "text", "number": "number"}
        words = names.get(schema.get("type", ""), schema.get("type", "any"))
    for name, said in (
        ("minimum", "from"),
        ("exclusiveMinimum", "above"),
        ("maximum", "to"),
        ("exclusiveMaximum", "below"),
        ("maxLength", "up to so many characters:"),
    ):
        if name in schema:
            words += f", {said} {schema[name]:,}"
    return words + (f"; default {schema['default']}" if schema.get("default") is not None else "")


def _answer(status: str, said: Mapping[str, Any]) -> dict[str, str]:
    shown = f"{status} {HTTPStatus(int(status)).phrase}" if status.isdigit() else "any other"
    types = ", ".join(said.get("content", {}))
    return {"status": shown, "description": said.get("description", ""), "types": types}


PART = Part(router)
