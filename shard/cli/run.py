"""`shard run`: the job on this machine, as one task or as an array of real task processes."""

from __future__ import annotations

import sys

import click

from shard.cli.environment import environment, variable_options
from shard.cli.output import Voice, sentences

_OWN = ("INPUT_FOLDER", "OUTPUT_FOLDER", "TASK_INDEX", "TASK_COUNT", "TASK_ATTEMPT")


@click.command("run")
@click.argument("source", metavar="INPUT", required=False)
@click.argument("output", metavar="OUTPUT", required=False)
@click.option("--tasks", type=click.IntRange(1, 10_000), help="run as an array of so many tasks")
@click.option("--parallel", type=click.IntRange(1), help="tasks at once  [default: cores]")
@click.option(
    "--retries", type=click.IntRange(0), default=1, show_default=True, help="of a failed task"
)
@variable_options(without=_OWN)
def command(
    source: str | None,
    output: str | None,
    tasks: int | None,
    parallel: int | None,
    retries: int,
    **flags: str | bool | None,
) -> None:
    """Make thumbnails of all images below INPUT, at OUTPUT.

    With --tasks N, starts N `process.py` processes as an engine would, retries those that fail,
    and sums up. INPUT and OUTPUT are URLs or local folders (INPUT_FOLDER, OUTPUT_FOLDER).
    """
    with sentences():
        from shard.execution import resources
        from shard.jobs.array import Array, run_array
        from shard.jobs.thumbnails import run_task
        from shard.planning.engine import without_engines
        from shard.planning.settings import TaskSettings

        env = without_engines(
            environment({**flags, "input_folder": source, "output_folder": output})
        )
        voice = Voice(env)
        settings = TaskSettings.parse({**env, "TASK_INDEX": "0", "TASK_COUNT": str(tasks or 1)})
        if tasks is None or settings.dry_run:
            settings = TaskSettings.parse(env)
            code = run_task(settings, voice.progress(), voice.say)
        else:
            array = Array(tasks, parallel or min(tasks, resources.usable_cores()), retries)
            bar, log = voice.joint()
            code = run_array(settings, env, array, bar, (voice.say, log))
    sys.exit(code)
