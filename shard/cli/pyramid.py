"""`shard pyramid run` and `shard pyramid mark`: pyramids of what lands, or lies, in a bucket."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from shard.cli.environment import environment, without_tasks
from shard.cli.output import Voice, sentences
from shard.cli.pyramid_options import JOB, PICTURE, options
from shard.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.location import Location
    from shard.planning.pyramid_settings import PyramidSettings
    from shard.planning.pyramids import PyramidOptions

# What belongs to the main job's settings and has another meaning, or none, here.
_NOT_OURS = ("RENDITIONS", "SIZES", "LAYOUT", "SLICE", "OUTPUT_BUCKET", "DRY_RUN", "EXISTING")


@click.group("pyramid")
def command() -> None:
    """Make pyramid TIFFs, for image servers, of what lands or lies in a bucket."""


@command.command("run")
@click.argument("source_folder", metavar="[INPUT]", required=False)
@click.argument("output_folder", metavar="[OUTPUT]", required=False)
@options(JOB)
@options(PICTURE)
def run(**flags: Any) -> None:
    """Make a verified pyramid of each image that a marker names, or of all below INPUT.

    Without arguments the markers of PROCESS_BUCKET are worked off: sources are in RBSC_BUCKET,
    pyramids go to IMAGE_BUCKET. With INPUT and OUTPUT no markers are needed: whatever is missing
    or stale is made. An array engine's tasks (TASK_INDEX, TASK_COUNT, or the engine's own) take a
    part each; --tasks N runs such an array on this machine. Settings without a flag here
    (MAX_PIXELS, MEMORY_LIMIT, MAX_FAILURES, TASK_TIMEOUT, ...) are read from the environment.
    """
    with sentences():
        from shard.jobs.pyramids import run_pyramids
        from shard.planning.pyramid_settings import PyramidSettings

        env = environment({})
        source, output, process = _places(flags, env)
        job = {name: value for name, value in env.items() if name not in _NOT_OURS}
        job |= {"INPUT_FOLDER": source, "OUTPUT_FOLDER": output}
        job |= _told(flags, env)
        voice = Voice(env)
        settings = PyramidSettings.parse(job, _picture(flags), process, flags["marker_prefix"])
        settings = _completed(settings, flags)
        if flags["tasks"] is None or flags["dry_run"]:
            progress = voice.progress(silent=flags["dry_run"], noun="pyramid")
            code = run_pyramids(settings, progress, voice.say)
        else:
            code = _array(settings, env | _told(flags, env), flags["tasks"], voice)
    sys.exit(code)


def _array(settings: PyramidSettings, env: Mapping[str, str], tasks: int, voice: Voice) -> int:
    """Start so many tasks of this same command here; each is told which one it is.

    None is started again: each time would be one more attempt of every image that failed.
    """
    from shard.execution import resources
    from shard.jobs.array import Array, run_array
    from shard.planning.engine import without_engines

    words = without_tasks(sys.argv[1:])
    array = Array(tasks, min(tasks, resources.usable_cores()), retries=0, words=words)
    bar, say_line = voice.joint()
    return run_array(settings.task, without_engines(env), array, bar, (voice.say, say_line))


def _completed(settings: Any, flags: Mapping[str, Any]) -> Any:
    from dataclasses import replace

    return replace(settings, max_attempts=flags["max_attempts"], lists=flags["lists"])


def _told(flags: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, str]:
    """Return the job's variables as these flags, and today's deployments, say them."""
    told = {
        "WORKERS": flags["workers"] or env.get("WORKERS") or _threads(env),
        "LIMIT": flags["limit"] or env.get("LIMIT"),
        "EXISTING": "overwrite" if flags["overwrite"] else "skip",
        "DRY_RUN": "yes" if flags["dry_run"] else "no",
    }
    return {name: value for name, value in told.items() if value}


def _threads(env: Mapping[str, str]) -> str | None:
    """Return what today's deployments call WORKERS; a mistake is named as they wrote it."""
    text = env.get("MAX_THREADS")
    if text and not re.fullmatch("[1-9][0-9]{0,2}|10[01][0-9]|102[0-4]", text):
        raise SettingError("MAX_THREADS", text, "a whole number from 1 to 1024")
    return text


