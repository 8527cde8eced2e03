"""What the image holds, and what it must not."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import shard
from tests.container.containers import Container, image, podman
from tests.container.pip_settings import settings
from tests.program import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAN_LIMIT = 350_000_000


def _inspect(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(podman("image", "inspect", name))[0]
    return facts


def _inside(*command: str, name: str = "SHARD_TEST_IMAGE") -> subprocess.CompletedProcess[str]:
    return Container(image=image(name), entrypoint=command[0]).run(*command[1:])


@pytest.mark.parametrize("user", [None, "12345", "0"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["shard", "--version"], shard.__version__), (["shard", "--help"], "task")],
)
def test_any_user_may_start_any_command(
    user: str | None, arguments: Sequence[str], said: str
) -> None:
    """After the word `shard` the image is the program, whoever runs it."""
    done = Container(user=user).run(*arguments)

    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_without_a_source_the_task_says_so() -> None:
    """A container that is not configured ends with 2 and one sentence."""
    done = Container().run()

    assert done.returncode == 2
    assert "INPUT_FOLDER is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_user_is_not_root() -> None:
    """Where nobody says otherwise the task runs as 10001."""
    done = _inside("id", "-u")

    assert done.stdout.strip() == "10001"


@pytest.mark.parametrize("name", ["SHARD_TEST_IMAGE", "SHARD_TEST_LEAN_IMAGE"])
def test_nothing_of_the_build_stays(name: str) -> None:
    """No compiler, no pip, no cache, no configuration of the machine that built it."""
    found = _inside(
        "sh",
        "-c",
        "command -v gcc cc make; find / -xdev 2>/dev/null "
        r"\( -name pip.conf -o -name .netrc -o -path '*/.cache/*' -o -path '/opt/*/pip' \)",
        name=name,
    )

    assert found.stdout == ""


@pytest.mark.parametrize("name", ["SHARD_TEST_IMAGE", "SHARD_TEST_LEAN_IMAGE"])
def test_its_history_tells_nothing_of_the_builder(name: str) -> None:
    """Neither history nor configuration holds a setting of pip, an address or a certificate."""
    told = podman("history", "--no-trunc", "--format={{.CreatedBy}}", image(name))
    told += json.dumps(_inspect(image(name))["Config"])
    secret = [value for key, value in settings().items() if key.endswith(("url", "links", "cert"))]

    assert "pip.conf" not in told
    assert "://" not in told
    assert [value for value in secret if value in told] == []


def test_labels_say_which_source_it_was_made_from() -> None:
    """Version, revision and date are the source's, so that two builds of it say the same."""
    labels = _inspect(image())["Config"]["Labels"]
    git = ["git", "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%H %cd"]
    revision, created = subprocess.run(
        git,
        cwd=ROOT,
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert {
        name.rpartition(".")[2]: value for name, value in labels.items() if "opencontainers" in name
    } == {
        "title": "shard",
        "description": "Thumbnails of a whole bucket, by a parallel job",
        "licenses": "Apache-2.0",
        "version": shard.__version__,
        "revision": revision,
        "created": created,
    }


def test_the_lean_image_is_small() -> None:
    """The job alone takes less than 350 MB, unpacked, on top of the base image."""
    size = _inspect(image("SHARD_TEST_LEAN_IMAGE"))["Size"]

    assert size - _inspect(image("SHARD_TEST_BASE_IMAGE"))["Size"] < _LEAN_LIMIT


@pytest.mark.parametrize(("name", "code"), [("SHARD_TEST_IMAGE", 0), ("SHARD_TEST_LEAN_IMAGE", 1)])
def test_extras_are_in_the_default_image_only(name: str, code: int) -> None:
    """EXTRAS= leaves out what the job does not need."""
    done = _inside("python", "-c", "import pyarrow, ruamel.yaml", name=name)

    assert done.returncode == code, done.stderr


def test_all_code_is_compiled() -> None:
    """No start has to compile what a read-only root cannot keep."""
    done = _inside(
        "python",
        "-c",
        "import importlib.util as u, pathlib as p; "
        "print([str(m) for m in [*p.Path('/app/shard').rglob('*.py'), "
        "*p.Path('/opt/shard/lib').rglob('boto3/**/*.py')] "
        "if not p.Path(u.cache_from_source(str(m))).exists()])",
    )

    assert done.stdout.strip() == "[]", done.stderr


def test_the_templates_lie_beside_the_program() -> None:
    """What `deploy/` holds is in the image."""
    done = _inside("ls", "/app/deploy")

    assert set(done.stdout.split()) == {path.name for path in (ROOT / "deploy").iterdir()}


def test_the_lean_image_names_the_missing_extra() -> None:
    """A command that it cannot run says what to install."""
    lean = Container(image=image("SHARD_TEST_LEAN_IMAGE"))
    store = ["--input", "s3://photos/in", "--output", "s3://photos/out"]
    done = lean.run("shard", "deploy", "kubernetes", "--tasks", "4", *store)

    assert done.returncode == 2
    assert "shard[deploy]" in done.stderr
    assert "Traceback" not in done.stderr
