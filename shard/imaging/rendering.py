"""All renditions of an image from one decode."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFilter

from shard.imaging import boundary, colour, encode, geometry
from shard.imaging.resize import Ladder
from shard.imaging.source import output_format
from shard.planning import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shard.imaging.decoders.base import Raster
    from shard.imaging.geometry import Plan
    from shard.imaging.source import Source
    from shard.model import Format, Limits, Rendition


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


def render(source: Source, renditions: Sequence[Rendition], limits: Limits) -> list[Thumbnail]:
    """Return a thumbnail for each rendition, in their order. Raises ``ImageError`` only."""
    with boundary.only_image_errors(source.format, complete=True):
        return _render(source, renditions, limits)


def _render(source: Source, renditions: Sequence[Rendition], limits: Limits) -> list[Thumbnail]:
    started = perf_counter()
    plans = [geometry.plan(source.size, rendition) for rendition in renditions]
    raster = source.decode(source.want(renditions), limits)
    decode_ms = _ms_since(started)
    ladder = Ladder(raster, source.orientation)
    largest_first = sorted(
        range(len(plans)), key=lambda at: -plans[at].scaled[0] * plans[at].scaled[1]
    )
    made: dict[int, Thumbnail] = {}
    for at in largest_first:
        made[at] = _one(source, raster, ladder, plans[at], renditions[at], decode_ms)
    return [made[at] for at in range(len(plans))]


def _one(
    source: Source,
    raster: Raster,
    ladder: Ladder,
    plan: Plan,
    rendition: Rendition,
    decode_ms: float,
) -> Thumbnail:
    started = perf_counter()
    output = output_format(source, rendition)
    keep_icc = "icc" in rendition.keep and colour.profile_fits(raster.icc, raster.image.mode)
    image, notes = colour.finish(ladder.make(plan), raster.icc, keep_profile=keep_icc)
    image = _present(image, plan, rendition, output)
    resize_ms = _ms_since(started)
    started = perf_counter()
    metadata: dict[str, Any] = {"icc_profile": raster.icc} if keep_icc else {}
    data = encode.encode(image, output, rendition, metadata)
    return Thumbnail(
        rendition=rendition,
        format=output,
        data=data,
        width=image.width,
        height=image.height,
        notes=tuple(dict.fromkeys((*source.notes, *raster.notes, *notes))),
        ms={"decode": decode_ms, "resize": resize_ms, "encode": _ms_since(started)},
    )


def _present(image: Image.Image, plan: Plan, rendition: Rendition, output: Format) -> Image.Image:
    """Sharpen, flatten and pad, each only where asked or needed."""
    if rendition.sharpen > 0:
        image = image.filter(
            ImageFilter.UnsharpMask(radius=1, percent=round(100 * rendition.sharpen), threshold=0)
        )
    if not encode.keeps_alpha(output):
        image = colour.flatten(image, rendition.background)
    if plan.canvas == plan.size:
        return image
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    canvas = Image.new(mode, plan.canvas, (0, 0, 0, 0) if mode == "RGBA" else rendition.background)
    canvas.paste(image, plan.offset)
    return canvas


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1000
