"""Which objects of the source are inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shard.planning import formats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shard.model import Item

STATE_FOLDER: Final = ".shard"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an object is an input, and why.

    Reasons: ``image`` (accepted); ``folder``, ``state``, ``output``, ``other_file`` (not).
    """

    accepted: bool
    reason: str


def judge(item: Item, exclude: Iterable[str] = ()) -> Judgement:
    """Judge one object of the source's listing; the first row that fits counts.

    ==========================================================  ============
    object                                                      reason
    ==========================================================  ============
    key ends in ``/``; empty folder marker                      folder
    below a ``.shard/`` folder, at any depth                    state
    below one of ``exclude`` (prefixes, without outer slash)    output
    content type told, and of an image                          image
    content type told, and of gzip; name as ``.fits.gz``        image
    content type told, and of anything else                     other_file
    content type not told (or octet-stream), image extension    image
    any other                                                   other_file
    ==========================================================  ============

    A prefix is a folder: ``thumbs`` does not exclude ``thumbs2/``; ``""`` excludes everything.
    """
    if _is_folder(item):
        return Judgement(False, "folder")
    if f"/{STATE_FOLDER}/" in f"/{item.key}":
        return Judgement(False, "state")
    if any(not prefix or item.key.startswith(prefix + "/") for prefix in exclude):
        return Judgement(False, "output")
    if item.content_type is not None and formats.is_told(item.content_type):
        is_image = formats.is_image_type(item.content_type) or (
            formats.is_gzip_type(item.content_type) and formats.is_gzipped_fits_name(item.key)
        )
    else:
        is_image = formats.is_image_name(item.key)
    return Judgement(True, "image") if is_image else Judgement(False, "other_file")


def _is_folder(item: Item) -> bool:
    """Tell markers that consoles, Hadoop and file browsers leave behind."""
    return item.key.endswith("/") or (
        item.size == 0
        and (item.key.endswith("_$folder$") or item.content_type == "application/x-directory")
    )
