"""The Slurm script, run by bash as slurmd would: an environment, a real process an array id."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shard.errors import SettingError
from shard.jobs.deploy import TEMPLATES
from shard.planning.deployments import engine
from shard.planning.deployments.base import Deployment, Sizing, parse
from tests.program import ROOT, fill, lines, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

SLURM = engine("slurm")
TEMPLATE = TEMPLATES / "slurm" / "shard.sbatch"


def deployment(
    variables: Mapping[str, str],
    options: Mapping[str, str | None] | None = None,
    **sizing: str | None,
) -> Deployment:
    """Return a deployment of 3 tasks, less what is said otherwise."""
    sizes = {
        "name": "shard",
        "image": "registry.example/shard:1",
        "tasks": "3",
        "parallel": None,
        "retries": "2",
    }
    sizes |= {"timeout": "1h", "memory": "512MiB", "cpu": "1"} | sizing
    return parse(Sizing(**sizes), variables, options or {}, SLURM.OPTIONS)  # type: ignore[arg-type]  # all but parallel are texts


def script_of(chosen: Deployment) -> str:
    """Return the filled script."""
    return SLURM.fill({"shard.sbatch": TEMPLATE.read_text()}, chosen)


class Site:
    """A folder that stands for a cluster: programs that record what they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, folder / "calls"
        self.checkout = folder / "checkout"
        for path in (folder / "bin", self.checkout / ".venv" / "bin"):
            path.mkdir(parents=True)
        self.program("bin/scontrol", 'echo "scontrol $*" >> "$CALLS"')
        self.program("bin/apptainer", 'printf "%s\\n" apptainer "$@" >> "$CALLS"')

    def program(self, name: str, text: str) -> None:
        """Put a shell script in place."""
        path = self.folder / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)

    def task(self, text: str) -> None:
        """Let the checkout's Python be a shell script."""
        self.program("checkout/.venv/bin/python", text)

    def start(self, script: str, index: int = 0, **variables: str) -> subprocess.Popen[str]:
        """Start the script as array id ``index`` of 3 of job 17."""
        file = self.folder / "job.sbatch"
        file.write_text(script)
        slurm = {"JOB_ID": str(18 + index), "ARRAY_JOB_ID": "17", "ARRAY_TASK_ID": str(index)}
        slurm |= {"ARRAY_TASK_COUNT": "3", "ARRAY_TASK_MIN": "0", "ARRAY_TASK_MAX": "2"}
        slurm |= {"ARRAY_TASK_STEP": "1", "CPUS_PER_TASK": "1", "MEM_PER_NODE": "512", **variables}
        env = {f"SLURM_{name}": text for name, text in slurm.items()}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", str(file)],
            env={**os.environ, **env, "PATH": path, "CALLS": str(self.calls)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, index: int = 0, **variables: str) -> tuple[int, str]:
        """Run the script to its end; return its exit code and what it said."""
        with self.start(script, index, **variables) as process:
            said, _ = process.communicate(timeout=120)
            return process.returncode, said

    def called(self) -> list[str]:
        """Return the lines that the recording programs wrote."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a cluster."""
    return Site(tmp_path)


def test_an_array_makes_every_thumbnail_once(site: Site, tmp_path: Path) -> None:
    """Three ids, three processes: all images, none twice, in one run of the array's id."""
    fill(tmp_path / "in", [f"{n}.jpg" for n in range(12)])
    site.task(f'exec {sys.executable} "$@"')
    (site.checkout / "process.py").symlink_to(ROOT / "process.py")
    folders = {"INPUT_FOLDER": f"{tmp_path}/in", "OUTPUT_FOLDER": f"{tmp_path}/out"}
    script = script_of(deployment(folders, {"checkout": str(site.checkout)}))
    codes = [site.run(script, index)[0] for index in range(3)]

    assert codes == [0, 0, 0]
    assert len(outputs(tmp_path / "out")) == 12
    assert len(lines(tmp_path / "out")) == 12
    assert [path.name for path in (tmp_path / "out/.shard/runs").iterdir()] == ["17"]


@pytest.mark.parametrize(
    ("code", "restarts", "queued_again"),
    [
        (0, None, False),
        (1, None, True),
        (1, "1", True),
        (1, "2", False),
        (2, None, False),
        (137, None, True),
        (143, None, True),
    ],
)
def test_a_task_is_queued_again_where_that_may_help(
    site: Site, code: int, restarts: str | None, queued_again: bool
) -> None:
    """Not after success or a wrong setting, and no more often than RETRIES says."""
    site.task(f"exit {code}")
    script = script_of(deployment({"INPUT_FOLDER": "s3://b/i"}, {"checkout": str(site.checkout)}))
    told = {} if restarts is None else {"RESTART_COUNT": restarts}
    ended, _ = site.run(script, 1, **told)

    assert ended == code
    assert site.called() == (["scontrol requeue 19"] if queued_again else [])


def test_a_signal_reaches_the_task_and_no_one_is_queued_again(site: Site) -> None:
    """`scancel` ends the task: its drain is waited for, its exit code is the script's."""
    drained = 'echo drained >> "$CALLS"; kill $nap; exit 143'
    ready = 'echo ready >> "$CALLS"; sleep 60 & nap=$!; while :; do wait; done'
    site.task(f"trap '{drained}' TERM; {ready}")
    script = script_of(deployment({"INPUT_FOLDER": "s3://b/i"}, {"checkout": str(site.checkout)}))
    with site.start(script) as process:
        while not site.called():
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert process.returncode == 143
    assert site.called() == ["ready", "drained"]


