"""What a browser is shown: the page, the endpoints, and nothing from elsewhere."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from shard.planning.location import parse_location
from shard.service.documents import accepted
from shard.service.page import address, shown
from shard.service.recent import Recent
from tests.service.service_client import service

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

_BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


def _get(folder: Path, url: str, accept: str = "*/*") -> str:
    return _answer(folder, url, accept).text


def _answer(
    folder: Path, url: str, accept: str = "*/*", variables: dict[str, str] | None = None
) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with service(folder, variables) as client:
            return await client.get(url, headers={"accept": accept})

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (_BROWSER, "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/plain", "text/plain"),
    ],
)
def test_each_client_gets_its_form(tmp_path: Path, accept: str, kind: str) -> None:
    """Browsers get a page, programs JSON, and text where it is asked for."""
    answer = _answer(tmp_path, "/", accept)

    assert answer.headers["content-type"].startswith(kind)


def test_the_page_can_be_left_out(tmp_path: Path) -> None:
    """PAGE=no: browsers get what programs get."""
    answer = _answer(tmp_path, "/", _BROWSER, {"PAGE": "no"})

    assert answer.headers["content-type"] == "application/json"


def test_programs_are_told_what_is_served(tmp_path: Path) -> None:
    """The description names renditions and the form of a thumbnail's URL."""
    told = _answer(tmp_path, "/", variables={"RENDITIONS": "small=200x200;big=900x900"}).json()

    assert told["renditions"] == ["small", "big"]
    assert told["thumbnail"] == "/thumb/{rendition}/{key}"


def test_what_is_asked_for_is_escaped(tmp_path: Path) -> None:
    """A key full of markup stays a text, in the field and in the picture's address."""
    page = _get(tmp_path, '/?rendition=x&key="><script>alert(1)</script>', _BROWSER)

    assert "<script>alert" not in page
    assert "thumb/x/%22%3E%3Cscript%3Ealert%281%29%3C/script%3E" in page


@pytest.mark.parametrize("url", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(tmp_path: Path, url: str) -> None:
    """Every link is relative, every file that is named is there, and the policy allows no other."""
    answer = _answer(tmp_path, url, _BROWSER)
    links = re.findall(r'(?:href|src|action)="([^"]*)"', answer.text)
    files = [link for link in links if link.startswith("static/")]

    assert not [link for link in links if "//" in link or link.startswith("/")]
    assert {_answer(tmp_path, f"/{file}").status_code for file in files} == {200}
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_every_field_has_a_label(tmp_path: Path) -> None:
    """A screen reader can name all that is to be filled in."""
    page = _get(tmp_path, "/", _BROWSER)
    fields = set(re.findall(r'<(?:input|select) id="([^"]*)"', page))

    assert fields == set(re.findall(r'<label for="([^"]*)"', page))


def test_endpoints_are_those_of_the_document(tmp_path: Path) -> None:
    """Every operation of openapi.json stands on the page, with each of its statuses."""
    page = _get(tmp_path, "/docs")
    document = _answer(tmp_path, "/openapi.json").json()

    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in methods.values():
            for status in operation["responses"]:
                assert status == "default" or f'<th scope="row">{status} ' in page


def test_every_operation_documents_its_errors(tmp_path: Path) -> None:
    """The document says of every operation that errors are JSON of one schema."""
    document = _answer(tmp_path, "/openapi.json").json()
    body = {"$ref": "#/components/schemas/ErrorBody"}

    assert "HTTPValidationError" not in document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            default = operation["responses"]["default"]
            assert default["content"] == {"application/json": {"schema": body}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "default": 200}, "whole number, from 1; default 200"),
        ({"enum": ["a", "b"]}, "a, b"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 9}, "number, above 0, to 9"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
    ],
    ids=["integer", "enum", "number", "optional"],
)
def test_schemas_are_said_in_words(schema: dict[str, object], words: str) -> None:
    """The rows of the table in ``accepted``."""
    assert accepted(schema) == words


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({}, None),
        ({"rendition": "small"}, None),
        ({"rendition": "small", "key": "a b/c#.jpg"}, "thumb/small/a%20b/c%23.jpg"),
        ({"rendition": "s", "key": "/a.jpg", "source": "x"}, "thumb/s/x/a.jpg"),
        ({"frame": "12", "width": "99", "label": ""}, "./12/?width=99&image=inline"),
        ({"frame": "//example.org"}, "./%2F%2Fexample.org/?image=inline"),
    ],
    ids=["nothing", "half", "thumbnail", "source", "frame", "elsewhere"],
)
def test_forms_lead_to_pictures(asked: dict[str, str], where: str | None) -> None:
    """What a form asks for has an address below the service, and never another place."""
    assert address(asked) == where


@pytest.mark.parametrize(
    ("url", "said"), [("s3://photos/in", "s3://photos/in"), ("/srv/private/photos", ".../photos")]
)
def test_local_paths_stay_private(url: str, said: str) -> None:
    """Of a local folder strangers see the last name alone."""
    assert shown(parse_location(url, "INPUT_FOLDER")) == said


def test_recent_thumbnails_are_few_and_public() -> None:
    """The newest 24 are kept, without those that a signature opens."""
    recent = Recent()
    for number in range(30):
        scope = {"raw_path": b"/pictures/thumb/s/%d.jpg" % number, "query_string": b""}
        recent.note("/thumb/{rendition}/{key}", {**scope, "root_path": "/pictures"})
    signed = {"raw_path": b"/thumb/s/secret.jpg", "query_string": b"signature=x"}
    recent.note("/thumb/{rendition}/{key}", signed)
    recent.note("/healthz", {"raw_path": b"/healthz", "query_string": b""})

    assert recent.paths == [f"thumb/s/{number}.jpg" for number in range(29, 5, -1)]
