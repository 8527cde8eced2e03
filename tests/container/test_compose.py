"""The laptop's compose file: it fills a bucket, its four tasks make what one makes, it serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.container.containers import answers, eventually, image, podman
from tests.program import ROOT, outputs, process
from tests.servers import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import S3Server

_FILE = ROOT / "deploy/compose/compose.yaml"
_TASKS = [f"task-{index}" for index in range(4)]


class _Project:
    """The compose file on the host's network, with a server that runs already."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        self.name = f"shard-{uuid.uuid4().hex[:8]}"
        here: dict[str, Any] = {
            "network_mode": "host",
            "environment": {"AWS_ENDPOINT_URL": server.url},
        }
        self._override = folder / "host.yaml"
        services = dict.fromkeys(["fill", *_TASKS, "serve"], here)
        (self.port,) = free_ports(1)
        services["serve"] = {**here, "environment": {**here["environment"], "PORT": f"{self.port}"}}
        self._override.write_text(json.dumps({"services": services}))
        self._env = {
            **os.environ,
            "IMAGE": image(),
            "S3_ACCESS_KEY": server.env["AWS_ACCESS_KEY_ID"],
            "S3_SECRET_KEY": server.env["AWS_SECRET_ACCESS_KEY"],
        }

    def compose(self, *arguments: str) -> None:
        program = [sys.executable, str(Path(sys.executable).parent / "podman-compose")]
        files = ["-p", self.name, "-f", str(_FILE), "-f", str(self._override)]
        files += ["--profile", "serve"]
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
    """Yield the project, its buckets there; down again afterwards."""
    client = seaweed.client()
    there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for bucket in {"photos", "thumbs"} - there:
        client.create_bucket(Bucket=bucket)
    project = _Project(tmp_path, seaweed)
    yield project
    project.compose("down")


def test_four_services_are_an_array(tmp_path: Path, project: _Project, seaweed: S3Server) -> None:
    """Each service is one task; together they make all."""
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
    listed = seaweed.client().list_objects_v2(Bucket="thumbs")["Contents"]
    made = {entry["Key"] for entry in listed if not entry["Key"].startswith(".shard")}

    assert codes == [0] * 4
    assert made == set(outputs(expected))


def test_it_serves_beside_the_tasks(project: _Project) -> None:
    """With its profile the service finds both buckets, and ends with 0 when it is asked to."""
    project.compose("up", "-d", "serve")
    eventually("an answer", lambda: answers(f"http://127.0.0.1:{project.port}"))
    podman("kill", "--signal=TERM", f"{project.name}_serve_1")

    assert int(podman("wait", f"{project.name}_serve_1")) == 0
