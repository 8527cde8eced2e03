"""Engines: environment in, task out."""

from __future__ import annotations

import pytest

from shard.errors import SettingError
from shard.model import Task
from shard.planning.engine import task_from


def slurm(task: int, first: int, last: int, step: int, count: int) -> dict[str, str]:
    """Return the variables of a Slurm array's task."""
    names = ("ID", "MIN", "MAX", "STEP", "COUNT")
    values = (task, first, last, step, count)
    return {f"SLURM_ARRAY_TASK_{n}": str(v) for n, v in zip(names, values, strict=True)}


def cloud_run(index: str, count: str) -> dict[str, str]:
    """Return the variables of a Cloud Run job's task."""
    return {"CLOUD_RUN_TASK_INDEX": index, "CLOUD_RUN_TASK_COUNT": count}


def generic(index: str, count: str) -> dict[str, str]:
    """Return the generic variables."""
    return {"TASK_INDEX": index, "TASK_COUNT": count}


@pytest.mark.parametrize(
    ("env", "task"),
    [
        ({}, Task()),
        ({"HOME": "/", "TASK_INDEX": "", "TASK_COUNT": ""}, Task()),
        ({"RUN_ID": "r1", "TASK_ATTEMPT": "2"}, Task(attempt=2, run_id="r1")),
        (generic("3", "10"), Task(3, 10, 0, "generic", None)),
        ({**generic("0", "1"), "RUN_ID": "x.y_Z-1"}, Task(0, 1, 0, "generic", "x.y_Z-1")),
        (
            {
                **cloud_run("2", "5"),
                "CLOUD_RUN_TASK_ATTEMPT": "1",
                "CLOUD_RUN_EXECUTION": "job-abc",
            },
            Task(2, 5, 1, "cloud-run", "job-abc"),
        ),
        (
            {**cloud_run("2", "5"), "CLOUD_RUN_EXECUTION": "job-abc", "RUN_ID": "mine"},
            Task(2, 5, 0, "cloud-run", "mine"),
        ),
        ({"CLOUD_RUN_EXECUTION": "job-abc"}, Task()),
        (
            {"JOB_COMPLETION_INDEX": "4", "TASK_COUNT": "8", "RUN_ID": "uid"},
            Task(4, 8, 0, "kubernetes", "uid"),
        ),
        (
            {
                "AWS_BATCH_JOB_ARRAY_INDEX": "7",
                "AWS_BATCH_JOB_ARRAY_SIZE": "9",
                "AWS_BATCH_JOB_ATTEMPT": "1",
                "AWS_BATCH_JOB_ID": "6c2f-11:7",
            },
            Task(7, 9, 0, "aws-batch", "6c2f-11"),
        ),
        (
            {"AWS_BATCH_JOB_ID": "6c2f-11", "AWS_BATCH_JOB_ATTEMPT": "3"},
            Task(0, 1, 2, "aws-batch", "6c2f-11"),
        ),
        ({"AWS_BATCH_JOB_ID": "one-of-many", **generic("1", "4")}, Task(1, 4, 0, "generic", None)),
        (
            {
                "BATCH_TASK_INDEX": "1",
                "BATCH_TASK_COUNT": "2",
                "BATCH_TASK_RETRY_ATTEMPT": "1",
                "BATCH_JOB_UID": "j-1",
            },
            Task(1, 2, 1, "google-batch", "j-1"),
        ),
        (
            {**slurm(7, 1, 9, 2, 5), "SLURM_RESTART_COUNT": "1", "SLURM_ARRAY_JOB_ID": "81"},
            Task(3, 5, 1, "slurm", "81"),
        ),
        (slurm(100, 100, 109, 1, 10), Task(0, 10, 0, "slurm", None)),
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "4"}, Task(3, 4, 0, "slurm", None)),
        ({**cloud_run("2", "5"), **generic("2", "5")}, Task(2, 5, 0, "cloud-run", None)),
        ({**cloud_run("2", "5"), "TASK_COUNT": "5"}, Task(2, 5, 0, "cloud-run", None)),
        ({**cloud_run("2", "5"), **slurm(3, 1, 5, 1, 5)}, Task(2, 5, 0, "cloud-run", None)),
    ],
)
def test_tasks(env: dict[str, str], task: Task) -> None:
    """Each engine's variables tell index, count, attempt (from 0) and run."""
    assert task_from(env) == task


