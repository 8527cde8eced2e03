"""Modes and colour: everything becomes 8-bit sRGB, grey staying grey.

Sums are done on the stored (gamma) values, as browsers and libvips do; alpha is premultiplied.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, cast

from PIL import Image

WORKING_MODES = ("L", "RGB", "RGBa", "CMYK")
"""Modes that may be resized: no palette, no bare alpha, 8 bits."""

_DEEP = 65535
_PROFILE_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK"}


def to_working(image: Image.Image) -> Image.Image:
    """Return ``image`` in one of ``WORKING_MODES``."""
    if image.mode in WORKING_MODES:
        return image if "transparency" not in image.info else image.convert("RGBA").convert("RGBa")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _scaled(image)
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        return image.convert("RGBA").convert("RGBa")
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Scale 16 bits by their type's range; 32 bits by it if they fit; floats by their own range."""
    deep = image.convert("F")
    low, high = 0.0, float(_DEEP)
    if not image.mode.startswith("I;16"):
        least, most = cast("tuple[float, float]", deep.getextrema())
        if image.mode == "F" or least < low or most > high:
            low, high = least, most
    factor = 255.0 / (high - low) if high > low else 0.0
    return deep.point(lambda value: value * factor + (0.5 - low * factor)).convert("L")


def finish(
    image: Image.Image, icc: bytes | None, *, keep_profile: bool = False
) -> tuple[Image.Image, tuple[str, ...]]:
    """Return ``image`` (a working mode) as L, RGB or RGBA in sRGB, and what there is to note.

    With ``keep_profile`` the values stay in the space of ``icc``; CMYK becomes sRGB all the same.
    """
    if image.mode == "RGBa":
        image = image.convert("RGBA")
    if icc is None or (keep_profile and image.mode != "CMYK"):
        return (image.convert("RGB") if image.mode == "CMYK" else image), ()
    transformed, notes = _to_srgb(image, icc)
    if transformed.mode == "CMYK":
        transformed = transformed.convert("RGB")
    return transformed, notes


def profile_fits(icc: bytes | None, mode: str) -> bool:
    """Tell whether a profile describes pixels of this mode (ICC.1, header bytes 16-19)."""
    return icc is not None and icc[16:20] == _PROFILE_SPACES.get(mode)


def _to_srgb(image: Image.Image, icc: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    if not profile_fits(icc, image.mode):
        # A grey image with an RGB profile is common (and harmless); anything else is odd.
        return image, () if image.mode == "L" else ("profile_ignored",)
    try:
        transform = _transform(icc, image.mode)
        if transform is None:
            return image, ()
        output = transform.apply(image)
    except Exception:  # noqa: BLE001 - LittleCMS errors have no common base; the picture is fine
        return image, ("profile_ignored",)
    return (output.getchannel(0) if image.mode == "L" else output), ()


@lru_cache(maxsize=16)
def _transform(icc: bytes, mode: str) -> Any:
    """Return the transform to sRGB, ``None`` if the profile is sRGB already."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    if _is_srgb(ImageCms.getProfileDescription(profile)):
        return None
    output_mode = "RGBA" if mode == "RGBA" else "RGB"
    return ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        output_mode,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _is_srgb(name: str) -> bool:
    return "sRGB" in name or name.strip() == "c2"  # c2: the compact sRGB profile of Facebook


def is_srgb_profile(icc: bytes) -> bool:
    """Tell whether a profile calls itself sRGB; ``False`` for one that cannot be read."""
    from PIL import ImageCms

    try:
        return _is_srgb(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))))
    except (OSError, ImageCms.PyCMSError):
        return False


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Return ``image`` without alpha, laid on ``background`` (``#rrggbb``)."""
    if image.mode != "RGBA":
        return image
    base = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(base, image).convert("RGB")
