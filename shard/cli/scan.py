"""`shard scan`: an inventory of collections, as a manifest."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shard.cli.environment import environment, tell_sdks
from shard.cli.output import Voice, sentences
from shard.cli.store_flags import endpoint, sdk_variables, store_options
from shard.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.location import Location

_LOCAL_PREFIX = "attachments"


@click.command("scan")
@click.argument("url", metavar="[URL]", required=False)
@click.option(
    "-o", "--output", default="manifest.json", metavar="FILE", show_default=True,
    help="the manifest, here or on a store: .json, .jsonl, .jsonl.gz or .parquet",
)  # fmt: skip
@click.option("--collection", multiple=True, metavar="NAME", help="only this one; repeatable")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="only the first N images")
@click.option("--concurrency", type=click.IntRange(1, 256), default=16, show_default=True,
              metavar="N", help="listings at once")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="no progress, only warnings and the summary")
@click.option("--show-files", is_flag=True, help="name every file with its thumbnails' sizes")
@click.option("-v", "--verbose", is_flag=True, help="say more")
@store_options
def command(url: str | None, **flags: Any) -> None:
    """Write down which originals there are and which thumbnails they have.

    URL is the folder that holds the collections (gs://bucket/attachments, s3://, a local path); or
    it is said by --local-root, or by the S3_* flags and variables. A collection is a folder with
    originals/ in it.
    """
    with sentences():
        env = environment({"log_level": "debug"} if flags["verbose"] else {})
        env = {name: text for name, text in env.items() if text}
        voice = Voice(env)
        tell_sdks(sdk_variables(flags, env))
        from shard.jobs.scan import Wish, run_scan

        root, prefix = _root(url, flags, env)
        reached = endpoint(flags, env) if root.scheme == "s3" else None
        wish = Wish(
            root,
            prefix,
            flags["output"],
            flags["collection"],
            _public(reached),
            flags["limit"],
            flags["concurrency"],
            click.echo if flags["show_files"] else None,
        )
        code = run_scan(wish, voice.listed(quiet=flags["quiet"]), voice.show)
    sys.exit(code)


def _root(
    url: str | None, flags: Mapping[str, Any], env: Mapping[str, str]
) -> tuple[Location, str]:
    """Return the bucket or local root, and the prefix in it: URL, then flags, then variables."""
    from shard.planning.location import Location, parse_location

    given = [name for name in ("local_root", "s3_bucket") if flags[name]]
    if len(given) + bool(url) > 1:
        said = url or flags["s3_bucket"]
        raise SettingError("--local-root", flags["local_root"] or said, "one store: not several")
    if url:
        location = parse_location(url, "URL")
        if location.scheme == "file":
            return replace(location, prefix=str(Path(location.prefix).expanduser().resolve())), ""
        return location.root, location.prefix
    if root := flags["local_root"]:
        location = Location("file", "", str(Path(root).expanduser().resolve()))
        prefix = flags["local_prefix"]
        return location, (_LOCAL_PREFIX if prefix is None else prefix).strip("/")
    bucket = flags["s3_bucket"] or env.get("S3_BUCKET")
    if not bucket:
        accepted = "a URL, --local-root, or --s3-bucket (S3_BUCKET): the store to scan"
        raise SettingError("URL", None, accepted)
    prefix = flags["s3_prefix"] if flags["s3_prefix"] is not None else env.get("S3_PREFIX", "")
    return parse_location(f"s3://{bucket}", "S3_BUCKET"), prefix.strip("/")


def _public(endpoint: str | None) -> str | None:
    """Return an endpoint as a manifest may hold it. Raises ``SettingError`` if it has a secret."""
    if endpoint and ("@" in endpoint or "?" in endpoint):
        accepted = "https://host:port, without user, password or query"
        raise SettingError("S3_ENDPOINT", "...", accepted)
    return endpoint
