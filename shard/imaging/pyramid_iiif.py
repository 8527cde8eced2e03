"""What libvips leaves out of a static IIIF image: `full/max`, and the sizes that there are.

IIIF Image API 3.0, compliance level 0: the whole image at size ``max`` must be served, and tiles by
the names that a client makes of ``tiles``; those are libvips' own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from shard.imaging import libvips
from shard.planning.pyramids import fit

if TYPE_CHECKING:
    from pathlib import Path

LONGEST: Final = 65_500
"""A JPEG's sides end at 65,535 pixels; libjpeg's at 65,500."""


def complete(image: Any, base: Path, quality: int) -> None:
    """Write ``full/max`` below ``base`` and name the sizes in its info.json.

    Where the image is larger than a JPEG can be, ``max`` is what fits, and ``maxWidth`` and
    ``maxHeight`` say so.
    """
    size = (image.width, image.height)
    largest = fit(size, (LONGEST, LONGEST))
    names = [path.name for path in (base / "full").iterdir() if path.name != "max"]
    target = base / "full" / "max" / "0" / "default.jpg"
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = image if largest == size else libvips.lanczos(image, largest)
    whole.jpegsave(str(target), Q=quality, keep="none")
    description = base / "info.json"
    info = json.loads(description.read_text())
    info["sizes"] = [
        {"width": width, "height": height} for width, height in sorted(map(_size, names))
    ]
    if largest != size:
        info |= {"maxWidth": largest[0], "maxHeight": largest[1]}
    description.write_text(json.dumps(info, indent=2))


def _size(name: str) -> tuple[int, int]:
    width, _, height = name.partition(",")
    return int(width), int(height)