@pytest.mark.parametrize(
    ("env", "names", "values"),
    [
        (generic("4", "4"), ["TASK_INDEX", "TASK_COUNT"], ["4/4", "0 to 3"]),
        (generic("0", "0"), ["TASK_COUNT"], ["'0'", "from 1"]),
        (generic("-1", "4"), ["TASK_INDEX"], ["'-1'"]),
        (generic("1.0", "4"), ["TASK_INDEX"], ["'1.0'"]),
        (generic(" 1", "4"), ["TASK_INDEX"], ["' 1'"]),
        (generic("+1", "4"), ["TASK_INDEX"], ["'+1'"]),
        (generic("٣", "4"), ["TASK_INDEX"], ["'٣'"]),
        (generic("1", "four"), ["TASK_COUNT"], ["'four'"]),
        (generic("1", "9" * 5000), ["TASK_COUNT"], ["whole number"]),
        ({"TASK_INDEX": "1"}, ["TASK_INDEX", "TASK_COUNT"], ["'1'", "together"]),
        ({"TASK_COUNT": "4"}, ["TASK_INDEX", "TASK_COUNT"], ["'4'", "together"]),
        ({"TASK_INDEX": "1", "TASK_COUNT": ""}, ["TASK_INDEX", "TASK_COUNT"], ["together"]),
        ({"CLOUD_RUN_TASK_INDEX": "1"}, ["CLOUD_RUN_TASK_COUNT"], ["'1'"]),
        ({"CLOUD_RUN_TASK_COUNT": "2"}, ["CLOUD_RUN_TASK_INDEX"], ["'2'"]),
        ({"JOB_COMPLETION_INDEX": "1"}, ["JOB_COMPLETION_INDEX", "TASK_COUNT"], ["'1'"]),
        (
            {**cloud_run("2", "5"), **generic("3", "5")},
            ["CLOUD_RUN_TASK_INDEX", "TASK_INDEX"],
            ["2/3", "cloud-run"],
        ),
        (
            {**cloud_run("2", "5"), "TASK_COUNT": "6"},
            ["CLOUD_RUN_TASK_COUNT", "TASK_COUNT"],
            ["5/6", "cloud-run"],
        ),
        (
            {"JOB_COMPLETION_INDEX": "1", **generic("0", "4")},
            ["JOB_COMPLETION_INDEX", "TASK_INDEX"],
            ["1/0"],
        ),
        (
            {**cloud_run("2", "5"), **slurm(2, 1, 5, 1, 5)},
            ["CLOUD_RUN_TASK_INDEX", "SLURM_ARRAY_TASK_ID"],
            ["2/5/2/5", "cloud-run", "slurm"],
        ),
        (slurm(3, 1, 7, 1, 3), ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MAX"], ["3/1/7/1/3"]),
        (slurm(8, 1, 9, 2, 5), ["SLURM_ARRAY_TASK_STEP"], ["8/1/9/2/5", "without gaps"]),
        (slurm(11, 1, 9, 2, 5), ["SLURM_ARRAY_TASK_ID"], ["11/1/9/2/5"]),
        (slurm(0, 1, 9, 2, 5), ["SLURM_ARRAY_TASK_ID"], ["0/1/9/2/5"]),
        (slurm(1, 1, 9, 0, 5), ["SLURM_ARRAY_TASK_STEP"], ["'0'"]),
        (
            {"AWS_BATCH_JOB_ID": "a", "AWS_BATCH_JOB_ATTEMPT": "0"},
            ["AWS_BATCH_JOB_ATTEMPT"],
            ["'0'", "from 1"],
        ),
        ({"TASK_ATTEMPT": "first"}, ["TASK_ATTEMPT"], ["'first'"]),
        ({"RUN_ID": "a/b"}, ["RUN_ID"], ["'a/b'", "letters"]),
        ({"RUN_ID": ".."}, ["RUN_ID"], ["'..'"]),
        ({"RUN_ID": "a b"}, ["RUN_ID"], ["'a b'"]),
        ({"RUN_ID": "a\n"}, ["RUN_ID"], ["a"]),
        ({"RUN_ID": "a" * 201}, ["RUN_ID"], ["200"]),
        ({**cloud_run("0", "1"), "CLOUD_RUN_EXECUTION": "a/b"}, ["CLOUD_RUN_EXECUTION"], ["'a/b'"]),
    ],
)
def test_refused(env: dict[str, str], names: list[str], values: list[str]) -> None:
    """What is incomplete, wrong or contradictory is refused with variables and values."""
    with pytest.raises(SettingError) as raised:
        task_from(env)

    text = str(raised.value)
    assert [word for word in names + values if word not in text] == []
