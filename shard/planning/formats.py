"""The one table of formats: names, extensions and content types that agree.

==========  ===========================  ===================
format      extensions (default first)   content type
==========  ===========================  ===================
jpeg        .jpg .jpeg .jpe .jfif        image/jpeg
png         .png .apng                   image/png
gif         .gif                         image/gif
webp        .webp                        image/webp
avif        .avif                        image/avif
jxl         .jxl                         image/jxl
==========  ===========================  ===================
"""

from __future__ import annotations

from typing import Final

from shard.model import Format

_OUTPUT: Final[dict[Format, tuple[str, tuple[str, ...]]]] = {
    Format.JPEG: ("image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif")),
    Format.PNG: ("image/png", (".png", ".apng")),
    Format.GIF: ("image/gif", (".gif",)),
    Format.WEBP: ("image/webp", (".webp",)),
    Format.AVIF: ("image/avif", (".avif",)),
    Format.JXL: ("image/jxl", (".jxl",)),
}

_FITS: Final = (".fits", ".fit", ".fts")
_SOURCE_ONLY: Final = (
    *(".tif", ".tiff", ".btf", ".bmp", ".dib", ".ico", ".cur", ".tga", ".psd", ".pcx", ".dds"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    *(".heic", ".heif", ".hif", ".heics", ".heifs", ".mpo", ".pdf", ".svg", ".svgz"),
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".orf", ".rw2"),
    *(".raf", ".pef", ".srw", ".3fr", ".erf", ".kdc", ".dcr", ".mrw", ".x3f", ".iiq"),
    *_FITS,
    ".fz",
)

_FORMAT_OF: Final = {ext: fmt for fmt, (_, exts) in _OUTPUT.items() for ext in exts}
_IMAGE_EXTENSIONS: Final = frozenset(_FORMAT_OF) | frozenset(_SOURCE_ONLY)
_GZIPPED_FITS: Final = tuple(f"{ext}.gz" for ext in _FITS)
_GZIP_TYPES: Final = frozenset({"application/gzip", "application/x-gzip"})
_DOCUMENT_TYPES: Final = frozenset(
    {"application/pdf", "application/fits", "application/x-fits", "application/x-pdf"}
)
_NOT_TOLD: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})

OUTPUT_FORMATS: Final = tuple(_OUTPUT)
"""The formats that have a content type here."""

KEPT: Final = (Format.JPEG, Format.PNG, Format.GIF, Format.WEBP, Format.AVIF)
"""What ``keep`` keeps, and all that it can lead to."""

DEFAULT_EXTENSIONS: Final = tuple(exts[0] for _, exts in _OUTPUT.values())
"""The extensions that Shard appends, one per output format."""


def content_type(fmt: Format) -> str:
    """Return the MIME type of an output format; ``KEEP`` is none (KeyError)."""
    return _OUTPUT[fmt][0]


def extensions(fmt: Format) -> tuple[str, ...]:
    """Return the lower-case extensions, dot included, that say this format; default first."""
    return _OUTPUT[fmt][1]


def default_extension(fmt: Format) -> str:
    """Return the extension that is appended where the name does not say this format."""
    return _OUTPUT[fmt][1][0]


def extension(key: str) -> str:
    """Return what follows the last dot of the last segment, with its dot, as spelled, or ``""``."""
    name = key[key.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""


def split_name(name: str) -> tuple[str, str]:
    """Split a name before its last dot; dots that begin a name begin no extension."""
    dot = name.rfind(".")
    if not name[: max(dot, 0)].strip("."):
        return name, ""
    return name[:dot], name[dot:]


def format_for_extension(ext: str) -> Format | None:
    """Return the output format that an extension (with its dot, any case) says, else ``None``."""
    return _FORMAT_OF.get(ext.lower())


def is_image_name(key: str) -> bool:
    """Tell whether the key's extension is of an image kind that Shard knows, as ``.fits.gz``."""
    return extension(key).lower() in _IMAGE_EXTENSIONS or is_gzipped_fits_name(key)


def is_gzipped_fits_name(key: str) -> bool:
    """Tell whether a key ends as those of gzipped FITS files do; ``.fz`` is no gzip: fpack's."""
    return key.lower().endswith(_GZIPPED_FITS)


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def is_told(content_type: str | None) -> bool:
    """Tell whether a content type says anything: octet-stream, empty or ``None`` do not."""
    return content_type is not None and _essence(content_type) not in _NOT_TOLD


def is_image_type(content_type: str) -> bool:
    """Tell whether a content type is one that Shard renders: image/*, PDF, FITS."""
    essence = _essence(content_type)
    return essence.startswith("image/") or essence in _DOCUMENT_TYPES


def is_gzip_type(content_type: str) -> bool:
    """Tell whether a content type says that the content is gzipped, and no more."""
    return _essence(content_type) in _GZIP_TYPES


def resolve(
    fmt: Format, source_format: str, has_alpha: bool, otherwise: Format | None = None
) -> Format:
    """Return the format of an output, once the source's content is known.

    ===========  ==========================  =====  =========  ============
    asked        source                      alpha  otherwise  output
    ===========  ==========================  =====  =========  ============
    not keep     any                         any    any        as asked
    keep         jpeg, png, gif, webp, avif  any    any        the source's
    keep         any other                   any    told       otherwise
    keep         any other                   no     none       jpeg
    keep         any other                   yes    none       png
    ===========  ==========================  =====  =========  ============
    """
    if fmt is not Format.KEEP:
        return fmt
    if is_kept(source_format):
        return Format(source_format)
    return otherwise or (Format.PNG if has_alpha else Format.JPEG)


def is_kept(source_format: str) -> bool:
    """Tell whether ``keep`` leaves this source's format as it is."""
    return source_format in KEPT


def possible_formats(fmt: Format, key: str, otherwise: Format | None = None) -> tuple[Format, ...]:
    """Return every format that ``resolve`` may answer for this key, the likeliest first.

    The key's extension is only a hint: the content decides.
    """
    if fmt is not Format.KEEP:
        return (fmt,)
    hint = format_for_extension(extension(key))
    first = hint if hint in KEPT else otherwise or Format.JPEG
    others = KEPT if otherwise is None else (otherwise, *KEPT)
    return tuple(dict.fromkeys((first, *others)))
