"""`shard deploy`: an engine's manifest on stdout, filled in; what to do with it on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

import shard
from shard.cli.environment import given, variable_options
from shard.cli.output import sentences
from shard.planning.deployments import ENGINES, engine
from shard.planning.deployments.base import GIVEN_BY_ENGINE, Option, Sizing, parse

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZING = (
    Option("tasks", "how many tasks share the work"),
    Option("parallel", "tasks at the same time, at most  [default: all]"),
    Option("retries", "of a failed task", "3"),
    Option("timeout", "the longest that one attempt of a task may take: 600, 90m, 6h", "1h"),
    Option("memory", "of a task: 2GiB, 4G", "2GiB"),
    Option("cpu", "of a task, in cores", "2"),
    Option("image", "the container image", f"shard:{shard.__version__}"),
    Option("name", "of the job", "shard"),
)
_FOLDERS = ("INPUT_FOLDER", "OUTPUT_FOLDER")


class _Engines(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return list(ENGINES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in ENGINES:
            raise click.UsageError(f"ENGINE is {cmd_name!r}; accepted: {', '.join(ENGINES)}", ctx)
        return _engine_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Engines"):
            formatter.write_dl(list(ENGINES.items()))


@click.group("deploy", cls=_Engines, subcommand_metavar="ENGINE --tasks N --input URL --output URL")
def command() -> None:
    """Print ENGINE's manifest for the job, made from its template in deploy/.

    Only the manifest goes to stdout, notes go to stderr. What the tasks are told is what the flags
    say: neither the environment nor `.env` is copied, and never a secret.
    `shard deploy ENGINE --help` lists the flags.
    """


def _engine_command(name: str) -> click.Command:
    module = engine(name)

    def run(**flags: Any) -> None:
        with sentences():
            from shard.jobs.deploy import deploy

            own = {option.name: flags.pop(_parameter(option)) for option in _SIZING}
            options = {option.name: flags.pop(_parameter(option)) for option in module.OPTIONS}
            deployment = parse(Sizing(**own), given(flags), options, module.OPTIONS)
            code = deploy(name, deployment, _show, _note)
        sys.exit(code)

    decorated: Callable[..., Any] = run
    for decorate in (
        variable_options(without=(*GIVEN_BY_ENGINE, *_FOLDERS)),
        *(_flag(option) for option in reversed((*_SIZING, *module.OPTIONS))),
        click.option(
            *("--output", "--output-folder", "output_folder"),
            metavar="URL",
            help="output prefix, as the tasks see it; default: <bucket root>/<run time>/",
        ),
        click.option(
            *("--input", "--input-folder", "input_folder"),
            metavar="URL",
            required=True,
            help="source prefix, as the tasks see it: gs://, s3://, an absolute path",
        ),
    ):
        decorated = decorate(decorated)
    return click.command(name, help=f"Print the manifest: {ENGINES[name]}.")(decorated)


def _flag(option: Option) -> Callable[[Any], Any]:
    default: dict[str, Any] = {}
    if option.default is not None:  # given as None, click would take it for a value
        default = {"default": option.default, "show_default": True}
    return click.option(
        option.flag,
        _parameter(option),
        metavar="TEXT",
        required=option.name == "tasks",
        help=option.help,
        **default,
    )


def _parameter(option: Option) -> str:
    return option.name.replace("-", "_")


def _show(manifest: str) -> None:
    sys.stdout.write(manifest)
    sys.stdout.flush()


def _note(sentence: str) -> None:
    sys.stderr.write(f"# {sentence}\n")
