"""What may be asked of a frame: the request's parameters, their canonical form, the cache key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from shard.errors import ParameterError, SettingError
from shard.planning.fits import FitsOptions, parse_fits
from shard.planning.parameters import BOOLEAN, Parameters, parse_boolean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shard.planning.archive_records import Frame

LARGEST: Final = 4096
"""Pixels that a picture's box may have on a side."""
LONGEST_LABEL: Final = 200
DEFAULT_SIDE: Final = 200
DEFAULT_PERCENTILE: Final = 99.5
DEFAULT_QUALITY: Final = 80
RECIPE: Final = 1
"""Counts changes of what the same request looks like: a new number leaves older pictures behind."""
FITS_PARAMETERS: Final = ("stretch", "zmin", "zmax", "hdu", "plane", "filter")
PARAMETERS: Final = (
    *("width", "height", "label", "color", "median", "percentile", "quality", "image"),
    *FITS_PARAMETERS,
    "mosaic",
)
_BY_PERCENTILE: Final = ("percentile", "asinh", "log", "sqrt")
"""The stretches that look at ``percentile``; beside them only ``median`` does."""


class Answer(StrEnum):
    """What a request gets: a presigned URL as JSON, a redirect to it, or the bytes."""

    URL = "url"
    REDIRECT = "redirect"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class Picture:
    """All that decides what is drawn. ``width`` and ``height``: the box, in pixels.

    ``fits`` holds median and percentile too; ``label`` is ``None`` where nothing is written.
    """

    width: int = DEFAULT_SIDE
    height: int = DEFAULT_SIDE
    label: str | None = None
    color: bool = False
    quality: int = DEFAULT_QUALITY
    fits: FitsOptions = field(default_factory=FitsOptions)


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """A request's parameters: what is drawn, and how it is answered."""

    picture: Picture = field(default_factory=Picture)
    answer: Answer = Answer.URL


@dataclass(frozen=True, slots=True)
class FrameOrder:
    """One picture to be made by a worker: from the files at ``urls`` (one, or red, visual, blue).

    ``key`` is where it goes. ``replaces``: an empty object is there, which may be overwritten.
    """

    key: str
    urls: tuple[str, ...] = field(repr=False)
    picture: Picture
    replaces: bool = False


def parse_frame_request(pairs: Iterable[tuple[str, str]]) -> FrameRequest:
    """Read a query's pairs; raise ``ParameterError`` for the first that is wrong.

    ==========  =======  ==================================================================
    parameter   default  accepted
    ==========  =======  ==================================================================
    width       200      1 to 4096, pixels; the picture keeps its proportions within the box
    height      200      as width
    label       none     a text of up to 200 characters, drawn in white, lower left
    color       false    a composite of the request's red, visual and blue frames
    median      false    then the median is subtracted, the ``percentile`` white
    percentile  99.5     above 0, up to 100: of ``median``, and of stretches that go by it
    quality     80       1 to 100, of the JPEG
    image       false    true: 302 to the picture; ``inline``: the picture itself
    ==========  =======  ==================================================================

    And ``stretch``, ``zmin``, ``zmax``, ``hdu``, ``plane``, ``filter``, ``mosaic`` as
    ``planning.fits`` reads them.
    """
    read = Parameters(pairs, PARAMETERS)
    label = read.text("label")
    if label is not None and len(label) > LONGEST_LABEL:
        raise ParameterError("label", label, f"up to {LONGEST_LABEL} characters")
    picture = Picture(
        width=read.whole("width", DEFAULT_SIDE, 1, LARGEST),
        height=read.whole("height", DEFAULT_SIDE, 1, LARGEST),
        label=label if label and label.strip() else None,
        color=read.boolean("color"),
        quality=read.whole("quality", DEFAULT_QUALITY, 1, 100),
        fits=_fits(read),
    )
    return FrameRequest(picture, _answer(read.given("image")))


def canonical(picture: Picture, frames: Sequence[Frame]) -> str:
    """Return sorted JSON of all that changes the picture, and of nothing else.

    FITS parameters are left out where they have their defaults. ``frames`` are those that it is
    made of, each by its id and its file's version: a better blue frame, or one that was reduced
    again, makes another picture.
    """
    fits, default = picture.fits, FitsOptions()
    said: dict[str, Any] = {
        "color": picture.color,
        "frames": [[frame.id, frame.version] for frame in frames],
        "height": picture.height,
        "label": picture.label,
        "median": fits.median,
        "quality": picture.quality,
        "recipe": RECIPE,
        "width": picture.width,
    }
    if fits.median or fits.stretch in _BY_PERCENTILE:
        said["percentile"] = fits.percentile
    for name in (*FITS_PARAMETERS, "mosaic"):
        if getattr(fits, name) != getattr(default, name):
            said[name] = getattr(fits, name)
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def cache_key(frame: Frame, picture: Picture, frames: Sequence[Frame]) -> str:
    """Return ``{frame id}.{hash}.jpg``: BLAKE2b, 20 bytes, of ``canonical``."""
    digest = hashlib.blake2b(canonical(picture, frames).encode(), digest_size=20)
    return f"{frame.id}.{digest.hexdigest()}.jpg"


def _answer(image: str | None) -> Answer:
    if image is None:
        return Answer.URL
    if image.strip().lower() == Answer.INLINE:
        return Answer.INLINE
    try:
        return Answer.REDIRECT if parse_boolean(image, "image") else Answer.URL
    except ParameterError:
        raise ParameterError("image", image, f"inline, or {BOOLEAN}") from None


def _fits(read: Parameters) -> FitsOptions:
    median = read.boolean("median")
    percentile = read.number("percentile", DEFAULT_PERCENTILE, 0, 100)
    given = {name: read.text(name) for name in FITS_PARAMETERS}
    texts = {name: text.strip() for name, text in given.items() if text is not None}
    for name, text in texts.items():
        _check_alone(name, text)
    if read.boolean("mosaic"):
        texts["mosaic"] = "yes"
    said = ",".join(f"{name}={text}" for name, text in texts.items())
    try:
        options = parse_fits(said)
    except SettingError as error:
        raise ParameterError(", ".join(texts), said, error.accepted) from None
    return replace(options, median=median, percentile=percentile)


def _check_alone(name: str, text: str) -> None:
    """Raise ``ParameterError`` if this one value is wrong by itself."""
    try:
        if "," in text:
            raise ParameterError(name, text, "one value")
        parse_fits(f"{name}={text}")
    except SettingError as error:
        accepted = error.accepted.removeprefix(f"{name}= with ")
        raise ParameterError(name, text, accepted) from None
