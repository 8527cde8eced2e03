"""What a file is, from its first bytes; its name is never asked.

Only formats of this module are ever decoded. PostScript, EPS, WMF and whatever else would run an
interpreter are known here only so that they can be refused by name.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

#: Formats that are recognised and never decoded, and why.
REFUSED = {
    "eps": "PostScript is a program; it is never run",
    "wmf": "Windows metafiles are programs; they are never run",
    "djvu": "DjVu is not decoded",
    "video": "this is a video",
    "audio": "this is a sound",
    "archive": "this is an archive",
}

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIRO", "raw"),
    (b"IIRS", "raw"),
    (b"IIU\x00", "raw"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"8BPS\x00\x01", "psd"),
    (b"qoif", "qoi"),
    (b"SIMPLE  =", "fits"),
    (b"\x00\x00\x01\x00", "ico"),
    (b"\x01\xda", "sgi"),
    (b"%!PS", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"AT&TFORM", "djvu"),
    (b"PK\x03\x04", "archive"),
    (b"\x1a\x45\xdf\xa3", "video"),
    (b"OggS", "audio"),
    (b"ID3", "audio"),
)

_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heic",
    b"heix": "heic",
    b"hevc": "heic",
    b"hevx": "heic",
    b"heim": "heic",
    b"heis": "heic",
    b"mif1": "heic",
    b"msf1": "heic",
    b"crx ": "raw",
    b"isom": "video",
    b"iso2": "video",
    b"mp41": "video",
    b"mp42": "video",
    b"qt  ": "video",
    b"M4V ": "video",
    b"3gp4": "video",
    b"3gp5": "video",
}

_SVG = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s>]")
_TIFF_RAW_TAGS = {0xC612, 0x828D}  # DNGVersion, CFARepeatPatternDim
_TIFF_SUB_IFDS, _TIFF_MAKE, _TIFF_PHOTOMETRIC, _TIFF_COMPRESSION = 0x14A, 0x10F, 0x106, 0x103
_CAMERA_COMPRESSIONS = {34713, 32767, 65535, 32769}  # Nikon, Sony, Pentax, Epson
_CFA = 32803
_SHORT = 3
"""TIFF's 16-bit integer, left-aligned in the field for values."""
_MAX_ENTRIES = 1_000
_GZIP_HEAD = 65_536
"""Bytes of a gzip file that hold its own header and the first inflated bytes."""


def sniff(data: bytes) -> str | None:
    """Return the format's name, ``None`` if these bytes are no image that we know.

    May return one of ``REFUSED``.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF":
        return {b"WEBP": "webp", b"AVI ": "video", b"WAVE": "audio"}.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _brand(data)
    if data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return _tiff_kind(data)
    return _loose(data)


def _brand(data: bytes) -> str | None:
    """Return what an ISO base media file holds: its major brand first, then the compatible ones."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, size, 4))]
    known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    if known and known[0] == "heic" and b"avif" in brands:
        return "avif"
    return known[0] if known else None


def _tiff_kind(data: bytes) -> str:
    """Tell camera raw files, which are TIFF by their first bytes, from pictures."""
    if data[8:10] == b"CR" or data[:4] in (b"II+\x00", b"MM\x00+"):
        return "raw" if data[8:10] == b"CR" else "tiff"
    tags = tiff_tags(data)
    compression, photometric = tags.get(_TIFF_COMPRESSION), tags.get(_TIFF_PHOTOMETRIC)
    camera = _TIFF_MAKE in tags and _TIFF_SUB_IFDS in tags
    if (
        _TIFF_RAW_TAGS & tags.keys()
        or photometric == _CFA
        or compression in _CAMERA_COMPRESSIONS
        or (camera and tags.get(0xFE) == 1)
    ):
        return "raw"
    return "tiff"


def tiff_tags(data: bytes | mmap) -> dict[int, int]:
    """Return tag -> first value (as an integer, or the offset it lies at) of a TIFF's first IFD.

    Never raises: what cannot be read is not in the result.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\x00", b"\x00+")
    head, number, field = (8, "Q", "HHQQ") if big else (4, "I", "HHII")
    length, value_at = struct.calcsize("=" + field), struct.calcsize("=" + field[:-1])
    tags: dict[int, int] = {}
    try:
        (offset,) = struct.unpack_from(order + number, data, head)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
        start = offset + (8 if big else 2)
        for entry in range(start, start + length * min(count, _MAX_ENTRIES), length):
            tag, kind, _, value = struct.unpack_from(order + field, data, entry)
            if kind == _SHORT:
                (value,) = struct.unpack_from(order + "H", data, entry + value_at)
            tags[tag] = value
    except (struct.error, OverflowError):
        pass
    return tags


_PATTERNS = (
    (re.compile(rb"BM....\0\0\0\0", re.DOTALL), "bmp"),
    (re.compile(rb"P(?:[1-6][\s#]|[Ff]\s)"), "ppm"),
    (re.compile(rb"\x0a[\x00\x02\x03\x05]\x01[\x01\x02\x04\x08]"), "pcx"),
    (re.compile(rb".{0,1019}?%PDF-", re.DOTALL), "pdf"),
)


def _loose(data: bytes) -> str | None:
    """Recognise formats whose first bytes say little; the least certain last."""
    for pattern, name in _PATTERNS:
        if pattern.match(data):
            return name
    if data.startswith(b"\x1f\x8b\x08"):
        return _gzip_kind(data)
    text = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<" and _SVG.search(data[:65536]):
        return "svg"
    return "tga" if _is_tga(data) else None


def _gzip_kind(data: bytes) -> str:
    """Tell a gzipped FITS file from SVG, by the first bytes that inflate."""
    try:
        head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data[:_GZIP_HEAD], 16)
    except zlib.error:
        head = b""
    return "fits" if head.startswith(b"SIMPLE  =") else "svgz"


def _is_tga(data: bytes) -> bool:
    """Tell whether an 18-byte TGA header makes sense; the format has no magic number."""
    if len(data) < 18:  # noqa: PLR2004 - the header's length
        return False
    _, map_type, kind, map_start, map_size, map_bits = struct.unpack_from("<BBBHHB", data)
    width, height, bits, flags = struct.unpack_from("<HHBB", data, 12)
    mapped = kind in (1, 9)
    map_fits = (map_bits in (15, 16, 24, 32)) if mapped else not (map_start or map_size or map_bits)
    depths = {1: (8,), 9: (8,), 2: (16, 24, 32), 10: (16, 24, 32), 3: (8, 16), 11: (8, 16)}
    return (
        map_type == int(mapped)
        and map_fits
        and bits in depths.get(kind, ())
        and width > 0
        and height > 0
        and flags & 0xC0 == 0
    )
