"""The service against its own OpenAPI document, by schemathesis."""

from __future__ import annotations

import shutil
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.servers import moto_s3
from tests.service.archive_double import Archive, fill
from tests.service.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case
    from schemathesis.schemas import APIOperation, BaseSchema

    from tests.servers import S3Server

__all__ = ["moto_s3"]

_PATHS = (
    *("/", "/healthz", "/readyz", "/metrics", "/events"),
    *("/thumb/{rendition}/{key}", "/{frame}/"),
)
_OF_MANY_WAYS = _PATHS[-2:]
_SAMPLES = Path(__file__).parents[2] / "samples"


_KNOWN = {
    "rendition": ["small", "small", "40x40"],
    "key": ["2026/hills.jpg", "broken/half-an-upload.jpg", "notes.txt", "2026/../2026/hills.jpg"],
    "frame": ["1", "2", "3", "tst1m0-fa01-20260321-0002-e91", *map(str, range(4, 12)), "20", "404"],
}
"""What is there, and what fails as it should, for path parameters that chance would never hit."""


@pytest.fixture(scope="module")
def served(moto_s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """Serve everything that can be served, and return its document."""
    folder = tmp_path_factory.mktemp("contract")
    shutil.copytree(_SAMPLES, folder / "in")
    archive = fill(Archive().start())
    variables = {
        **moto_s3.env,
        "PROCESS_BUCKET": moto_s3.bucket(),
        "ARCHIVE_API_URL": archive.url,
        "AWS_BUCKET": moto_s3.bucket(),
        "WORKERS": "1",
    }
    places = [str(folder / "in"), str(folder / "out")]
    with running(*places, "--renditions", "small=40x40", variables=variables) as service:
        yield schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    archive.close()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=attrgetter("value"))
def test_the_document_holds(served: BaseSchema, mode: GenerationMode) -> None:
    """Any request, one that fits the document or none, gets a documented status, type and body.

    And no 5xx. That what fits the schema is accepted is not asked: there an event is any JSON, a
    key any text; nor that what does not is refused: unknown parameters are let pass.
    """
    asked = []
    for found in served.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
            continue

        @settings(
            max_examples=60 if operation.path in _OF_MANY_WAYS else 10,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
        def ask(case: Case[Any], data: st.DataObject) -> None:
            for name in case.path_parameters or {}:
                if data.draw(st.integers(0, 3)):
                    case.path_parameters[name] = data.draw(st.sampled_from(_KNOWN[name]))
            case.call_and_validate(
                excluded_checks=[positive_data_acceptance, negative_data_rejection]
            )

        ask()
        asked.append(operation.path)

    assert asked
    if mode is GenerationMode.POSITIVE:
        assert set(_PATHS) <= set(asked)


def _can_be_wrong(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Tell whether some request to it does not fit the document."""
    return bool(operation.query or operation.headers or operation.body)
