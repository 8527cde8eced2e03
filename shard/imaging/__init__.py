"""Bytes in, bytes out: ``open_image`` accepts an image, ``render`` makes all its renditions."""

from __future__ import annotations

from shard.imaging.partial import ends_jpeg, from_head
from shard.imaging.rendering import Thumbnail, render
from shard.imaging.source import Source, open_image, output_format
from shard.imaging.versions import engine_versions

__all__ = [
    "Source",
    "Thumbnail",
    "ends_jpeg",
    "engine_versions",
    "from_head",
    "open_image",
    "output_format",
    "render",
]
