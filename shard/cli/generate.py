"""`shard generate`: make what a manifest shows to be missing, as one task or as an array."""

from __future__ import annotations

import logging
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from shard.cli.environment import environment, tell_sdks
from shard.cli.output import Voice, sentences
from shard.cli.store_flags import (
    SECRETS,
    manifest_variables,
    sdk_variables,
    store_options,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from shard.jobs.generate import Speech, Wish
    from shard.manifest import Header
    from shard.model import Outcome
    from shard.planning.location import Location
    from shard.planning.settings import TaskSettings

_log = logging.getLogger("shard")

_LARGEST = 65_500
# What belongs to the main job's settings and has another meaning, or none, here.
_NOT_OURS = ("RENDITIONS", "OUTPUT_FOLDER", "OUTPUT_BUCKET", "SLICE", "EXISTING", "DRY_RUN")
_INTERRUPTED = (130, 143)
_OF_THE_ARRAY = ("tasks", "parallel", "retries")


@click.command("generate")
@click.option("-m", "--manifest", required=True, metavar="FILE", help="what `shard scan` wrote")
@click.option(
    "-s", "--size", type=click.IntRange(1, _LARGEST), multiple=True, default=[200],
    help="largest dimension in pixels; repeat it for several from one decode  [default: 200]",
)  # fmt: skip
@click.option("-c", "--cadence", metavar="SECONDS", help="least seconds between two images")
@click.option("--collection", multiple=True, metavar="NAME", help="only this one; repeatable")
@click.option("--resume", metavar="FILENAME", help="go on at this original, it included")
@click.option("-n", "--dry-run", is_flag=True, help="say what would be made, write nothing")
@click.option("-f", "--force", is_flag=True, help="accept a manifest older than 24 hours")
@click.option("--limit", metavar="N", help="at most so many images that need work")
@click.option("--workers", metavar="N", help="render processes  [default: usable cores]")
@click.option("--concurrency", metavar="N", help="reads and writes in flight  [default: 32]")
@click.option("--tasks", type=click.IntRange(1, 10_000), help="run as an array of so many tasks")
@click.option("--parallel", type=click.IntRange(1), help="tasks at once  [default: cores]")
@click.option("--retries", type=click.IntRange(0), default=1, help="of a failed task  [default: 1]")
@click.option("-q", "--quiet", is_flag=True, help="no progress, only warnings and the summary")
@click.option("--show-files", is_flag=True, help="name every thumbnail that is made")
@click.option("-v", "--verbose", is_flag=True, help="say more")
@store_options
@click.pass_context
def command(context: click.Context, /, **flags: Any) -> None:
    """Make the thumbnails that a manifest shows to be missing, empty or stale.

    Before anything is written the store itself is asked again, so an old manifest costs no double
    work. An array engine's tasks (TASK_INDEX, TASK_COUNT, or the engine's own) take a part each;
    --tasks N runs such an array on this machine. Settings without a flag here (MAX_FAILURES,
    MEMORY_LIMIT, TASK_TIMEOUT, ...) are read from the environment.
    """
    with sentences():
        env = _environment(flags)
        voice = Voice(env)
        from shard.jobs.generate import Speech, Wish, checked, now
        from shard.manifest import open_manifest
        from shard.planning.settings import TaskSettings

        manifest = open_manifest(flags["manifest"])
        wish = Wish(manifest, flags["collection"], flags["resume"], flags["force"])
        env["INPUT_FOLDER"] = _source(manifest.header, flags).url
        reached = manifest_variables(manifest.header, env)
        tell_sdks(reached)
        env |= reached
        wish = checked(wish, now())
        settings = TaskSettings.parse(env)
        speech = Speech(
            voice.progress(silent=flags["quiet"]),
            voice.say,
            lambda name: _again(context, name),
            _show if flags["show_files"] else _say_nothing,
        )
        code = _run(settings, env, (wish, speech, voice), context)
    sys.exit(code)


def _environment(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return the job's variables as these flags say them, and tell the SDKs theirs."""
    tell_sdks(sdk_variables(flags, environment({})))
    names = ("cadence", "limit", "workers", "concurrency")
    told = {name: flags[name] for name in names}
    told["sizes"] = ",".join(str(size) for size in dict.fromkeys(flags["size"]))
    told["layout"] = "collections"
    if flags["verbose"]:
        told["log_level"] = "debug"
    elif flags["quiet"] and not flags["show_files"]:
        told["log_level"] = "warning"
    env = {name: value for name, value in environment(told).items() if name not in _NOT_OURS}
    return env | ({"DRY_RUN": "yes"} if flags["dry_run"] else {})


def _source(header: Header, flags: Mapping[str, Any]) -> Location:
    """Return the folder that holds the collections: the manifest's, or where the flags say."""
    from shard.planning.location import parse_location

    bucket, prefix = flags["s3_bucket"], flags["s3_prefix"]
    if bucket or prefix is not None:
        bucket = bucket or header.s3_bucket or ""
        place = header.s3_prefix if prefix is None else prefix.strip("/")
        return parse_location(f"s3://{bucket}/{place}", "--s3-bucket")
    root, below = flags["local_root"], flags["local_prefix"]
    if root or below is not None:
        place = header.s3_prefix if below is None else below.strip("/")
        return parse_location(root or header.local_root or ".", "--local-root").join(place)
    return header.source


def _run(
    settings: TaskSettings,
    env: Mapping[str, str],
    what: tuple[Wish, Speech, Voice],
    context: click.Context,
) -> int:
    wish, speech, voice = what
    tasks = context.params["tasks"]
    if tasks is None or settings.dry_run:
        from shard.jobs.generate import run_generate

        return run_generate(settings, wish, speech)
    from shard.execution import resources
    from shard.jobs.array import Array, run_array

    words = _words(context, without=(*_OF_THE_ARRAY, *SECRETS, "resume", "force"))
    # What was checked here is not checked again: the manifest may pass its 24 hours meanwhile.
    words += ["--force", *(["--resume", wish.resume] if wish.resume else [])]
    parallel = context.params["parallel"] or min(tasks, resources.usable_cores())
    array = Array(tasks, parallel, context.params["retries"], tuple(words))
    bar, log = voice.joint(silent=context.params["quiet"])
    code = run_array(settings, env, array, bar, (voice.say, log))
    if code in _INTERRUPTED:
        voice.say(f"  go on       {speech.again(None)}")
    return code


def _words(context: click.Context, without: Collection[str] = ()) -> list[str]:
    """Return the command's own words as they were given, flags in their long form."""
    words = ["generate"]
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in without or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        flag, value = parameter.opts[-1], context.params[name]
        if isinstance(value, bool):
            words.append(flag)
        else:
            values = value if isinstance(value, tuple) else (value,)
            words += [word for one in values for word in (flag, str(one))]
    return words


def _again(context: click.Context, name: str | None) -> str:
    """Return the command that goes on at an original's file name; it shows no secrets."""
    words = ["shard", *_words(context, without=(*SECRETS, "resume"))]
    words += ["--resume", name] if name else []
    text = shlex.join(words)
    for secret in SECRETS:
        if context.get_parameter_source(secret) is ParameterSource.COMMANDLINE:
            text += f' --{secret.replace("_", "-")} "${secret.upper()}"'
    return text


def _say_nothing(outcomes: tuple[Outcome, ...]) -> None:
    """Leave it to the summary."""


def _show(outcomes: tuple[Outcome, ...]) -> None:
    """Name what was made of one image, and what failed."""
    from shard.report import words

    for outcome in outcomes:
        if outcome.status == "written":
            _log.info("%s, %s", outcome.output, words.size(outcome.bytes_out))
        elif outcome.status == "failed":
            _log.warning("%r failed, %s: %s", outcome.key, outcome.reason, outcome.detail)
