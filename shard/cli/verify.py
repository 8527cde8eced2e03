"""`shard verify`: is everything there, fresh, readable, and nothing besides."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from shard.cli.environment import environment, tell_sdks, variable_options
from shard.cli.output import Voice, sentences
from shard.cli.store_flags import manifest_variables, sdk_variables
from shard.errors import SettingError
from shard.planning.engine import without_engines
from shard.planning.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.execution.removal import Removal
    from shard.jobs.verify import Case, Wishes
    from shard.planning.verdicts import Verdict

_WANTED = ("RENDITIONS", "SIZES", "LAYOUT")
_REACH = ("OUTPUT_BUCKET", "WORKERS", "CONCURRENCY", "MEMORY_LIMIT", "RETRY_BUDGET", "S3_BACKEND")
_LIMITS = ("MAX_PIXELS", "MAX_BYTES", "MAX_FRAMES", "ITEM_TIMEOUT", "LOG_FORMAT", "LOG_LEVEL")
_FLAGS = (*_WANTED, *_REACH, *_LIMITS)
_SAMPLE = "100"
_SIZE = "200"


@click.command("verify")
@click.argument("source", metavar="INPUT|RUN", required=False)
@click.argument("output", metavar="OUTPUT", required=False)
@click.option("-m", "--manifest", metavar="FILE", help="what `shard scan` found, as the inputs")
@click.option("-s", "--size", "each_size", multiple=True, help="sizes of LAYOUT=collections  [200]")
@click.option("--collection", "collections", multiple=True, help="only this one; repeatable")
@click.option(
    "--decode",
    is_flag=False,
    flag_value=_SAMPLE,
    metavar="[N|all]",
    help="open so many of the thumbnails that are there  [100]",
)
@click.option("--list", "list_to", metavar="FILE", help="write all that is wrong, one JSON a line")
@click.option("--delete-orphans", is_flag=True, help="remove thumbnails without an original")
@click.option("--delete-duplicates", is_flag=True, help="remove thumbnails beside a fresh one")
@click.option("--yes", is_flag=True, help="do not ask before removing")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@variable_options(without=[v.name for v in VARIABLES if v.name not in _FLAGS])
def command(source: str | None, output: str | None, **given: Any) -> None:
    """Compare what there should be with what there is; exit code 0 only if the sums close.

    \b
    shard verify RUN_FOLDER_OR_OUTPUT          what a run made, by its own record
    shard verify INPUT OUTPUT --sizes 200      any source and output
    shard verify INPUT --layout collections    thumbnails beside originals
    shard verify -m manifest.parquet -s 200    what a scan found, and what is there
    """  # noqa: D301 - click's mark for lines that stay as they are
    with sentences(), ExitStack() as files:
        flags = {v.name: text for v in VARIABLES if (text := given.get(v.name.lower()))}
        env = environment({**given, "input_folder": source, "output_folder": output})
        voice = Voice(env)
        tell_sdks(sdk_variables({}, env))
        from shard.jobs.verify import run_verify
        from shard.report import verify as report

        case = _case((source, output), env, flags, given)
        tell = _listing(given["list_to"], files)
        wishes = _wishes(given, tell)

        def say(result: report.Result) -> None:
            if given["form"] == "json":
                sys.stdout.write(report.as_json(result) + "\n")
            else:
                voice.say(report.text(result))

        code = run_verify(case, wishes, say)
    sys.exit(code)


def _case(
    places: tuple[str | None, str | None],
    env: dict[str, str],
    flags: dict[str, str],
    given: dict[str, Any],
) -> Case:
    """Return what the arguments mean; see the command's help for the four forms."""
    from shard.jobs import verify

    source, output = places
    env = {k: text for k, text in without_engines(env).items() if k not in ("RUN_ID", "DRY_RUN")}
    sizes, only = given["each_size"], given["collections"]
    if sizes:
        env = {k: text for k, text in env.items() if k != "RENDITIONS"}
        env["SIZES"] = flags["SIZES"] = ",".join(sizes)
    if given["manifest"]:
        from shard.manifest import open_manifest

        manifest = open_manifest(given["manifest"])
        tell_sdks(manifest_variables(manifest.header, env))
        return verify.of_manifest(manifest, _sized(env), env.get("INPUT_FOLDER"), only)
    in_place = env.get("LAYOUT") == "collections"
    if source and not output and (in_place or sizes):
        env = {k: text for k, text in env.items() if k != "OUTPUT_FOLDER"}
        return verify.of_places(_sized({**env, "LAYOUT": "collections"}), only)
    if source and not output:
        rest = {k: text for k, text in env.items() if k not in (*_WANTED, "OUTPUT_FOLDER")}
        return verify.of_run(env["INPUT_FOLDER"], rest, flags, only)
    return verify.of_places(_sized(env) if in_place else env, only)


def _sized(env: dict[str, str]) -> dict[str, str]:
    """Return the variables with the size that collections have unless told otherwise."""
    return env if env.get("SIZES") or env.get("RENDITIONS") else {**env, "SIZES": _SIZE}


def _wishes(given: dict[str, Any], tell: Callable[[Verdict], None]) -> Wishes:
    from shard.jobs.verify import Wishes
    from shard.planning.verdicts import Kind

    text = given["decode"] or "0"
    if text != "all" and not re.fullmatch(r"[0-9]{1,9}", text):
        raise SettingError("--decode", text, "a number of thumbnails to open, or all")
    decode = None if text == "all" else int(text)
    asks = given["form"] == "text" and sys.stdin.isatty()

    def confirm(planned: Removal) -> bool:
        if given["yes"]:
            return True
        return asks and click.confirm(_question(planned), default=False, err=True)

    doomed = {Kind.ORPHAN: "delete_orphans", Kind.DUPLICATE: "delete_duplicates"}
    delete = frozenset(kind for kind, flag in doomed.items() if given[flag])
    return Wishes(decode, delete, confirm, tell)


def _question(planned: Removal) -> str:
    from shard.report.verify import removal, removed

    shown = "\n".join(removal(planned))
    return f"{shown}\nRemove {removed(planned)} for good?"


def _listing(path: str | None, files: ExitStack) -> Callable[[Verdict], None]:
    """Return who writes what is wrong to ``path``, a line each."""
    if path is None:
        return lambda _verdict: None
    from shard.execution.verdict_file import line

    try:
        file: IO[str] = files.enter_context(Path(path).open("w", encoding="ascii"))  # noqa: SIM115 - it is one, of the caller's
    except OSError as error:
        accepted = f"a file that can be written ({error.strerror})"
        raise SettingError("--list", path, accepted) from error
    return lambda verdict: print(line(verdict), file=file)
