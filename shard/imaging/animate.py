"""Animations that stay animations: every frame by the same plan as a still image."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError
from shard.imaging import colour, encode
from shard.imaging.decoders.pillow import open_with_pillow
from shard.imaging.resize import Made, scale
from shard.model import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from shard.imaging.geometry import Plan
    from shard.imaging.source import Source
    from shard.model import Limits, Rendition

_BETWEEN = frozenset({"gif", "webp"})
_DEFAULT_MS = 100
"""A frame that does not say how long it stays: what browsers do."""


@dataclass(frozen=True, slots=True)
class Film:
    """Frames of one size, milliseconds of each, and how often all play (0: for ever)."""

    frames: list[Image.Image]
    durations: list[int]
    loop: int | None


def wanted(source: Source, rendition: Rendition, output: Format) -> bool:
    """Tell whether ``rendition`` is to move: it asks to, the source does, the format can."""
    return (
        rendition.animate
        and source.frames > 1
        and source.format in _BETWEEN
        and output in (Format.GIF, Format.WEBP)
    )


def film(source: Source, plan: Plan, limits: Limits) -> Film:
    """Return all frames of a GIF or WebP, scaled and cropped, as RGBA."""
    pixels = source.frames * plan.size[0] * plan.size[1]
    if pixels > limits.max_pixels:
        raise ImageError(
            "too_many_pixels",
            f"{source.frames} frames of {plan.size[0]}x{plan.size[1]} are {pixels} pixels; "
            f"accepted: up to {limits.max_pixels}",
        )
    made = list(_frames(source, plan))
    image = open_with_pillow(source.format, source.data)
    loop = image.info.get("loop")
    return Film([frame for frame, _ in made], [duration for _, duration in made], loop)


def _frames(source: Source, plan: Plan) -> Iterator[tuple[Image.Image, int]]:
    image: Any = open_with_pillow(source.format, source.data)
    box = (0.0, 0.0, float(image.width), float(image.height))
    for index in range(source.frames):
        image.seek(index)
        image.load()
        frame = scale(Made(image.convert("RGBA").convert("RGBa"), box), plan)
        duration = int(image.info.get("duration") or _DEFAULT_MS)
        yield colour.finish(frame, image.info.get("icc_profile"))[0], duration


def encoded(made: Film, output: Format, rendition: Rendition) -> bytes:
    """Return the animation as a file."""
    first, *others = made.frames
    options: dict[str, Any] = {
        **encode.options(output, rendition),
        "save_all": True,
        "append_images": others,
        "duration": made.durations,
    }
    if output is Format.GIF:
        options |= {"optimize": False, "disposal": 2}
    if made.loop is not None:
        options["loop"] = made.loop
    buffer = io.BytesIO()
    first.save(buffer, format=output.value.upper(), **options)
    return buffer.getvalue()
