"""All renditions of an image from one decode."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFilter

from shard.imaging import animate, boundary, colour, encode, exif, geometry, libvips
from shard.imaging.placeholder import placeholder
from shard.imaging.resize import Ladder
from shard.imaging.source import output_format
from shard.model import Format
from shard.planning import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shard.imaging.decoders.base import Raster
    from shard.imaging.geometry import Plan
    from shard.imaging.source import Source
    from shard.model import Limits, Rendition


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One rendition, encoded. ``ms``: ``decode`` (shared by all), ``resize``, ``encode``."""

    rendition: Rendition
    format: Format
    data: bytes
    width: int
    height: int
    notes: tuple[str, ...] = ()
    placeholder: str | None = None
    ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """The MIME type of ``data``."""
        return formats.content_type(self.format)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A source's pixels, and the images made of them so far."""

    source: Source
    raster: Raster
    ladder: Ladder
    limits: Limits
    ms: float


def render(
    source: Source,
    renditions: Sequence[Rendition],
    limits: Limits,
    family: Sequence[Rendition] = (),
) -> list[Thumbnail]:
    """Return a thumbnail for each rendition, in their order. Raises ``ImageError`` only.

    ``family`` are all that the job makes of an image: each rendition's bytes are those that it has
    when the whole family is made at once, whichever of them are asked for.
    """
    with boundary.only_image_errors(source.format, complete=True):
        return _render(source, renditions, limits, [r for r in family if r not in renditions])


def _render(
    source: Source, renditions: Sequence[Rendition], limits: Limits, others: Sequence[Rendition]
) -> list[Thumbnail]:
    started = perf_counter()
    family = [*renditions, *others]
    plans = [geometry.plan(source.size, rendition) for rendition in family]
    raster = source.decode(source.want(family), limits)
    decoded = Decoded(
        source, raster, Ladder(raster, source.orientation), limits, _ms_since(started)
    )
    largest_first = sorted(
        range(len(plans)),
        key=lambda at: (-plans[at].scaled[0] * plans[at].scaled[1], family[at].name),
    )
    made: dict[int, Thumbnail] = {}
    for at in largest_first:
        if at < len(renditions):
            made[at] = _one(decoded, plans[at], family[at])
        elif len(made) < len(renditions) and not (rung := _scaled(plans[at], family[at])).crops:
            decoded.ladder.make(rung)  # a smaller one may stand on it
    return [made[at] for at in range(len(renditions))]


def _one(decoded: Decoded, plan: Plan, rendition: Rendition) -> Thumbnail:
    started = perf_counter()
    source, raster = decoded.source, decoded.raster
    output = output_format(source, rendition)
    keep_icc = "icc" in rendition.keep and colour.profile_fits(raster.icc, raster.image.mode)
    image, notes = _pixels(decoded, plan, rendition, keep_icc=keep_icc)
    hint = placeholder(image, rendition.placeholder) if rendition.placeholder else None
    flat = _is_flat(source, rendition, output)
    shown = _present(image, plan, rendition, flat=flat)
    resize_ms = _ms_since(started)
    started = perf_counter()
    if animate.wanted(source, rendition, output):
        data = _animation(decoded, plan, rendition, output)
    else:
        metadata = _metadata(source, raster if keep_icc else None, rendition, output)
        data = encode.encode(shown, output, rendition, metadata)
    return Thumbnail(
        rendition=rendition,
        format=output,
        data=data,
        width=plan.canvas[0],
        height=plan.canvas[1],
        notes=tuple(dict.fromkeys((*source.notes, *raster.notes, *notes))),
        placeholder=hint,
        ms={"decode": decoded.ms, "resize": resize_ms, "encode": _ms_since(started)},
    )


def _pixels(
    decoded: Decoded, plan: Plan, rendition: Rendition, *, keep_icc: bool
) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the resized, cropped picture in sRGB, and what there is to note."""
    scaled = _scaled(plan, rendition)
    image = decoded.ladder.make(scaled)
    image, notes = colour.finish(image, decoded.raster.icc, keep_profile=keep_icc)
    if scaled is not plan:
        image = libvips.smart_crop(image, plan.size, rendition.gravity)
    return image, notes


def _scaled(plan: Plan, rendition: Rendition) -> Plan:
    """Return what is scaled: where the content chooses the crop, the whole first."""
    smart = rendition.gravity in geometry.SMART_GRAVITIES and plan.crops
    return plan.whole if smart else plan


def _animation(decoded: Decoded, plan: Plan, rendition: Rendition, output: Format) -> bytes:
    film = animate.film(decoded.source, plan, decoded.limits)
    flat = _is_flat(decoded.source, rendition, output)
    film.frames[:] = [_present(frame, plan, rendition, flat=flat) for frame in film.frames]
    return animate.encoded(film, output, rendition)


def _is_flat(source: Source, rendition: Rendition, output: Format) -> bool:
    """Tell whether transparency becomes background: by the format, or as ``otherwise`` asks."""
    otherwise = rendition.format is Format.KEEP and rendition.otherwise is not None
    return not encode.keeps_alpha(output) or (otherwise and not formats.is_kept(source.format))


def _present(image: Image.Image, plan: Plan, rendition: Rendition, *, flat: bool) -> Image.Image:
    """Sharpen, flatten and pad, each only where asked or needed."""
    if rendition.sharpen > 0:
        image = image.filter(
            ImageFilter.UnsharpMask(radius=1, percent=round(100 * rendition.sharpen), threshold=0)
        )
    if flat:
        image = colour.flatten(image, rendition.background)
    if plan.canvas == plan.size:
        return image
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    canvas = Image.new(mode, plan.canvas, (0, 0, 0, 0) if mode == "RGBA" else rendition.background)
    canvas.paste(image, plan.offset)
    return canvas


def _metadata(
    source: Source, profiled: Raster | None, rendition: Rendition, output: Format
) -> dict[str, Any]:
    """Return what ``keep`` asks for and the format can hold; EXIF says upright from here on."""
    kept: dict[str, Any] = {}
    if output is Format.GIF:
        return kept
    if profiled is not None:
        kept["icc_profile"] = profiled.icc
    if "exif" in rendition.keep and source.header.exif:
        kept["exif"] = exif.upright(source.header.exif)
    return kept


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1000
