"""`shard report`: what a manifest says."""

from __future__ import annotations

import sys
from typing import Any

import click

from shard.cli.environment import environment, tell_sdks
from shard.cli.output import Voice, sentences
from shard.cli.store_flags import manifest_variables, sdk_variables

_TYPES = ("summary", "detailed", "plan", "missing", "sizes")
_LARGEST = 65_500


@click.command("report")
@click.option("-m", "--manifest", required=True, metavar="FILE", help="what `shard scan` wrote")
@click.option("-t", "--type", "kind", type=click.Choice(_TYPES), default="summary",
              show_default=True, help="which report")  # fmt: skip
@click.option("--collection", multiple=True, metavar="NAME", help="only this one; repeatable")
@click.option("-s", "--size", type=click.IntRange(1, _LARGEST), default=200, show_default=True,
              metavar="PIXELS", help="the thumbnails' largest dimension")  # fmt: skip
@click.option("-c", "--cadence", type=click.FloatRange(0), default=0.0, show_default=True,
              metavar="SECONDS", help="least seconds between two images, for times")  # fmt: skip
@click.option("--format", "form", type=click.Choice(("text", "json", "csv")), default="text",
              show_default=True, help="for people, or for programs")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="with -t missing: all, not the first 100")
@click.option("-v", "--verbose", is_flag=True, help="say more")
def command(**flags: Any) -> None:
    """Say what there is and what is missing: the manifest is counted, the store is not asked.

    summary: images and coverage. detailed: storage. plan: what would be made at this size, and
    how long it takes. missing: which images need a thumbnail of this size. sizes: all sizes there
    are. Only the time estimates look for the ledger of the latest run beside the originals.
    """
    with sentences():
        env = environment({"log_level": "debug" if flags["verbose"] else "error"})
        voice = Voice(env)
        from shard.jobs.report import Wish, run_report
        from shard.manifest import open_manifest

        tell_sdks(sdk_variables({}, env))
        manifest = open_manifest(flags["manifest"])
        tell_sdks(manifest_variables(manifest.header, env))
        wish = Wish(
            manifest,
            flags["kind"],
            flags["collection"],
            flags["size"],
            flags["cadence"],
            flags["form"],
            flags["every"],
        )
        code = run_report(wish, voice.show, click.echo)
    sys.exit(code)