def test_apptainer_mounts_the_local_folders(site: Site, tmp_path: Path) -> None:
    """A bucket needs no mount; an output folder that is not there yet is made."""
    folders = {"INPUT_FOLDER": "s3://b/i", "OUTPUT_FOLDER": f"{tmp_path}/new out"}
    code, _ = site.run(script_of(deployment(folders, {"sif": "/shared/shard.sif"})))

    assert code == 0
    assert (tmp_path / "new out").is_dir()
    mounts = ["--bind", f"{tmp_path}/new out"]
    told = ["exec", "--pwd", "/app", *mounts, "/shared/shard.sif", "python", "process.py"]
    assert site.called() == ["apptainer", *told]


def test_without_a_file_apptainer_takes_the_image_from_its_registry(site: Site) -> None:
    """--image is a container image, as on any other engine."""
    site.run(script_of(deployment({"INPUT_FOLDER": "s3://b/i"})))

    assert "docker://registry.example/shard:1" in site.called()


TRAPS = ["it's", 'say "x"', "$(touch pwned)", "`id`", "a b;c", "\\", "*", "$HOME", "#SBATCH", "é"]


@pytest.mark.parametrize("trap", TRAPS, ids=range(len(TRAPS)))
def test_no_value_is_run_by_the_shell(site: Site, trap: str) -> None:
    """A task gets every value as it was given."""
    site.task(f"{sys.executable} -c 'import json,os; print(json.dumps(dict(os.environ)))'")
    folder = f"s3://b/{trap}"
    script = script_of(deployment({"INPUT_FOLDER": folder}, {"checkout": str(site.checkout)}))
    _, said = site.run(script)

    assert json.loads(said)["INPUT_FOLDER"] == folder


def test_a_task_is_told_what_it_may_use(site: Site) -> None:
    """Where Slurm does not confine a task, it keeps to its share; the user's word wins."""
    site.task('echo "$WORKERS $MEMORY_LIMIT $TASK_TIMEOUT"')
    options: dict[str, str | None] = {"checkout": str(site.checkout)}
    _, said = site.run(script_of(deployment({"INPUT_FOLDER": "s3://b/i"}, options)))
    given = {"INPUT_FOLDER": "s3://b/i", "WORKERS": "7", "MEMORY_LIMIT": "256MiB"}
    _, said_too = site.run(script_of(deployment(given, options)))

    assert (said, said_too) == ("1 512MiB 3600\n", "7 256MiB 3600\n")


def test_what_is_asked_of_slurm_follows_the_flags() -> None:
    """Sizes and limits are directives; an attempt's time has room for its drain."""
    chosen = {"partition": "short,long", "account": "maps", "log-folder": "/logs/"}
    script = script_of(
        deployment({"INPUT_FOLDER": "s3://b/i"}, chosen, tasks="50", parallel="8", timeout="90m")
    )
    asked = dict(
        line.removeprefix("#SBATCH --").split("=", 1)
        for line in script.splitlines()
        if line.startswith("#SBATCH") and "=" in line
    )

    assert (asked["array"], asked["mem"], asked["cpus-per-task"]) == ("0-49%8", "512M", "1")
    assert (asked["partition"], asked["account"]) == ("short,long", "maps")
    assert asked["output"] == "/logs/shard-%A_%a.log"
    assert int(asked["time"]) * 60 >= 90 * 60 + 60 + int(asked["signal"].removeprefix("B:TERM@"))
    assert script.index("#SBATCH --partition") < script.index("set -uo pipefail")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"partition": "a\n#SBATCH --uid=0"}, "--partition"),
        ({"account": "x y"}, "--account"),
        ({"log-folder": "/logs/%j"}, "--log-folder"),
        ({"checkout": "/opt/shard", "sif": "/shard.sif"}, "--sif"),
        ({"image": "shard:0.1.0"}, "--image"),
    ],
)
def test_a_wrong_slurm_option_is_named(options: dict[str, str | None], named: str) -> None:
    """A directive cannot be quoted, so its value must be plain; an image must be somewhere."""
    image = {"image": options.pop("image")} if "image" in options else {}
    with pytest.raises(SettingError) as raised:
        script_of(deployment({"INPUT_FOLDER": "s3://b/i"}, options, **image))

    assert raised.value.variable == named


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    """Neither in the template nor in what is made of it."""
    filled = tmp_path / "filled.sbatch"
    filled.write_text(script_of(deployment({"INPUT_FOLDER": "s3://b/it's here"})))
    checker = str(Path(sys.executable).parent / "shellcheck")
    found = subprocess.run(
        [checker, str(TEMPLATE), str(filled)], capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stdout) == (0, "")


def test_the_template_is_what_its_own_values_make() -> None:
    """Filled in with the example's values, nothing else changes."""
    folders = {"INPUT_FOLDER": "/data/in", "OUTPUT_FOLDER": "/data/out", "RENDITIONS": "200x200"}
    sizes = {"tasks": "10", "cpu": "2", "memory": "2GiB", "retries": "3"}
    script = script_of(deployment(folders, {"sif": "shard.sif"}, **sizes))
    template = TEMPLATE.read_text().splitlines()

    assert sorted(map(shlex.split, script.splitlines(), [True] * 99)) == sorted(
        map(shlex.split, template, [True] * 99)
    )
