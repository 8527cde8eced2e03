"""One pass over a manifest's records: everything that any report counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.planning import formats
from shard.planning.collections import expected_key, parse_original

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from shard.manifest import Leftover, Manifest, Record
    from shard.planning.freshness import Decision

LEFTOVERS = ("orphan", "extra", "duplicate")


@dataclass(slots=True)
class Sum:
    """How many, and their bytes."""

    count: int = 0
    bytes: int = 0

    def add(self, size: int, count: int = 1) -> None:
        """Add things of ``size`` bytes in all."""
        self.count += count
        self.bytes += size

    @property
    def mean(self) -> float:
        """Their mean size in bytes; 0 of none."""
        return self.bytes / self.count if self.count else 0.0


@dataclass(slots=True)
class Tally:
    """What one collection, or all together, come to.

    ``scales`` are thumbnails by scale; ``decisions`` are originals by the reason of
    ``freshness.decide`` at the size asked; ``needed`` those that need work by (kind of original,
    format of thumbnail); ``leftovers`` by kind, empty unless the scan's leftovers were read.
    """

    originals: Sum = field(default_factory=Sum)
    thumbnails: Sum = field(default_factory=Sum)
    with_thumbnails: int = 0
    scales: defaultdict[int, Sum] = field(default_factory=lambda: defaultdict(Sum))
    decisions: Counter[str] = field(default_factory=Counter)
    needed: defaultdict[tuple[str, str], Sum] = field(default_factory=lambda: defaultdict(Sum))
    leftovers: defaultdict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))

    @property
    def to_make(self) -> Sum:
        """The originals that need work at the size asked."""
        every = self.needed.values()
        return Sum(sum(one.count for one in every), sum(one.bytes for one in every))

    @property
    def fresh(self) -> int:
        """How many originals need no work at the size asked."""
        return self.originals.count - self.to_make.count

    def add(self, record: Record, decision: Decision, size: int) -> None:
        """Count one record, decided for the thumbnail of ``size`` pixels."""
        self.originals.add(record.original_size)
        self.with_thumbnails += bool(record.thumbnails)
        for thumbnail in record.thumbnails.values():
            self.thumbnails.add(thumbnail.size)
            self.scales[thumbnail.scale].add(thumbnail.size)
        self.decisions[decision.reason] += 1
        if decision.needed:
            self.needed[conversion(record, size)].add(record.original_size)

    def add_tally(self, other: Tally) -> None:
        """Add all that another collection comes to."""
        self.originals.add(other.originals.bytes, other.originals.count)
        self.thumbnails.add(other.thumbnails.bytes, other.thumbnails.count)
        self.with_thumbnails += other.with_thumbnails
        self.decisions.update(other.decisions)
        for scale, one in other.scales.items():
            self.scales[scale].add(one.bytes, one.count)
        for pair, one in other.needed.items():
            self.needed[pair].add(one.bytes, one.count)
        for kind, one in other.leftovers.items():
            self.leftovers[kind].add(one.bytes, one.count)


@dataclass(slots=True)
class Survey:
    """A manifest, counted: by collection, in the manifest's order, and together.

    ``told`` says whether the scan's leftovers were there to be counted.
    """

    size: int
    collections: dict[str, Tally]
    told: bool

    @property
    def total(self) -> Tally:
        """All collections together."""
        total = Tally()
        for tally in self.collections.values():
            total.add_tally(tally)
        return total


def survey(manifest: Manifest, wanted: Collection[str], size: int) -> Survey:
    """Count a manifest, or some of its collections, for thumbnails of ``size`` pixels.

    Memory does not grow with it. Raises ``SettingError`` for a collection that is not there.
    """
    records = manifest.records(wanted)
    names = [name for name in manifest.header.collections if not wanted or name in wanted]
    found = Survey(size, {name: Tally() for name in names}, told=False)
    for record in records:
        found.collections[record.collection].add(record, record.decide(size), size)
    leftovers = manifest.leftovers()
    found.told = leftovers is not None
    for leftover in _of(leftovers or (), found.collections):
        found.collections[leftover.collection].leftovers[leftover.kind].add(leftover.size)
    return found


def _of(leftovers: Iterable[Leftover], names: Collection[str]) -> Iterator[Leftover]:
    return (leftover for leftover in leftovers if leftover.collection in names)


def conversion(record: Record, size: int) -> tuple[str, str]:
    """Return what kind the original is, by its extension, and what its thumbnail will be."""
    kind = formats.extension(record.filename).lower().lstrip(".") or "?"
    known = formats.format_for_extension(f".{kind}")
    place = parse_original(record.original_key)
    key = expected_key(place, size) if place else record.original_key
    made = formats.format_for_extension(formats.extension(key))
    return (known.value if known else _SAME.get(kind, kind)), (made.value if made else "png")


_SAME = {"tif": "tiff", "fit": "fits", "fts": "fits", "heif": "heic", "j2k": "jp2", "jpx": "jp2"}
