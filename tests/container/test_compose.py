"""The laptop's compose file: its bucket is filled, and its four tasks make what one makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.container.containers import image, podman
from tests.program import ROOT, outputs, process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import S3Server

_FILE = ROOT / "deploy/compose/compose.yaml"
_TASKS = [f"task-{index}" for index in range(4)]


class _Project:
    """The compose file on the host's network, with a server that runs already."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        self.name = f"shard-{uuid.uuid4().hex[:8]}"
        here = {"network_mode": "host", "environment": {"AWS_ENDPOINT_URL": server.url}}
        self._override = folder / "host.yaml"
        self._override.write_text(json.dumps({"services": dict.fromkeys(["fill", *_TASKS], here)}))
        self._env = {
            **os.environ,
            "IMAGE": image(),
            "S3_ACCESS_KEY": server.env["AWS_ACCESS_KEY_ID"],
            "S3_SECRET_KEY": server.env["AWS_SECRET_ACCESS_KEY"],
        }

    def compose(self, *arguments: str) -> None:
        program = [sys.executable, str(Path(sys.executable).parent / "podman-compose")]
        files = ["-p", self.name, "-f", str(_FILE), "-f", str(self._override)]
        subprocess.run(
            [*program, *files, *arguments],
            env=self._env,
            check=True,
            capture_output=True,
            timeout=120,
        )

    def exit_codes(self) -> list[int]:
        return [int(podman("wait", f"{self.name}_{task}_1")) for task in _TASKS]


@pytest.fixture
def project(tmp_path: Path, seaweed: S3Server) -> Iterator[_Project]:
    """Yield the project, down again afterwards."""
    project = _Project(tmp_path, seaweed)
    yield project
    project.compose("down")


def test_four_services_are_an_array(tmp_path: Path, project: _Project, seaweed: S3Server) -> None:
    """Each service is one task; together they make all."""
    client = seaweed.client()
    for bucket in ("photos", "thumbs"):
        client.create_bucket(Bucket=bucket)
    project.compose("up", "-d", *_TASKS)
    codes = project.exit_codes()
    expected = tmp_path / "outside"
    process(
        {
            "INPUT_FOLDER": str(ROOT / "samples"),
            "OUTPUT_FOLDER": str(expected),
            "RENDITIONS": "small=200x200",
        }
    )
    listed = client.list_objects_v2(Bucket="thumbs")["Contents"]
    made = {entry["Key"] for entry in listed if not entry["Key"].startswith(".shard")}

    assert codes == [0] * 4
    assert made == set(outputs(expected))
