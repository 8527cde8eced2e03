"""`shard status`: what became of a run."""

from __future__ import annotations

import sys

import click

from shard.cli.environment import environment, tell_sdks
from shard.cli.output import Voice, sentences
from shard.cli.store_flags import sdk_variables


@click.command("status")
@click.argument("folder", metavar="RUN_FOLDER")
def command(folder: str) -> None:
    """Add up all tasks' ledgers of a run.

    RUN_FOLDER is `<output>/.shard/runs/<run id>`, as each summary names it, or an output whose
    latest run is meant. Exit code 0 if every task is done and nothing failed, else 1.
    """
    with sentences():
        env = environment({})
        voice = Voice(env)
        tell_sdks(sdk_variables({}, env))
        from shard.jobs.status import run_status

        code = run_status(folder, voice.say)
    sys.exit(code)
