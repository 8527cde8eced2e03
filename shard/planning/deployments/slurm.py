"""Slurm: a batch script for a job array; its lines are edited, its values quoted for the shell."""

from __future__ import annotations

import re
import shlex
from math import ceil
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.deployments.base import Option
from shard.planning.habits import HABITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.deployments.base import Deployment

FOLDER = "slurm"
OPTIONS = (
    Option("checkout", "a folder on all nodes with Shard and its .venv, instead of an image"),
    Option("sif", "an apptainer image file on all nodes  [default: docker://IMAGE]"),
    Option("partition", "where the array is queued"),
    Option("account", "who pays"),
    Option("qos", "quality of service"),
    Option("log-folder", "where each task's log goes", "."),
)

SIGNAL_EARLY: Final = 60
"""Seconds by which Slurm may send ``--signal`` too early (its own documentation)."""

_SCRIPT: Final = "shard.sbatch"
_MOST_BY_DEFAULT: Final = 1001
"""Slurm's MaxArraySize where the site has not set it: the largest id is one less."""

_WORD: Final = (re.compile(r"[\w.,+-]+", re.ASCII), "a name: letters, digits, '_', '-', '.', ','")
_PATH: Final = (
    re.compile(r"[^\s\x00-\x1f%\\]+", re.ASCII),
    "a path without blanks, '%' or '\\'",
)
_FORMS: Final = {
    **dict.fromkeys(("partition", "account", "qos"), _WORD),
    **dict.fromkeys(("checkout", "sif", "log-folder"), _PATH),
}
_EXPORT: Final = re.compile(r"export ([A-Z0-9_]+)=([^$]*)")
_ASSIGNMENT: Final = re.compile(r"(RETRIES|CHECKOUT|IMAGE)=.*")
_DIRECTIVE: Final = re.compile(r"#SBATCH --([a-z-]+)(=.*)?")


def templates(deployment: Deployment) -> tuple[str, ...]:  # noqa: ARG001 - the engines' form
    """Return the one script."""
    return (_SCRIPT,)


def fill(templates: Mapping[str, str], deployment: Deployment) -> str:
    """Return the batch script."""
    _check(deployment)
    lines = templates[_SCRIPT].splitlines()
    after = max(number for number, line in enumerate(lines) if _DIRECTIVE.fullmatch(line)) + 1
    head, body = _head(lines[:after], deployment), _body(lines[after:], deployment)
    return "\n".join([*head, *body]) + "\n"


def _head(lines: list[str], deployment: Deployment) -> list[str]:
    """Return the lines up to the last directive, with ours in place or added."""
    ours = _directives(deployment)
    out = []
    for line in lines:
        match = _DIRECTIVE.fullmatch(line)
        name = match[1] if match else ""
        out.append(f"#SBATCH --{name}={ours.pop(name)}" if name in ours else line)
    return out + [f"#SBATCH --{name}={text}" for name, text in ours.items()]


def _body(lines: list[str], deployment: Deployment) -> list[str]:
    """Return the script's own lines, with our variables in place of the exported examples."""
    exported = [match for line in lines if (match := _EXPORT.fullmatch(line))]
    texts = {match[1]: "".join(shlex.split(match[2])) for match in exported}
    variables = deployment.environment(texts)
    values = _assignments(deployment)
    out: list[str] = []
    for line in lines:
        if _EXPORT.fullmatch(line):
            out += [f"export {name}={shlex.quote(text)}" for name, text in variables.items()]
            variables = {}
        elif match := _ASSIGNMENT.fullmatch(line):
            out.append(f"{match[1]}={shlex.quote(values[match[1]])}")
        else:
            out.append(line)
    return out


def notes(deployment: Deployment) -> tuple[str, ...]:
    """Return how to start the array, and what the site must allow."""
    said = ["pipe this into: sbatch", "watch it: squeue --me; end it: scancel ID"]
    if deployment.tasks > _MOST_BY_DEFAULT:
        said.append(
            f"{deployment.tasks} tasks need a MaxArraySize of {deployment.tasks} or more: "
            "scontrol show config | grep MaxArraySize"
        )
    if deployment.stopping > HABITS["slurm"].kill_after:
        said.append(
            f"GRACE asks for {deployment.stopping} s from scancel to the end: "
            "scontrol show config | grep KillWait must not be less"
        )
    if not deployment.options.get("checkout") and not deployment.options.get("sif"):
        said.append(
            f"better pull the image once: apptainer pull shard.sif docker://{deployment.image}, "
            "then --sif /shared/shard.sif"
        )
    return tuple(said)


def _check(deployment: Deployment) -> None:
    deployment.check_options(_FORMS)
    deployment.check_memory_limit(deployment.memory_mib)
    checkout, sif = deployment.options.get("checkout"), deployment.options.get("sif")
    if checkout and sif:
        raise SettingError("--sif", sif, "either --sif or --checkout, not both")
    if not checkout and not sif and "/" not in deployment.image:
        accepted = "an image in a registry; or --checkout FOLDER, or --sif FILE"
        raise SettingError("--image", deployment.image, accepted)


def _directives(deployment: Deployment) -> dict[str, str]:
    """Return what sbatch is asked for: the time of an attempt, its last minute included."""
    array = f"0-{deployment.tasks - 1}"
    if deployment.at_once < deployment.tasks:
        array += f"%{deployment.at_once}"
    folder = deployment.option("log-folder").rstrip("/")
    texts = {
        "job-name": deployment.name,
        "array": array,
        "cpus-per-task": str(ceil(deployment.cpu)),
        "mem": f"{deployment.memory_mib}M",
        "time": str(ceil((deployment.timeout + SIGNAL_EARLY + deployment.stopping) / 60)),
        "signal": f"B:TERM@{deployment.stopping}",
        "output": f"{folder}/{deployment.name}-%A_%a.log",
    }
    chosen = {name: deployment.options.get(name) for name in ("partition", "account", "qos")}
    return texts | {name: text for name, text in chosen.items() if text}


def _assignments(deployment: Deployment) -> dict[str, str]:
    return {
        "RETRIES": str(deployment.retries),
        "CHECKOUT": deployment.options.get("checkout") or "",
        "IMAGE": deployment.options.get("sif") or f"docker://{deployment.image}",
    }
