"""Bytes in, bytes out: ``open_image`` accepts an image, ``render`` makes all its renditions."""

from __future__ import annotations

from shard.imaging.jpeg_scan import dc_prefix_length
from shard.imaging.rendering import Thumbnail, render
from shard.imaging.source import Source, open_image, output_format
from shard.imaging.versions import engine_versions

__all__ = [
    "Source",
    "Thumbnail",
    "dc_prefix_length",
    "engine_versions",
    "open_image",
    "output_format",
    "render",
]
