"""The flags of `shard pyramid run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shard.planning.pyramids import COLOURS, COMPRESSIONS, FORMATS, LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., Any]

PICTURE: Final = (
    click.option(
        "--compression",
        type=click.Choice(COMPRESSIONS),
        default="deflate",
        show_default=True,
        help="of a TIFF's tiles",
    ),
    click.option(
        "--quality",
        type=click.IntRange(1, 100),
        default=90,
        show_default=True,
        help="of JPEG and WebP",
    ),
    click.option("--tile-size", type=int, default=512, show_default=True, help="in pixels"),
    click.option(
        "--max-size",
        metavar="WxH",
        default="4000x4000",
        show_default=True,
        help="shrink into this box, proportions kept, never enlarge",
    ),
    click.option(
        "--copyright-max",
        metavar="WxH",
        default="843x560",
        show_default=True,
        help="the box of pictures that a marker or a list says are under copyright",
    ),
    click.option(
        "--copyright-list",
        "lists",
        multiple=True,
        metavar="URL",
        help="google.json or curate.json: records with copyrightStatus; repeatable",
    ),
    click.option(
        "--colour",
        type=click.Choice(COLOURS),
        default="srgb",
        show_default=True,
        help="srgb: 8-bit sRGB; keep: the source's own space, profile and 16 bits",
    ),
    click.option(
        "--levels",
        type=click.Choice(LEVELS),
        default="pages",
        show_default=True,
        help="where a TIFF's smaller levels lie",
    ),
    click.option(
        "--format",
        type=click.Choice(FORMATS),
        default="tif",
        show_default=True,
        help="a TIFF, or a folder of tiles",
    ),
    click.option(
        "--base-url", metavar="URL", default="", help="with iiif3: what the output is served below"
    ),
    click.option("--dpi", type=click.IntRange(1, 4800), default=300, show_default=True),
    click.option(
        "--page",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="of a PDF or a TIFF",
    ),
)
"""How a pyramid is to be like."""
JOB: Final = (
    click.option("--source", metavar="URL", help="of the originals  [RBSC_BUCKET]"),
    click.option("--output", "image", metavar="URL", help="of the pyramids  [IMAGE_BUCKET]"),
    click.option("--process", metavar="URL", help="of the markers  [PROCESS_BUCKET]"),
    click.option(
        "--marker-prefix",
        metavar="FOLDER",
        default="rbsc/",
        show_default=True,
        help="of the markers",
    ),
    click.option(
        "--max-attempts",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="after so many a marker moves to failed/",
    ),
    click.option(
        "--tasks", type=click.IntRange(1, 10_000), help="run as an array of so many tasks"
    ),
    click.option("--workers", metavar="N", help="images at a time  [MAX_THREADS; default: cores]"),
    click.option("--limit", metavar="N", help="at most so many images"),
    click.option("--overwrite", is_flag=True, help="without markers: also what is fresh"),
    click.option("--dry-run", is_flag=True, help="say what would be done"),
)
"""What is to be made, and by how many."""


def options(given: tuple[Callable[[Function], Function], ...]) -> Callable[[Function], Function]:
    """Decorate a command with these flags, in this order."""

    def decorate(function: Function) -> Function:
        for option in reversed(given):
            function = option(function)
        return function

    return decorate
