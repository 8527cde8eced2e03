"""`shard upload`: a folder of originals into a bucket, each with its thumbnails."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from shard.cli.environment import environment, without_tasks
from shard.cli.output import Voice, sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shard.planning.spaces import Spaces
    from shard.planning.upload_settings import Options, UploadSettings

_LOG = "upload_log_%Y%m%d_%H%M%S.log"

_FLAGS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.argument("directory"),
    click.argument("destination", metavar="[DEST]", required=False),
    click.option(
        "--prefix", default="avatar", show_default=True, help="folder at DEST; '' for none"
    ),
    click.option(
        "--rendition",
        "renditions",
        multiple=True,
        metavar="[NAME=]WxH[,...]",
        help="what to make, as RENDITIONS says it; repeatable  [default: 200x300,fit=cover,"
        "format=jpeg,enlarge=yes]",
    ),
    click.option("--include", multiple=True, metavar="GLOB", help="only such files; repeatable"),
    click.option("--exclude", multiple=True, metavar="GLOB", help="no such files; repeatable"),
    click.option(
        "--workers",
        type=click.IntRange(1, 1024),
        default=10,
        show_default=True,
        help="files uploaded at the same time; 1: strictly one after the other",
    ),
    click.option(
        "--tasks",
        type=click.IntRange(1, 10_000),
        help="run as an array of so many tasks here, each with its own workers",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 100_000),
        default=100,
        show_default=True,
        help="files scheduled ahead, read and rendered; no batch waits for another",
    ),
    click.option("--no-skip-existing", is_flag=True, help="upload what is there already, too"),
    click.option("--keep-corrupt", is_flag=True, help="upload originals that cannot be rendered"),
    click.option("--acl", metavar="NAME", help="public-read, private, ..., none (not sent)"),
    click.option("--cache-control", metavar="TEXT", help="as 'public, max-age=31536000'"),
    click.option("--storage-class", metavar="NAME", help="as STANDARD_IA"),
    click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="repeatable"),
    click.option(
        "--checksum",
        type=click.Choice(("md5", "sha256")),
        default="md5",
        show_default=True,
        help="kept with each original; sha256: beside the MD5, checked by S3 too",
    ),
    click.option("--dry-run", is_flag=True, help="say what would be uploaded"),
    click.option("--limit", metavar="N", help="at most so many files that need work"),
    click.option("--cadence", metavar="SECONDS", help="least time between two files"),
    click.option(
        "--log-file",
        metavar="PATH",
        help="or none  [default: upload_log_YYYYMMDD_HHMMSS.log here]",
    ),
    click.option("--debug", is_flag=True, help="say more, each file on the console too"),
)


def _flags(function: Callable[..., Any]) -> Callable[..., Any]:
    for flag in reversed(_FLAGS):
        function = flag(function)
    return function


@click.command("upload")
@_flags
def command(directory: str, destination: str | None, tasks: int | None, **flags: Any) -> None:
    """Upload all images below DIRECTORY to DEST, each with a thumbnail.

    Each goes to DEST/PREFIX/original/..., its thumbnail to DEST/PREFIX/thumbnail/... with the
    extension .jpg. What is there already, unchanged, is skipped: after an interruption run the
    same command again. DEST is s3://bucket, gs://bucket or a local folder; without it the
    variables SPACES_* name a DigitalOcean Space, in the environment or in `.env`.
    """
    with sentences():
        from shard.jobs.upload import run_upload
        from shard.planning.upload_settings import UploadSettings

        env = environment({"log_level": "debug" if flags["debug"] else None})
        voice = Voice(env)
        remedy = None
        if destination is None:
            space = _space(env)
            destination, remedy = space.url, space.remedy
            flags["acl"] = flags["acl"] or space.acl
        env = environment(_variables(directory, destination, flags)) | _CLEARED
        settings = UploadSettings.parse(env, _options(flags), remedy)
        log = None if settings.task.dry_run else _log_file(flags["log_file"])
        if log is not None:
            voice.log_to(log)
        if tasks is None or settings.task.dry_run:
            code = run_upload(settings, voice.watch(), voice.say, log)
        else:
            code = _array(settings, env, tasks, voice, log)
    sys.exit(code)


def _array(
    settings: UploadSettings, env: Mapping[str, str], tasks: int, voice: Voice, log: str | None
) -> int:
    """Start so many tasks of this same command here; each is told which one it is."""
    from shard.execution import resources
    from shard.jobs.array import Array, run_array
    from shard.planning.engine import without_engines

    # The last of two flags of one name counts: all tasks write to one log.
    words = (*without_tasks(sys.argv[1:]), "--log-file", log or "none")
    array = Array(tasks, min(tasks, resources.usable_cores()), retries=1, words=words)
    bar, say_line = voice.joint()
    return run_array(settings.task, without_engines(env), array, bar, (voice.say, say_line))


# Variables of the main job that an upload says by other means, or not at all: what `.env` holds
# for that job must not leak into this one.
_CLEARED = {"OUTPUT_BUCKET": "", "SIZES": "", "SLICE": "", "MAX_FAILURES": ""}


def _space(env: Mapping[str, str]) -> Spaces:
    """Read the Space, and hand its credentials to the SDKs, to them alone."""
    from shard.planning.spaces import OTHERS, spaces_from

    space = spaces_from(env)
    for name in OTHERS:
        os.environ.pop(name, None)
    os.environ.update(space.variables)
    return space


def _variables(directory: str, destination: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the flags mean in the job's own variables."""
    from shard.planning.upload_settings import DEFAULT_RENDITION, join

    renditions = ";".join(flags["renditions"]) or DEFAULT_RENDITION
    return {
        "input_folder": directory,
        "output_folder": join(destination, flags["prefix"]),
        "renditions": renditions,
        "existing": "overwrite" if flags["no_skip_existing"] else "skip",
        "concurrency": flags["workers"],
        "limit": flags["limit"] or "",
        "cadence": flags["cadence"] or "0",
        "dry_run": "yes" if flags["dry_run"] else "no",
        "log_level": "debug" if flags["debug"] else None,
    }


def _options(flags: Mapping[str, Any]) -> Options:
    from shard.planning.upload import Selection
    from shard.planning.upload_settings import Options, parse_metadata

    return Options(
        selection=Selection(flags["include"], flags["exclude"]),
        acl=flags["acl"],
        cache_control=flags["cache_control"],
        storage_class=flags["storage_class"],
        metadata=parse_metadata(flags["metadata"]),
        sha256=flags["checksum"] == "sha256",
        keep_corrupt=flags["keep_corrupt"],
        concurrency=flags["workers"],
        ahead=flags["batch_size"],
    )


def _log_file(given: str | None) -> str | None:
    if given == "none":
        return None
    return given or datetime.now(UTC).astimezone().strftime(_LOG)
