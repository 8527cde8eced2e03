"""A saved inventory: what a scan found, written once, read by generate, report and verify."""

from __future__ import annotations

from shard.manifest.leftovers import Leftover
from shard.manifest.model import Header, Record, Stats, Thumbnail
from shard.manifest.reading import Manifest, open_manifest

__all__ = ["Header", "Leftover", "Manifest", "Record", "Stats", "Thumbnail", "open_manifest"]
