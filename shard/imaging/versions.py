"""Which engines made the pixels: for the ledger."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "pillow",
    "pyvips",
    "pyvips-binary",
    "pillow-heif",
    "pypdfium2",
    "rawpy",
    "pillow-jxl-plugin",
    "astropy",
)
_PILLOW_PARTS = {
    "jpg": "libjpeg",
    "libjpeg_turbo": "libjpeg-turbo",
    "jpg_2000": "openjpeg",
    "webp": "libwebp",
    "avif": "libavif",
    "littlecms2": "littlecms",
    "zlib_ng": "zlib-ng",
}


def engine_versions() -> dict[str, str]:
    """Return name -> version of every imaging library installed; none is loaded but Pillow."""
    from PIL import features

    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for part, name in _PILLOW_PARTS.items():
        number = features.version(part)
        if number:
            found[name] = number
    return found
