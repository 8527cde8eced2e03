"""The rules by which `doctor` tells what would go wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shard.planning.checkup import Disk, Finding, Level, Machine, examine, misspelt
from shard.planning.settings import TaskSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

GIB = 1 << 30
MACHINE = Machine(
    cores=2,
    physical_memory=8 * GIB,
    memory_limit=None,
    workers=2,
    temporary=Disk("/tmp", "/tmp", "ext4", 10 * GIB),  # noqa: S108  # only a name here
)
CLOUD_RUN = {
    "CLOUD_RUN_TASK_INDEX": "0",
    "CLOUD_RUN_TASK_COUNT": "2",
    "CLOUD_RUN_EXECUTION": "shard-x",
}
KUBERNETES = {"JOB_COMPLETION_INDEX": "0", "TASK_COUNT": "2", "RUN_ID": "uid"}
SLURM = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_JOB_ID": "7"}
AWS = {
    "AWS_BATCH_JOB_ARRAY_INDEX": "0",
    "AWS_BATCH_JOB_ARRAY_SIZE": "2",
    "AWS_BATCH_JOB_ID": "f00:0",
}


def found(variables: Mapping[str, str], machine: Machine = MACHINE) -> list[Finding]:
    """Return what is found for these settings on this machine."""
    places = {"INPUT_FOLDER": "gs://b/in", "OUTPUT_FOLDER": "gs://b/out"}
    return list(examine(TaskSettings.parse({**places, **variables}), machine))


def words(findings: list[Finding]) -> str:
    """Return all sentences in one text."""
    return "\n".join(f"{f.level} {f.topic}: {f.text} -> {f.remedy}" for f in findings)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """A usual task on a usual machine gives no finding at all."""
    assert found({}) == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (CLOUD_RUN, "TASK_TIMEOUT is not set: Cloud Run kills a task after 10 min"),
        (CLOUD_RUN | {"TASK_TIMEOUT": "200h"}, "lets no task run longer than 168 h"),
        (CLOUD_RUN | {"GRACE": "9"}, "GRACE is 9 s, but Cloud Run kills 10 s after"),
        (KUBERNETES | {"GRACE": "19"}, "or raise terminationGracePeriodSeconds"),
        (SLURM | {"GRACE": "19"}, "set GRACE to 18 at most, or raise KillWait"),
        (AWS | {"GRACE": "19"}, "GRACE is 19 s, but AWS Batch kills 30 s after"),
        ({"TASK_INDEX": "0", "TASK_COUNT": "2"}, "RUN_ID is not set"),
        ({"WORKERS": "3"}, "only 2 cores are usable"),
        ({"MEMORY_LIMIT": "16GiB"}, "MEMORY_LIMIT is 16,384 MiB, but there are only 8,192 MiB"),
        ({"MEMORY_LIMIT": "300MiB"}, "300 MiB is little for 2 workers"),
        ({"MEMORY_LIMIT": "900MiB"}, "more than about 199 megapixels would be refused"),
        ({"OUTPUT_FOLDER": "gs://b/in/thumbs"}, "gs://b/in/thumbs lies in the source"),
        ({"OUTPUT_FOLDER": "gs://b"}, "the source lies in gs://b"),
        ({"OUTPUT_FOLDER": "memory://x"}, "memory:// ends with the process"),
    ],
    ids=[
        *("timeout-unset", "timeout-too-long", "grace-cloud-run", "grace-kubernetes"),
        *("grace-slurm", "grace-aws-batch", "run-id"),
        *("workers", "memory-promised", "memory-little", "memory-pixels"),
        *("output-in-source", "source-in-output", "output-in-memory"),
    ],
)
def test_each_risk_has_its_sentence(variables: dict[str, str], said: str) -> None:
    """Each thing that settings alone can get wrong is told, with what to do about it."""
    findings = found(variables)

    assert said in words(findings)
    assert all(finding.remedy for finding in findings if finding.level is Level.WARNING)


@pytest.mark.parametrize(
    "variables",
    [
        CLOUD_RUN | {"TASK_TIMEOUT": "10m"},
        CLOUD_RUN | {"TASK_TIMEOUT": "10m", "GRACE": "8"},
        KUBERNETES | {"GRACE": "18"},
        AWS | {"GRACE": "18"},
        {"TASK_INDEX": "0", "TASK_COUNT": "1"},
    ],
    ids=["timeout", "grace-cloud-run", "grace-kubernetes", "grace-aws-batch", "one-task"],
)
def test_right_settings_are_not_warned_of(variables: dict[str, str]) -> None:
    """At the very limit, and below it, nothing is said."""
    levels = [finding.level for finding in found(variables)]

    assert Level.WARNING not in levels
    assert Level.WRONG not in levels


@pytest.mark.parametrize(
    ("variables", "disk", "said"),
    [
        ({}, Disk("/o", "/", "overlay", GIB), "container's own disk"),
        (CLOUD_RUN, Disk("/o", "/", "ext4", GIB), "container's own disk"),
        (CLOUD_RUN, Disk("/o", "/o", "fuse", GIB), "all 2 tasks must see the same one"),
        ({}, Disk("/o", "/o", "ext4", 1 << 20), "only 1 MiB are free at /o"),
    ],
    ids=["overlay", "engine-root", "engine-mount", "full"],
)
def test_a_local_output_must_last(variables: dict[str, str], disk: Disk, said: str) -> None:
    """An output on the container's own disk is warned of; on a mount it must be shared."""
    findings = found(variables | {"OUTPUT_FOLDER": "/o"}, replace(MACHINE, output=disk))

    assert said in words(findings)


def test_no_folder_for_temporary_files_is_wrong() -> None:
    """Where nothing can be spooled a task would fail."""
    (finding,) = found({}, replace(MACHINE, temporary=None))

    assert finding.level is Level.WRONG
    assert "TMPDIR" in finding.remedy


def test_variables_that_are_nearly_settings_are_named() -> None:
    """A misspelt variable is told with the one that it is like; others are nobody's business."""
    findings = list(misspelt(["RENDITION", "OUTPUT_FOLDERS", "HOME", "PATH", "RUN_ID", "LANG"]))

    assert [(f.text.split()[0], f.remedy.split()[1]) for f in findings] == [
        ("OUTPUT_FOLDERS", "OUTPUT_FOLDER"),
        ("RENDITION", "RENDITIONS"),
    ]
