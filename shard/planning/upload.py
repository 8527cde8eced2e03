"""Where an uploaded folder's files go, which of them are taken, and which are there already."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from shard.planning import formats
from shard.planning.freshness import Decision
from shard.planning.inputs import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shard.model import Format, Item, Rendition

ORIGINAL: Final = "original"
"""The folder of the originals, and what an original is called where renditions have names."""
THUMBNAIL: Final = "thumbnail"
EXTENSIONS: Final = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff", "tif")

_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "tif": "image/tiff",
}


def content_type(key: str) -> str:
    """Return the MIME type that an original's name says."""
    return _TYPES.get(formats.extension(key)[1:].lower(), "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files are taken. Patterns are of the shell's kind; ``*`` matches ``/`` too.

    A pattern without ``/`` is compared with the file's name, any other with its path below the
    folder. ``include`` of nothing includes everything.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def judge(self, key: str) -> Judgement:
        """Judge one file by its path; the first row that fits counts.

        ===================================================  ============
        file                                                 reason
        ===================================================  ============
        a name or a folder that begins with ``.``            hidden
        extension not one of ``EXTENSIONS`` (in any case)    other_file
        fits a pattern of ``exclude``                        excluded
        ``include`` is given, and no pattern fits            not_included
        any other                                            image
        ===================================================  ============
        """
        if key.startswith(".") or "/." in key:
            return Judgement(False, "hidden")
        if formats.extension(key)[1:].lower() not in EXTENSIONS:
            return Judgement(False, "other_file")
        if any(_fits(key, pattern) for pattern in self.exclude):
            return Judgement(False, "excluded")
        if self.include and not any(_fits(key, pattern) for pattern in self.include):
            return Judgement(False, "not_included")
        return Judgement(True, "image")


def _fits(key: str, pattern: str) -> bool:
    return fnmatchcase(key if "/" in pattern else key[key.rfind("/") + 1 :], pattern)


def displaced(keys: Iterable[str]) -> dict[str, str]:
    """Return the keys that cannot have their thumbnail's own name, and the name they get instead.

    Names are without the extension that is appended to them. Given out in key order, first come
    first served:

    ==================================  =====================================
    keys, in order                      thumbnails
    ==================================  =====================================
    ``a.jpg``                           ``a.jpg``
    ``a.jpg a.png``                     ``a.jpg a.png.jpg``
    ``a.JPG a.jpg``                     ``a.jpg a.jpg.jpg``
    ``a.jpg a.png a.png.jpg``           ``a.jpg a.png.jpg a.png.jpg.jpg``
    ==================================  =====================================
    """
    taken: set[str] = set()
    moved: dict[str, str] = {}
    for key in sorted(set(keys)):
        name = _stem(key)
        if name in taken:
            name = key
            while name in taken:
                name += formats.extension(key)
            moved[key] = name
        taken.add(name)
    return moved


def _stem(key: str) -> str:
    return key[: len(key) - len(formats.extension(key))]


@dataclass(frozen=True, slots=True)
class UploadLayout:
    """Where an upload's renditions go: ``thumbnail/`` and the source's path, extension replaced.

    With several renditions each name ends in ``_<rendition>``. ``moved`` is what ``displaced``
    returned. Every key is a group of its own: no two files ever share an output key.
    """

    text: str
    renditions: tuple[Rendition, ...]
    moved: Mapping[str, str] = field(default_factory=dict)
    in_place: bool = False

    def accepts(self, key: str) -> bool:  # noqa: ARG002 - any key has a name to make one of
        """Tell whether a source object of this key can be an input: all can."""
        return True

    def output_key(self, key: str, rendition: Rendition, fmt: Format) -> str:
        """Return the key of this rendition of ``key``, made in ``fmt`` (resolved: not ``KEEP``)."""
        name = self.moved.get(key) or _stem(key)
        mark = f"_{rendition.name}" if len(self.renditions) > 1 else ""
        return f"{THUMBNAIL}/{name}{mark}{formats.default_extension(fmt)}"

    def candidates(self, key: str, rendition: Rendition) -> tuple[str, ...]:
        """Return every output key that this rendition may have before the content is known."""
        possible = formats.possible_formats(rendition.format, key)
        return tuple(self.output_key(key, rendition, fmt) for fmt in possible)

    def group(self, key: str) -> str:
        """Return the key: nothing else can share an output with it."""
        return key

    def output_group(self, output_key: str) -> str:
        """Return the group of the source that this output key belongs to, where nothing moved."""
        return output_key.removeprefix(f"{THUMBNAIL}/")


def original_key(key: str) -> str:
    """Return where the original of ``key`` goes."""
    return f"{ORIGINAL}/{key}"


def judge_original(
    item: Item, existing: Item | None, md5: str, *, overwrite: bool
) -> Decision | None:
    """Decide whether an original goes up; ``None``: the store must be asked for its MD5 first.

    =========  ==========================================  ======  =========
    overwrite  existing                                    needed  reason
    =========  ==========================================  ======  =========
    any        nothing                                     yes     missing
    yes        anything                                    yes     overwrite
    no         of another size                             yes     changed
    no         same size, the listing tells the same MD5   no      unchanged
    no         same size, no MD5 told, or another          --      --
    =========  ==========================================  ======  =========

    An ETag of the form of an MD5 may be another digest (SSE-KMS), hence the last row; one request
    for the metadata settles it (``settle_original``).
    """
    if existing is None:
        return Decision(True, "missing")
    if overwrite:
        return Decision(True, "overwrite")
    if existing.size != item.size:
        return Decision(True, "changed")
    if existing.md5 == md5:
        return Decision(False, "unchanged", existing.key)
    return None


def settle_original(existing: Item, md5: str, told: str | None) -> Decision:
    """Decide by the MD5 that the store told when it was asked; ``None``: it knows none."""
    if told == md5:
        return Decision(False, "unchanged", existing.key)
    return Decision(True, "changed")


def names_in_use(destination: Iterable[str]) -> list[str]:
    """Return the files whose originals are among the destination's keys.

    They keep their thumbnails' names though their files may be gone from the folder: no other
    file's thumbnail ever takes the place of one that is still in use.
    """
    start = f"{ORIGINAL}/"
    return [key[len(start) :] for key in destination if key.startswith(start)]
