"""Flags and environment in, exit code out: one file a command."""

from __future__ import annotations

import importlib
import sys

import click

import shard

# One line a command; a command's module is imported when it is called for.
_COMMANDS = {
    "task": "run one task of the job, configured by the environment (what a container does)",
    "run": "run the job on this machine: INPUT to OUTPUT, as one task or as an array",
    "plan": "forecast the job from a sample: time, tasks, memory, requests, cost",
    "deploy": "print an engine's manifest, filled in: Kubernetes, Slurm, ...",
    "doctor": "look at all that a task depends on, and say what would go wrong",
    "scan": "write down which originals there are and which thumbnails they have: a manifest",
    "generate": "make the thumbnails that a manifest shows to be missing",
    "report": "say what a manifest holds: coverage, storage, what is to be made, how long it takes",
    "upload": "bring a folder of originals into a bucket, each with its thumbnail",
    "verify": "is everything there, fresh, readable, and nothing besides",
    "pyramid": "make pyramid TIFFs, for image servers, of what lands or lies in a bucket",
    "serve": "make thumbnails on request: the HTTP service",
    "status": "add up the ledgers of a run: done, missing, failed",
}


_INTERRUPTED = 130


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"shard.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands)
@click.version_option(shard.__version__, prog_name="shard")
def _shard() -> None:
    """Thumbnails of a whole bucket, made by a parallel job that can be run again at no cost."""


def main(arguments: list[str] | None = None) -> None:
    """Run the `shard` program and exit with its code."""
    try:
        code = _shard.main(args=arguments, prog_name="shard", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)  # before the command had its own handler in place
    sys.exit(code)


def process() -> None:
    """Be the container's entry point: a task, or after the word `shard` any other command."""
    arguments = sys.argv[1:]
    main(arguments[1:] if arguments[:1] == ["shard"] else ["task", *arguments])
