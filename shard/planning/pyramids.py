"""What a pyramid is to be like: the options of `shard pyramid`, its levels, where it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.model import Rendition
from shard.planning.markers import group_of, stem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.model import Format

Size = tuple[int, int]

COMPRESSIONS: Final = ("deflate", "jpeg", "webp", "zstd", "lzw", "none")
COLOURS: Final = ("srgb", "keep")
LEVELS: Final = ("pages", "subifds")
FORMATS: Final = ("tif", "dzi", "iiif3", "zoomify")
LOSSY: Final = ("jpeg", "webp")
NAME: Final = "pyramid"
"""What a pyramid is called where renditions have names."""
_SUFFIXES: Final = {
    "tif": ".tif",
    "dzi": ".dzi",
    "iiif3": "/info.json",
    "zoomify": "/ImageProperties.xml",
}
_LEAST_TILE, _LARGEST_TILE, _TILE_STEP = 64, 4096, 16
_LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PyramidOptions:
    """How pyramids are made. ``quality`` is of JPEG and WebP; ``dpi`` is written into the file.

    ``tile_size`` is in pixels, a multiple of 16. ``max_size`` and ``copyright_max`` are boxes
    (width, height) that an image is shrunk into, never enlarged. ``page`` counts from 1, of PDF and
    TIFF; a PDF is drawn at ``dpi``. ``base_url`` is what IIIF tiles are served below.
    """

    compression: str = "deflate"
    quality: int = 90
    tile_size: int = 512
    max_size: Size = (4000, 4000)
    copyright_max: Size = (843, 560)
    colour: str = "srgb"
    levels: str = "pages"
    format: str = "tif"
    dpi: int = 300
    page: int = 1
    base_url: str = ""

    def __post_init__(self) -> None:
        """Raise ``SettingError`` for what no pyramid can have."""
        tile = self.tile_size
        if not _LEAST_TILE <= tile <= _LARGEST_TILE or tile % _TILE_STEP:
            accepted = f"a multiple of {_TILE_STEP} from {_LEAST_TILE} to {_LARGEST_TILE}"
            raise SettingError("--tile-size", tile, accepted)
        if self.format == "iiif3" and "://" not in self.base_url:
            accepted = "the URL below which the output is served: it is written into info.json"
            raise SettingError("--base-url", self.base_url or None, accepted)

    @property
    def suffix(self) -> str:
        """What follows the stem in the key of the object that says the pyramid is there."""
        return _SUFFIXES[self.format]

    @property
    def keeps_depth(self) -> bool:
        """Whether 16 bits of a source stay 16 bits."""
        return self.colour == "keep" and self.format == "tif" and self.compression not in LOSSY

    def box(self, *, copyright: bool) -> Size:  # noqa: A002 - the marker's own word
        """Return the box that an image is shrunk into."""
        if not copyright:
            return self.max_size
        (width, height), (most_width, most_height) = self.max_size, self.copyright_max
        return min(width, most_width), min(height, most_height)

    @property
    def text(self) -> str:
        """What all tasks of a run have in common."""
        names = (*self.__dataclass_fields__,)
        return " ".join(f"{name}={getattr(self, name)}" for name in names)


def parse_size(text: str, variable: str) -> Size:
    """Read ``WxH``, in pixels, or ``N`` for a square. Raises ``SettingError``."""
    match = re.fullmatch(r"([0-9]{1,7})(?:[xX]([0-9]{1,7}))?", text, re.ASCII)
    size = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not all(1 <= side <= _LARGEST for side in size):
        raise SettingError(variable, text, f"WxH in pixels, up to {_LARGEST}, as 4000x4000")
    return size


def fit(size: Size, box: Size) -> Size:
    """Return ``size`` (width, height) shrunk into ``box``, proportions kept, never enlarged."""
    (width, height), (most_width, most_height) = size, box
    scale = min(1.0, most_width / width, most_height / height)
    return max(1, min(most_width, round(width * scale))), max(
        1, min(most_height, round(height * scale))
    )


def level_sizes(size: Size, tile: int) -> tuple[Size, ...]:
    """Return every level's size, the largest first, down to the first that fits in one tile.

    Each is half of the one above, rounded down, as libvips makes them; a side of one pixel has no
    half, and ends it too.
    """
    width, height = size
    sizes = [(width, height)]
    while max(width, height) > tile and min(width, height) > 1:
        width, height = width // 2, height // 2
        sizes.append((width, height))
    return tuple(sizes)


@dataclass(frozen=True, slots=True)
class PyramidLayout:
    """Where pyramids go: the source's path, extension replaced. ``stems`` are the exceptions.

    ``stems`` holds, of keys that would share an output, what ``markers.output_stems`` gave them.
    """

    suffix: str
    renditions: tuple[Rendition, ...]
    stems: Mapping[str, str] = field(default_factory=dict)
    text: str = "{dir}/{stem}"
    in_place: bool = False

    def accepts(self, key: str) -> bool:  # noqa: ARG002 - any key has a stem
        """Tell whether a source object of this key can be an input: all can."""
        return True

    def output_key(self, key: str, rendition: Rendition, fmt: Format) -> str:  # noqa: ARG002
        """Return the key of the object that says the pyramid of ``key`` is there."""
        return self.stems.get(key, stem_of(key)) + self.suffix

    def candidates(self, key: str, rendition: Rendition) -> tuple[str, ...]:
        """Return the one output key that there can be."""
        return (self.output_key(key, rendition, rendition.format),)

    def group(self, key: str) -> str:
        """Return a name that all keys have in common which could ever share an output."""
        return group_of(key)

    def output_group(self, output_key: str) -> str:
        """Return the group of the source keys that this output key could belong to."""
        return group_of(output_key.removesuffix(self.suffix))


def rendition_of(options: PyramidOptions) -> Rendition:
    """Return a pyramid in the words of the main job, for what is common to all jobs."""
    return Rendition(NAME, *options.max_size)