def _places(flags: Mapping[str, Any], env: Mapping[str, str]) -> tuple[str, str, str | None]:
    """Return the URLs of source, output and, unless INPUT is named, of the markers."""
    from shard.planning.pyramid_settings import bucket_url

    if flags["source_folder"] is not None:
        if flags["output_folder"] is None:
            raise SettingError(
                "OUTPUT", None, "where the pyramids go: shard pyramid run INPUT OUTPUT"
            )
        if flags["process"]:
            accepted = "either markers (--process) or INPUT and OUTPUT"
            raise SettingError("--process", flags["process"], accepted)
        return _resolved(flags["source_folder"]), _resolved(flags["output_folder"]), None
    found = {}
    for flag, variable in _VARIABLES.items():
        value = flags[flag] or env.get(variable)
        if not value:
            accepted = "a bucket's name or URL; or name INPUT and OUTPUT to work without markers"
            raise SettingError(variable, None, accepted)
        found[flag] = _resolved(bucket_url(value))
    return found["source"], found["image"], found["process"]


_VARIABLES = {"source": "RBSC_BUCKET", "image": "IMAGE_BUCKET", "process": "PROCESS_BUCKET"}


def _resolved(folder: str) -> str:
    """Return a local folder absolute, links followed: whether two are one is asked of the text."""
    from pathlib import Path

    path = folder.removeprefix("file://")
    return folder if "://" in path else str(Path(path).resolve())


def _picture(flags: Mapping[str, Any]) -> PyramidOptions:
    from shard.planning.pyramids import PyramidOptions, parse_size

    names = ("compression", "quality", "tile_size", "colour", "levels", "format", "dpi", "page")
    return PyramidOptions(
        **{name: flags[name] for name in names},
        max_size=parse_size(flags["max_size"], "--max-size"),
        copyright_max=parse_size(flags["copyright_max"], "--copyright-max"),
        base_url=flags["base_url"].rstrip("/"),
    )


@command.command("mark")
@click.option("--source", metavar="URL", help="of the originals  [RBSC_BUCKET]")
@click.option("--process", metavar="URL", help="of the markers  [PROCESS_BUCKET]")
@click.option("--output", "image", metavar="URL", help="of the pyramids  [IMAGE_BUCKET]")
@click.option(
    "--prefix", "prefixes", multiple=True, metavar="FOLDER", help="only below; repeatable"
)
@click.option("--since", metavar="DATE", help="only what was modified then or later, as 2026-11-01")
@click.option("--only-missing", is_flag=True, help="only where the pyramid is missing or stale")
@click.option("--marker-prefix", metavar="FOLDER", default="rbsc/", show_default=True)
@click.option("--dry-run", is_flag=True, help="say what would be marked")
def mark(**flags: Any) -> None:
    """Write markers for images that lie in RBSC_BUCKET already, so that the next run makes them.

    Images are jpeg jpg bmp tif tiff png pdf jp2 (any case); names that begin with a dot are left.
    """
    with sentences():
        from shard.jobs.mark import Marking, run_mark
        from shard.planning.markers import check_prefix
        from shard.planning.pyramid_settings import refuse_same

        env = environment({})
        voice = Voice(env)
        known = flags["only_missing"] or flags["image"] or env.get("IMAGE_BUCKET")
        output = _place(flags, env, "image") if known else None
        source = _place(flags, env, "source")
        if output is not None:
            refuse_same(source, output)
        marking = Marking(
            source=source,
            process=_place(flags, env, "process"),
            prefix=check_prefix(flags["marker_prefix"], "--marker-prefix"),
            prefixes=flags["prefixes"],
            since=_date(flags["since"]),
            output=output,
            only_missing=flags["only_missing"],
            dry_run=flags["dry_run"],
        )
        code = run_mark(marking, voice.say)
    sys.exit(code)


def _place(flags: Mapping[str, Any], env: Mapping[str, str], flag: str) -> Location:
    from shard.planning.location import parse_location
    from shard.planning.pyramid_settings import bucket_url

    variable = _VARIABLES[flag]
    value = flags[flag] or env.get(variable)
    if not value:
        raise SettingError(variable, None, "a bucket's name, or a URL")
    return parse_location(_resolved(bucket_url(value)), variable)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        accepted = "a date or a time in ISO 8601, as 2026-11-01 or 2026-11-01T12:00:00Z"
        raise SettingError("--since", text, accepted) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
