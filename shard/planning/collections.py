"""The layout `collections`: originals and thumbnails side by side, as asset servers keep them.

=========================================  ==========  ===========================================
original                                   content     thumbnail of scale 200
=========================================  ==========  ===========================================
``botany/originals/ab/cd/x.jpg``           jpeg        ``botany/thumbnails/ab/cd/x_200.jpg``
``botany/originals/ab/cd/x.JPEG``          jpeg        ``botany/thumbnails/ab/cd/x_200.JPEG``
``botany/originals/x.gif``                 gif         ``botany/thumbnails/x_200.gif``
``iz/originals/ab/scan.tif``               tiff        ``iz/thumbnails/ab/scan_200.png``
``iz/originals/ab/notes.pdf``              pdf         ``iz/thumbnails/ab/notes_200.png``
``iz/originals/ab/liar.jpg``               png         ``iz/thumbnails/ab/liar_200.png``
``iz/originals/ab/IMG_2034.jpg``           jpeg        ``iz/thumbnails/ab/IMG_2034_200.jpg``
=========================================  ==========  ===========================================

Keys are below the folder that holds the collections. Originals and thumbnails never meet, since
they live in different folders: outputs may lie in the source. A scale is the largest dimension.
A thumbnail belongs to its original by folder and stem, whatever known extension it has; where
several originals of a folder share a stem, only by the very name that its original asks for.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.model import Fit, Format
from shard.planning import formats, reach
from shard.planning.freshness import decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shard.model import Item, Rendition
    from shard.planning.reach import Reach

NAME: Final = "collections"
ORIGINALS: Final = "originals"
THUMBNAILS: Final = "thumbnails"
_FOLDERS: Final = re.compile(r"([^/]+)/(originals|thumbnails)/((?:.*/)?)([^/]+)", re.DOTALL)
_THUMBNAIL: Final = re.compile(r"(.+)_([1-9][0-9]{0,5})(\.[^.]+)", re.DOTALL)
_SPELLINGS: Final = tuple(
    spelled
    for fmt in Format
    if fmt is not Format.KEEP
    for ext in formats.extensions(fmt)
    for spelled in (ext, ext.upper(), f".{ext[1:].capitalize()}")
)
KNOWN_EXTENSIONS: Final = frozenset(_SPELLINGS)
"""The extensions that a thumbnail may have: those of what Shard writes, lower, upper or title."""


@dataclass(frozen=True, slots=True)
class Place:
    """An original's key taken apart. ``folder`` is below originals/: empty, or ends in ``/``."""

    collection: str
    folder: str
    filename: str

    @property
    def stem(self) -> str:
        """The file name without its extension."""
        return formats.split_name(self.filename)[0]

    @property
    def base_thumbnail_key(self) -> str:
        """The thumbnails' key without ``_scale``: the original's name, below thumbnails/."""
        return f"{self.collection}/{THUMBNAILS}/{self.folder}{self.filename}"

    @property
    def group(self) -> str:
        """What all thumbnails of all originals of this stem have in common."""
        return f"{self.collection}/{THUMBNAILS}/{self.folder}{self.stem}"


@dataclass(frozen=True, slots=True)
class ThumbnailName:
    """A thumbnail's key taken apart: which stem of which folder, at which scale."""

    collection: str
    folder: str
    stem: str
    scale: int
    extension: str

    @property
    def group(self) -> str:
        """The ``Place.group`` of its original."""
        return f"{self.collection}/{THUMBNAILS}/{self.folder}{self.stem}"

    @property
    def originals(self) -> str:
        """What the key of its original begins with."""
        return f"{self.collection}/{ORIGINALS}/{self.folder}{self.stem}"


def parse_original(key: str) -> Place | None:
    """Take an original's key apart; ``None`` for a key that is not below ``.../originals/``."""
    found = _FOLDERS.fullmatch(key)
    return Place(found[1], found[3], found[4]) if found and found[2] == ORIGINALS else None


def parse_thumbnail(key: str) -> ThumbnailName | None:
    """Take a thumbnail's key apart.

    ``None`` for a key that is not below ``.../thumbnails/``, has no ``_scale``, or has an extension
    that no thumbnail has (a ``.tif`` is nothing that a server shows).
    """
    found = _FOLDERS.fullmatch(key)
    if not found or found[2] != THUMBNAILS:
        return None
    name = _THUMBNAIL.fullmatch(found[4])
    if not name or name[3] not in KNOWN_EXTENSIONS:
        return None
    return ThumbnailName(found[1], found[3], name[1], int(name[2]), name[3])


def thumbnail_key(place: Place, scale: int, fmt: Format) -> str:
    """Return the key of a thumbnail; the original's extension stays where it says ``fmt``."""
    stem, ext = formats.split_name(place.filename)
    if ext.lower() not in formats.extensions(fmt):
        ext = formats.default_extension(fmt)
    return f"{place.collection}/{THUMBNAILS}/{place.folder}{stem}_{scale}{ext}"


def expected_key(place: Place, scale: int) -> str:
    """Return the key that a thumbnail has if the original is what its extension says."""
    fmt = formats.possible_formats(Format.KEEP, place.filename, Format.PNG)[0]
    return thumbnail_key(place, scale, fmt)


