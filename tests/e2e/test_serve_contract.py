"""The service against its own OpenAPI document, by schemathesis."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.servers import moto_s3
from tests.service.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case
    from schemathesis.schemas import BaseSchema

    from tests.servers import S3Server

__all__ = ["moto_s3"]

_PATHS = ("/", "/healthz", "/readyz", "/metrics", "/events", "/thumb/{rendition}/{key}")
_SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def served(moto_s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """Serve everything that can be served, and return its document."""
    folder = tmp_path_factory.mktemp("contract")
    shutil.copytree(_SAMPLES, folder / "in")
    variables = {**moto_s3.env, "PROCESS_BUCKET": moto_s3.bucket(), "WORKERS": "1"}
    places = [str(folder / "in"), str(folder / "out")]
    with running(*places, "--renditions", "small=40x40", variables=variables) as service:
        yield schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def test_the_document_holds(served: BaseSchema) -> None:
    """Any request gets a documented status, type and body, and no 5xx.

    That what fits the schema is accepted is not asked: there an event is any JSON, a key any text.
    """
    asked = []
    for found in served.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(
            max_examples=30,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Case[Any]) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        ask()
        asked.append(operation.path)

    assert len(asked) >= len(_PATHS)
    assert set(_PATHS) <= set(asked)
