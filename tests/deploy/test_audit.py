"""`.ci/audit`, with a stand-in for pip-audit."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.program import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("says", "ends", "code", "told"),
    [
        ("No known vulnerabilities found", 0, 0, "pip-audit: No known vulnerabilities found"),
        ("Found 1 known vulnerability in 1 package", 1, 1, "Found 1 known vulnerability"),
        ("requests.exceptions.ConnectionError: Failed to resolve", 1, 0, "not reachable from here"),
        ("ERROR: requirements-all.txt has no hashes", 1, 1, "has no hashes"),
    ],
    ids=["clean", "vulnerable", "unreachable", "broken"],
)
def test_only_an_unreachable_service_is_forgiven(
    tmp_path: Path, says: str, ends: int, code: int, told: str
) -> None:
    """A vulnerability or any other failure fails; a service that cannot be reached is said."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\necho '{says}'\nexit {ends}\n")
    program.chmod(0o755)
    done = subprocess.run(
        [str(ROOT / ".ci" / "audit"), str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == code
    assert told in done.stdout
