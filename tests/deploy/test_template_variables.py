"""The variables in deploy/, whatever the engine: none that nobody reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from shard.jobs.deploy import TEMPLATES
from shard.planning.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = sorted(
    path
    for path in TEMPLATES.rglob("*")
    if path.suffix in {".yaml", ".yml", ".json", ".sbatch"} and path.is_file()
)
OF_THE_SDKS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"}
OF_PYRAMIDS = {"RBSC_BUCKET", "IMAGE_BUCKET", "PROCESS_BUCKET", "MAX_THREADS"}
SECRETS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def entries(path: Path) -> list[tuple[str, Any]]:
    """Return the tasks' variables that a template names, with their values."""
    text = path.read_text()
    if path.suffix == ".sbatch":
        return re.findall(r"^export (\w+)=(.*)$", text, re.MULTILINE)
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.add_multi_constructor("!", lambda *_: None)  # CloudFormation's functions
    return [entry for document in yaml.load_all(text) for entry in _walk(document)]


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what stands where an engine expects variables: a list of names, or a map."""
    if isinstance(value, list):
        for element in value:
            yield from _walk(element)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key in ("env", "Environment", "environment") and isinstance(inner, list):
            for entry in inner:
                lower = {name.lower(): text for name, text in entry.items()}
                yield lower["name"], lower.get("value", lower.get("valuefrom"))
        elif key == "variables" and isinstance(inner, dict):
            yield from inner.items()
        else:
            yield from _walk(inner)


def test_every_engine_has_a_template_with_variables() -> None:
    """The walk below finds what it is meant to find."""
    found = {path.relative_to(TEMPLATES).parts[0] for path in FILES if entries(path)}

    assert {"cloudrun", "kubernetes", "aws-batch", "google-batch", "slurm"} <= found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_variable_is_one_that_is_read(path: Path) -> None:
    """A name is in Shard's own table, one of `shard pyramid`, or one that the stores' SDKs know."""
    known = {variable.name for variable in VARIABLES} | OF_THE_SDKS
    if path.parent.name == "aws-pyramids":
        known |= OF_PYRAMIDS

    assert [name for name, _ in entries(path) if name not in known] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_template_holds_a_secret(path: Path) -> None:
    """Keys come by reference, never as a text."""
    assert [
        name for name, value in entries(path) if name in SECRETS and isinstance(value, str)
    ] == []
