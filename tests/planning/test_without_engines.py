"""`without_engines`: what a program inherits that is itself the engine."""

from __future__ import annotations

from shard.planning.engine import task_from, without_engines


def test_only_the_place_in_an_array_is_left_out() -> None:
    """Every engine's index, count, attempt and run id go; RUN_ID and all else stay."""
    env = {
        "CLOUD_RUN_TASK_INDEX": "3",
        "CLOUD_RUN_TASK_COUNT": "9",
        "CLOUD_RUN_EXECUTION": "e",
        "TASK_INDEX": "3",
        "TASK_COUNT": "9",
        "TASK_ATTEMPT": "2",
        "AWS_BATCH_JOB_ID": "j",
        "AWS_PROFILE": "p",
        "RUN_ID": "r",
    }

    kept = without_engines(env)

    assert kept == {"AWS_PROFILE": "p", "RUN_ID": "r"}
    assert task_from(kept).count == 1
