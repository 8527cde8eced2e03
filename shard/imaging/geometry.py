"""How an image meets its box: pure arithmetic, one rounding rule.

**The rule.** With ``s = min(W / w, H / h)`` (``max`` for ``cover``), capped at 1 unless
``enlarge``, an image of ``w x h`` is scaled to ``s * w`` by ``s * h``, each side rounded half up
and at least 1. The sums are done in integers, so the side that binds is the box's exactly, no side
is ever over the box, and the other side is less than one pixel from the true aspect ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shard.model import Fit

if TYPE_CHECKING:
    from shard.model import Rendition

Size = tuple[int, int]

#: Where a crop or a padded image sits: (across, down), 0 = left or top, 2 = right or bottom.
GRAVITIES: dict[str, tuple[int, int]] = {
    "centre": (1, 1),
    "center": (1, 1),
    "north": (1, 0),
    "northeast": (2, 0),
    "east": (2, 1),
    "southeast": (2, 2),
    "south": (1, 2),
    "southwest": (0, 2),
    "west": (0, 1),
    "northwest": (0, 0),
}

#: Crops that look at the picture; ``cover`` only.
SMART_GRAVITIES = frozenset({"attention", "entropy"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one image for one rendition, in pixels.

    The whole image is thought of as scaled to ``scaled``; of that, the rectangle of ``size`` at
    ``crop`` is made; it is put at ``offset`` on a canvas of ``canvas``.
    """

    scaled: Size
    crop: Size
    size: Size
    canvas: Size
    offset: Size = (0, 0)

    @property
    def whole(self) -> Plan:
        """The same scale without the crop."""
        return Plan(self.scaled, (0, 0), self.scaled, self.scaled)

    @property
    def crops(self) -> bool:
        """Whether only a part of the image is shown."""
        return self.size != self.scaled


def inside(source: Size, box: Size, *, enlarge: bool = False) -> Size:
    """Return the size of ``source`` scaled to fit in ``box``; the module's rule."""
    width, height = source
    if not enlarge and width <= box[0] and height <= box[1]:
        return source
    if width * box[1] >= height * box[0]:
        return box[0], _scaled(height, box[0], width)
    return _scaled(width, box[1], height), box[1]


def covering(source: Size, box: Size) -> Size:
    """Return the size of ``source`` scaled, up or down, to just cover ``box``."""
    width, height = source
    if width * box[1] <= height * box[0]:
        return box[0], max(box[1], _scaled(height, box[0], width))
    return max(box[0], _scaled(width, box[1], height)), box[1]


def plan(source: Size, rendition: Rendition) -> Plan:
    """Return the geometry of ``rendition`` for an upright image of ``source`` pixels.

    | fit | enlarge | result |
    | --- | --- | --- |
    | inside | no | at most the box, at most the source |
    | inside | yes | the box, in at least one side |
    | cover | yes | the box, filled |
    | cover | no | the box, filled; for a smaller source the largest of the box's shape in it |
    | pad | no/yes | the box; the image as by ``inside``, the rest background |
    """
    box = (rendition.width, rendition.height)
    if rendition.fit is Fit.COVER:
        return _cover_plan(source, box, rendition)
    scaled = inside(source, box, enlarge=rendition.enlarge)
    if rendition.fit is Fit.PAD:
        offset = _place(scaled, box, rendition.gravity)
        return Plan(scaled, (0, 0), scaled, box, offset)
    return Plan(scaled, (0, 0), scaled, scaled)


def _cover_plan(source: Size, box: Size, rendition: Rendition) -> Plan:
    if not rendition.enlarge and (source[0] < box[0] or source[1] < box[1]):
        box = inside(box, source)
    scaled = covering(source, box)
    return Plan(scaled, _place(box, scaled, rendition.gravity), box, box)


def _place(inner: Size, outer: Size, gravity: str) -> Size:
    """Return where ``inner`` starts in ``outer``; smart gravities start from the centre."""
    across, down = GRAVITIES.get(gravity, (1, 1))
    return (outer[0] - inner[0]) * across // 2, (outer[1] - inner[1]) * down // 2


def _scaled(side: int, numerator: int, denominator: int) -> int:
    """Return ``side * numerator / denominator``, rounded half up, at least 1."""
    return max(1, (2 * side * numerator + denominator) // (2 * denominator))
