"""What a manifest says. Keys here are below the source, as everywhere in Shard.

In the file each key has the source's prefix in front (``attachments/botany/originals/...``), so
that bucket, or local root, and key alone name an object: ``Header.prefix`` is put on and taken off
where files are written and read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.model import Item
from shard.planning.freshness import Decision, decide
from shard.planning.location import Location

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

_NONE: Mapping[int, Thumbnail] = {}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One existing thumbnail. ``scale`` is its largest dimension in pixels, ``size`` its bytes."""

    scale: int
    key: str
    size: int
    modified: datetime | None

    @property
    def item(self) -> Item:
        """The object itself."""
        return Item(self.key, self.size, self.modified)


@dataclass(frozen=True, slots=True)
class Record:
    """One original and its existing thumbnails, by scale. Times are aware (UTC)."""

    original_key: str
    original_size: int
    original_modified: datetime | None
    base_thumbnail_key: str
    collection: str
    filename: str
    thumbnails: Mapping[int, Thumbnail] = field(default_factory=lambda: _NONE)

    @property
    def item(self) -> Item:
        """The original itself."""
        return Item(self.original_key, self.original_size, self.original_modified)

    def decide(self, scale: int, *, overwrite: bool = False) -> Decision:
        """Decide whether the thumbnail of this scale has to be made; see ``freshness.decide``."""
        thumbnail = self.thumbnails.get(scale)
        return decide(self.item, [thumbnail.item] if thumbnail else [], overwrite=overwrite)


@dataclass(slots=True)
class Stats:
    """What a collection holds. ``with_thumbnails`` counts images that have any thumbnail at all."""

    name: str
    total_images: int = 0
    with_thumbnails: int = 0
    missing_thumbnails: int = 0
    total_original_bytes: int = 0
    total_thumbnail_bytes: int = 0

    def count(self, record: Record) -> None:
        """Add one record."""
        self.total_images += 1
        self.total_original_bytes += record.original_size
        if record.thumbnails:
            self.with_thumbnails += 1
            self.total_thumbnail_bytes += sum(t.size for t in record.thumbnails.values())
        else:
            self.missing_thumbnails += 1


@dataclass(frozen=True, slots=True)
class Header:
    """Where and when a scan looked; no secrets.

    ``storage_type`` is ``local``, ``s3``, ``gs`` or another URL scheme. ``s3_bucket`` and
    ``s3_prefix`` hold bucket and prefix of any object store, the latter also a local root's.
    """

    created_at: datetime
    storage_type: str
    local_root: str | None = None
    s3_endpoint: str | None = None
    s3_bucket: str | None = None
    s3_prefix: str = ""
    collections: tuple[str, ...] = ()
    collection_stats: Mapping[str, Stats] = field(default_factory=dict)
    scan_duration_seconds: float = 0.0

    @property
    def source(self) -> Location:
        """The folder that holds the collections: the source that keys are below."""
        if self.storage_type == "local":
            root = self.local_root or "/"
            return Location("file", "", root.rstrip("/") or "/").join(self.s3_prefix)
        return Location(self.storage_type, self.s3_bucket or "", self.s3_prefix)

    @property
    def prefix(self) -> str:
        """What keys in the file begin with: empty, or ends in ``/``."""
        return f"{self.s3_prefix}/" if self.s3_prefix else ""

    def age(self, now: datetime) -> timedelta:
        """Return how old the scan is; ``now`` is aware."""
        return now - self.created_at
