"""The clouds' own words on what a manifest may say, from their published libraries."""

from __future__ import annotations

import json
from importlib import import_module, resources
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[2] / "deploy"

_KINDS = {"string": str, "boolean": bool, "integer": int, "object": dict, "array": list}


def cloud_run_v2(job: dict[str, Any]) -> Any:
    """Parse a Cloud Run job (v2) as the API does: an unknown field or a wrong type raises."""
    return _parsed("google.cloud.run_v2", job)


def google_batch(job: dict[str, Any]) -> Any:
    """Parse a Google Batch job as the API does: an unknown field or a wrong type raises."""
    return _parsed("google.cloud.batch_v1", job)


def _parsed(library: str, job: dict[str, Any]) -> Any:
    from google.protobuf import json_format

    # By name: a plain import of one typed google.cloud package hides the untyped ones from mypy.
    message = import_module(library).Job.pb()()
    return json_format.ParseDict(job, message, ignore_unknown_fields=False)


def aws_submit_job(request: dict[str, Any]) -> None:
    """Check a SubmitJob request as boto3 does before it sends it; raises with all that is wrong."""
    import boto3
    from botocore.validate import validate_parameters

    client = boto3.client("batch", region_name="eu-west-1")
    shape = client.meta.service_model.operation_model("SubmitJob").input_shape
    validate_parameters(request, shape)
    known(request, shape, "")


def known(value: Any, shape: Any, path: str) -> None:
    """Raise ``ValueError`` for a member that the API does not know: boto3 lets some pass."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            if name not in shape.members:
                raise ValueError(f"{path}.{name} is unknown")
            known(inner, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            known(inner, shape.member, f"{path}[{index}]")


def cloud_run_v1(manifest: dict[str, Any]) -> None:
    """Check a Job or Service by the discovery document of run.v1, which gcloud's own is made from.

    Raises ``ValueError`` for an unknown field or a wrong type.
    """
    folder = resources.files("googleapiclient.discovery_cache.documents")
    document = json.loads((folder / "run.v1.json").read_text("utf-8"))
    _walk(manifest, {"$ref": manifest["kind"]}, document["schemas"], manifest["kind"])


def _walk(value: Any, schema: dict[str, Any], schemas: dict[str, Any], path: str) -> None:
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    if not isinstance(value, _KINDS[schema["type"]]) or isinstance(value, bool) != (
        schema["type"] == "boolean"
    ):
        raise ValueError(f"{path} is {value!r}, not of type {schema['type']}")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            _walk(inner, schema["items"], schemas, f"{path}[{index}]")
    elif isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            wanted = properties.get(name, others)
            if wanted is None:
                raise ValueError(f"{path}.{name} is unknown")
            _walk(inner, wanted, schemas, f"{path}.{name}")
