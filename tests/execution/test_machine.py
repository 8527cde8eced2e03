"""What a machine offers, for `doctor`."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from shard.execution.machine import machine
from tests.program import ROOT

if TYPE_CHECKING:
    import pytest


def test_every_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of pyproject's extras that users may choose is missed, where nothing is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    def nothing(name: str) -> Any:
        del name

    monkeypatch.setattr("shard.execution.machine.find_spec", nothing)

    assert machine(None, None).missing.keys() == project["optional-dependencies"].keys() - {
        "all",
        "dev",
    }
