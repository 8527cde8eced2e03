"""`shard doctor`: what a task would find here, and what would go wrong."""

from __future__ import annotations

import sys

import click

from shard.cli.environment import environment, variable_options
from shard.cli.output import Voice, sentences
from shard.errors import SettingError


@click.command("doctor")
@click.argument("source", metavar="INPUT", required=False)
@click.argument("output", metavar="OUTPUT", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@variable_options(without=("INPUT_FOLDER", "OUTPUT_FOLDER"))
def command(source: str | None, output: str | None, form: str, **flags: str | bool | None) -> None:
    """Look at everything that a task depends on, and say what would go wrong.

    Takes the settings of `shard task` (environment, `.env`, flags); lists the source, and writes,
    replaces and removes one small object below OUTPUT/.shard/doctor/ (not with --dry-run).
    Exit code 0 if a task would run (warnings allowed), 2 if it would fail.
    """
    with sentences():
        env = environment({**flags, "input_folder": source, "output_folder": output})
        heard: list[SettingError] = []
        voice = _voice(env, heard)
        from shard.jobs.doctor import check
        from shard.report import doctor as report

        found = check(env, heard)
        render = report.as_json if form == "json" else report.text
        said = render(found.settings, found.machine, found.visits, found.findings)
        if form == "json":
            sys.stdout.write(said + "\n")
        elif sys.stdout.isatty():
            _in_colour(said)
        else:
            voice.say(said)
    sys.exit(found.exit_code)


def _voice(env: dict[str, str], heard: list[SettingError]) -> Voice:
    """Return how to speak; what is wrong with LOG_FORMAT and LOG_LEVEL is only noted."""
    for _ in ("LOG_FORMAT", "LOG_LEVEL"):
        try:
            Voice(env)
        except SettingError as error:
            heard.append(error)
            env = env | {error.variable: ""}
    return Voice(env | {"LOG_LEVEL": "error"})  # what a library retries is told as a finding


def _in_colour(said: str) -> None:
    from rich.console import Console
    from rich.text import Text

    text = Text(said)
    for lines, style in (
        (r"(?m)^  wrong .*", "bold red"),
        (r"(?m)^  warning .*", "yellow"),
        (r"(?m)^  ok  .*", "green"),
        (r"(?m)^ +-> .*", "bold"),
        (r"(?m)^A task would fail.*", "bold red"),
        (r"(?m)^A task would run.*", "bold green"),
    ):
        text.highlight_regex(lines, style)
    Console().print(text, soft_wrap=True)
