"""`shard task`: one task of the main job, by variables or by flags of the same names."""

from __future__ import annotations

import sys

import click

from shard.cli.environment import environment, variable_options
from shard.cli.output import Voice, sentences


@click.command("task")
@variable_options()
def command(**flags: str | bool | None) -> None:
    """Run one task: every flag has an environment variable of the same name.

    A `.env` file in the current folder is honoured; a flag wins over the environment, the
    environment over `.env`.
    """
    with sentences():
        env = environment(flags)
        voice = Voice(env)
        from shard.jobs.thumbnails import run_task
        from shard.planning.settings import TaskSettings

        code = run_task(TaskSettings.parse(env), voice.progress(), voice.say)
    sys.exit(code)
