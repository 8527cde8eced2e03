"""Who wins: flag, environment, `.env`, default. The only reader of ``os.environ``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shard.planning.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from shard.planning.variables import Variable

    Function = Callable[..., Any]

_FOLDERS = ("INPUT_FOLDER", "OUTPUT_FOLDER")


def environment(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return all variables; what `.env` in the current folder adds is also set for the SDKs.

    ``flags`` maps click's parameter names (``input_folder``) to texts, ``None`` where not given.
    """
    from dotenv import load_dotenv

    load_dotenv(".env", override=False)
    told = given(flags)
    env = {**os.environ, **told}
    for one, other in (("SIZES", "RENDITIONS"), ("RENDITIONS", "SIZES")):
        if one in told and other not in told:
            env.pop(other, None)  # two ways to say the same: the flag wins
    return env | {name: _absolute(env[name]) for name in _FOLDERS if env.get(name)}


def given(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that flags set; ``flags`` as for ``environment``."""
    return {
        name.upper(): "yes" if value is True else str(value)
        for name, value in flags.items()
        if value not in (None, False)
    }


def without_tasks(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command's words but ``--tasks``: what each task of the array is started with."""
    kept, rest = [], iter(arguments)
    for argument in rest:
        if argument == "--tasks":
            next(rest, None)
        elif not argument.startswith("--tasks="):
            kept.append(argument)
    return tuple(kept)


def tell_sdks(variables: Mapping[str, str]) -> None:
    """Set variables for this process and all that it starts; an empty text unsets."""
    for name, value in variables.items():
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)


def _absolute(folder: str) -> str:
    """Resolve a local folder, links included: whether one lies in another is asked of the text."""
    path = folder.removeprefix("file://")
    return folder if "://" in path else str(Path(path).resolve())


def variable_options(
    without: Collection[str] = (), variables: Sequence[Variable] = VARIABLES
) -> Callable[[Function], Function]:
    """Decorate a command with a flag for each variable (of the job, if not said otherwise)."""

    def decorate(function: Function) -> Function:
        for variable in reversed(variables):
            if variable.name in without:
                continue
            said = f"{variable.help}  [{variable.name}" + (
                f"; default {variable.default}]" if variable.default else "]"
            )
            if variable.is_switch:
                option = click.option(variable.flag, is_flag=True, help=said)
            else:
                option = click.option(variable.flag, metavar="TEXT", help=said)
            function = option(function)
        return function

    return decorate