@dataclass(frozen=True, slots=True)
class Collections:
    """The layout as a rule of the job; see ``planning.layout.Layout``. Made by ``collections``."""

    renditions: tuple[Rendition, ...]
    text: str = NAME
    in_place: bool = True

    def accepts(self, key: str) -> bool:
        """Tell whether the key is an original's."""
        return parse_original(key) is not None

    def output_key(self, key: str, rendition: Rendition, fmt: Format) -> str:
        """Return the key of this rendition of an original, made in ``fmt``."""
        return thumbnail_key(_place(key), rendition.width, fmt)

    def candidates(self, key: str, rendition: Rendition) -> tuple[str, ...]:
        """Return every key at which this rendition may lie, the likeliest first.

        With ``format=keep`` that is every known extension: older tools may have chosen another.
        """
        place = _place(key)
        possible = formats.possible_formats(rendition.format, key, rendition.otherwise)
        keys = [thumbnail_key(place, rendition.width, fmt) for fmt in possible]
        if rendition.format is Format.KEEP:
            stem = f"{place.group}_{rendition.width}"
            keys += [stem + ext for ext in _SPELLINGS]
        return tuple(dict.fromkeys(keys))

    def group(self, key: str) -> str:
        """Return what the keys have in common that could share an output: folder and stem."""
        return _place(key).group

    def output_group(self, output_key: str) -> str:
        """Return the group that a thumbnail's key belongs to; any other key is its own."""
        name = parse_thumbnail(output_key)
        return output_key if name is None else name.group

    def reach(self, key: str) -> Reach:
        """Return where the originals lie that could share an output: those of folder and stem."""
        return reach.of_stem(key)

    def is_leftover(self, output_key: str, keys: Sequence[str]) -> bool:
        """Tell whether this is a thumbnail, of whatever scale, of none of these; see ``match``."""
        name = parse_thumbnail(output_key)
        if name is None:
            return False
        return _owner(keys, output_key, name.scale) is None


def collections(renditions: Sequence[Rendition], variable: str = "RENDITIONS") -> Collections:
    """Return the layout for these renditions.

    Raises ``SettingError`` unless boxes are square and each scale is there once: ``_200`` tells
    nothing else.
    """
    for rendition in renditions:
        if rendition.width != rendition.height or rendition.fit is not Fit.INSIDE:
            asked = f"{rendition.width}x{rendition.height},fit={rendition.fit}"
            accepted = "square boxes with fit=inside, as 200 or 400x400, with LAYOUT=collections"
            raise SettingError(variable, asked, accepted)
    scale, times = Counter(rendition.width for rendition in renditions).most_common(1)[0]
    if times > 1:
        raise SettingError(variable, scale, "each size once, with LAYOUT=collections")
    return Collections(tuple(renditions))


def served(rendition: Rendition) -> Rendition:
    """Return the rendition as asset servers look it up: what ``keep`` does not keep becomes PNG."""
    if rendition.format is not Format.KEEP or rendition.otherwise is not None:
        return rendition
    return replace(rendition, otherwise=Format.PNG)


@dataclass(slots=True)
class Matched:
    """One group's originals with their thumbnails, and what is left over.

    ``thumbnails`` are, for each original's key, the thumbnail of each scale. ``orphans`` belong to
    no original; ``extras`` lie beside a better thumbnail of the same original and scale;
    ``duplicates`` are originals whose thumbnails would have the name of those of an earlier one,
    with that one's key.
    """

    thumbnails: dict[str, dict[int, Item]] = field(default_factory=dict)
    orphans: list[Item] = field(default_factory=list)
    extras: list[Item] = field(default_factory=list)
    duplicates: list[tuple[Item, str]] = field(default_factory=list)


def match(originals: Sequence[Item], thumbnails: Iterable[Item]) -> Matched:
    """Match the thumbnails of one group (folder and stem) with its originals, in key order.

    ============================  =================================================
    originals of this stem        a thumbnail belongs to
    ============================  =================================================
    none                          nobody: orphan
    one                           it, by any known extension
    several                       the first whose ``expected_key`` it is, or nobody
    ============================  =================================================
    """
    result = Matched({item.key: {} for item in originals})
    keys = [item.key for item in originals]
    result.duplicates.extend(_duplicates(originals))
    found: dict[tuple[str, int], list[Item]] = {}
    for thumbnail in thumbnails:
        name = parse_thumbnail(thumbnail.key)
        owner = None if name is None else _owner(keys, thumbnail.key, name.scale)
        if name is None or owner is None:
            result.orphans.append(thumbnail)
        else:
            found.setdefault((owner, name.scale), []).append(thumbnail)
    for (owner, scale), candidates in found.items():
        if len(candidates) > 1:
            original = next(item for item in originals if item.key == owner)
            expected = expected_key(_place(owner), scale)
            candidates.sort(key=lambda t: _rank(original, t, expected))
            result.extras.extend(candidates[1:])
        result.thumbnails[owner][scale] = candidates[0]
    return result


def _owner(keys: Sequence[str], thumbnail: str, scale: int) -> str | None:
    """Return whose thumbnail this is, among originals of one folder and stem."""
    if len(keys) == 1:
        return keys[0]
    return next((key for key in keys if expected_key(_place(key), scale) == thumbnail), None)


def _duplicates(originals: Sequence[Item]) -> Iterator[tuple[Item, str]]:
    """Yield the originals whose thumbnails an earlier one has, with that one's key."""
    first: dict[str, str] = {}
    for item in originals if len(originals) > 1 else ():
        winner = first.setdefault(expected_key(_place(item.key), 1), item.key)
        if winner != item.key:
            yield item, winner


def _rank(original: Item, thumbnail: Item, expected: str) -> tuple[bool, bool, str]:
    """Order one scale's thumbnails: a fresh one, then the one of the expected name."""
    return decide(original, [thumbnail]).needed, thumbnail.key != expected, thumbnail.key


def _place(key: str) -> Place:
    place = parse_original(key)
    if place is None:
        raise ValueError(f"{key!r} is no original")  # callers ask only what ``accepts`` accepts
    return place
