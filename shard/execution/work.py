"""What the task hands to its worker processes, and what they say back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shard.planning import fits
from shard.storage.base import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.model import Item, Limits, Outcome, Rendition
    from shard.planning.fits import FitsOptions
    from shard.planning.frames import FrameOrder
    from shard.planning.layout import Layout
    from shard.planning.pyramids import PyramidOptions
    from shard.storage.base import Headers, StorageOptions


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that decoding one image may take: beside others (``share``), or ``alone``."""

    share: int
    alone: int


@dataclass(frozen=True, slots=True)
class Originals:
    """That items are copied beside their renditions, as uploads do; ``planning.upload`` says where.

    ``keep_corrupt``: also those of which no rendition can be made. ``sha256``: it is sent and
    stored beside the MD5.
    """

    keep_corrupt: bool = False
    sha256: bool = False


@dataclass(frozen=True, slots=True)
class Pyramids:
    """That pyramids are made instead of renditions. ``scratch``: the task's folder for files."""

    options: PyramidOptions
    scratch: str


@dataclass(frozen=True, slots=True)
class Frames:
    """That pictures of an archive's frames are made. ``scratch``: the server's folder for files."""

    scratch: str
    download: DownloadBounds


@dataclass(frozen=True, slots=True)
class DownloadBounds:
    """What one file may take: ``bytes`` in all, of them ``memory`` in memory, ``seconds``."""

    bytes: int
    memory: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Order:
    """One pyramid: the ``output`` key of its file, or of what describes its tiles, and its box.

    ``box`` is the (width, height) that the image is shrunk into.
    """

    output: str
    box: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a worker needs to know once: both stores, what to make, within what limits.

    ``forbidden`` is the source's prefix below the output ("" where it is not below): no output
    key may start with it, so that no source object can ever be overwritten. ``ranged``: the source
    is far away, so that reading only a part of a large object can pay. ``discard``: what is made
    is let go instead of written, because only the making is of interest. ``headers`` and
    ``metadata`` are said of all that is written. ``shares`` are the writers of each worker where
    they are to be exactly so many in all, ``depth`` the items that each has in hand at most.
    """

    source: str
    output: str
    storage: StorageOptions
    renditions: tuple[Rendition, ...]
    layout: Layout
    limits: Limits
    overwrite: bool = False
    readers: int = 4
    writers: int = 4
    forbidden: str = ""
    memory: Memory | None = None
    ranged: bool = False
    discard: bool = False
    originals: Originals | None = None
    pyramids: Pyramids | None = None
    frames: Frames | None = None
    headers: Headers = NO_HEADERS
    metadata: Mapping[str, str] = field(default_factory=dict)
    shares: tuple[int, ...] = ()
    depth: int | None = None
    fits: FitsOptions = fits.DEFAULT
    sites: Mapping[str, Recipe] = field(default_factory=dict)

    def of_worker(self, slot: int) -> Recipe:
        """Return the recipe with the writers of the worker in this place."""
        if not self.shares:
            return self
        return replace(self, writers=self.shares[slot % len(self.shares)])


# One empty mapping for all: a slice may be a million items, nearly none of them contested.
_NO_CLAIMS: Mapping[str, str] = {}
_NO_ITEMS: Mapping[str, Item] = {}


@dataclass(frozen=True, slots=True)
class Work:
    """One item in a worker's hand.

    ``renditions`` are the names still to be made. ``contested`` items share possible output keys
    with others: the worker learns the real key from the content, compares it with ``claimed``
    (output key -> the source key that owns it) and judges freshness itself from ``existing``.
    ``alone``: no other item is in any worker's hand. ``order`` is told where pyramids are made,
    ``frame`` where pictures of frames are, ``site`` where the recipe has several. ``also`` are
    renditions that the recipe does not have.
    """

    number: int
    item: Item
    renditions: tuple[str, ...]
    attempt: int = 1
    alone: bool = False
    contested: bool = False
    claimed: Mapping[str, str] = field(default_factory=lambda: _NO_CLAIMS)
    existing: Mapping[str, Item] = field(default_factory=lambda: _NO_ITEMS)
    order: Order | None = None
    frame: FrameOrder | None = None
    site: str = ""
    also: tuple[Rendition, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has imported what it needs and opened its stores."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What the imaging libraries are; told once there is something rendered to blame on them."""

    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rendering:
    """A worker begins to decode this item: from now on its time and memory count."""

    number: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """The worker's decoder is done with this item; what remains is writing."""

    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """An item's outcomes, one a rendition. ``claims`` are the output keys it stands for."""

    number: int
    outcomes: tuple[Outcome, ...]
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """The worker gave this item back unrendered, because the task drains."""

    number: int


@dataclass(frozen=True, slots=True)
class Heavy:
    """The worker gave this item back undecoded: it takes ``needs`` bytes, more than its share."""

    number: int
    needs: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker cannot work at all (a store would not open); ``text`` says why."""

    text: str


@dataclass(frozen=True, slots=True)
class Drain:
    """To a worker: finish what is being rendered or written, give the rest back."""


Message = Ready | Versions | Rendering | Rendered | Done | Dropped | Heavy | Broken
