from __future__ import annotations

import gzip
import io
import struct
import zlib

import pytest
import tifffile
from PIL import Image

from shard.errors import ImageError
from shard.imaging import open_image
from shard.model import Limits
from tests.imaging.pictures import SAMPLES, photo, saved, thumbnail

HUGE = 100_000


def _png_bomb() -> bytes:
    header = struct.pack(">IIBBBBB", HUGE, HUGE, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )


def _gif_bomb() -> bytes:
    data = bytearray(saved(photo(64, 64), "GIF"))
    frame = data.index(b"\x2c", 13 + 3 * 256)  # after the palette
    data[6:10] = data[frame + 5 : frame + 9] = struct.pack("<HH", 65535, 65535)
    return bytes(data)


def _tiff_bomb() -> bytes:
    buffer = io.BytesIO()
    shape = (60_000, 60_000)
    strips = iter([b"\0"] * 4)
    tifffile.imwrite(
        buffer, strips, shape=shape, dtype="uint8", rowsperstrip=15_000, compression="zlib"
    )
    return buffer.getvalue()


def _webp_bomb() -> bytes:
    return saved(Image.new("RGB", (3000, 3000)), "WEBP")


def _jpeg_bomb() -> bytes:
    data = bytearray(saved(photo(64, 64), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


def _pdf_bomb() -> bytes:
    return saved(photo(64, 64), "PDF").replace(b"[ 0 0 64.0 64.0 ]", b"[ 0 0 14400 14400 ]")


def _svg(width: int, height: int, body: str = "") -> bytes:
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {space} width="{width}" height="{height}">{body}</svg>'.encode()


def _jxl_bomb() -> bytes:
    bits = 0 | 3 << 1 | (HUGE - 1) << 3 | 1 << 33  # not small, 30 bits of height, ratio 1:1
    return b"\xff\x0a" + bits.to_bytes(16, "little")


def _bmp_bomb() -> bytes:
    data = bytearray(saved(photo(64, 64), "BMP"))
    data[18:26] = struct.pack("<ii", HUGE, HUGE)
    return bytes(data)


@pytest.mark.parametrize(
    "make",
    [
        _png_bomb,
        _gif_bomb,
        _tiff_bomb,
        _webp_bomb,
        _jpeg_bomb,
        _pdf_bomb,
        lambda: _svg(HUGE, HUGE),
        _jxl_bomb,
        _bmp_bomb,
    ],
    ids=["png", "gif", "tiff", "webp", "jpeg", "pdf", "svg", "jxl", "bmp"],
)
def test_a_bomb_is_refused_by_its_header(make: object) -> None:
    """An image over the limit of pixels is refused as it is opened, with both numbers."""
    assert callable(make)
    with pytest.raises(ImageError, match=r"accepted: up to 1000000$") as caught:
        open_image(make(), Limits(max_pixels=1_000_000))

    assert caught.value.reason == "too_many_pixels"


def test_too_many_frames() -> None:
    """An animation over the limit of frames is refused as it is opened."""
    with pytest.raises(ImageError, match="12 frames; accepted: up to 11") as caught:
        open_image((SAMPLES / "web/orbit.gif").read_bytes(), Limits(max_frames=11))

    assert caught.value.reason == "too_many_frames"


def test_too_many_bytes() -> None:
    """A file over the limit of bytes is not even looked at."""
    with pytest.raises(ImageError) as caught:
        open_image(b"x" * 11, Limits(max_bytes=10))

    assert caught.value.reason == "too_many_bytes"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"x", "not_an_image"),
        (b"hello, this is text\n" * 50, "not_an_image"),
        (b"<html><body>404</body></html>", "not_an_image"),
        (bytes(1000), "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported"),
        (b"\xc5\xd0\xd3\xc6" + bytes(100), "unsupported"),
        (b"\xd7\xcd\xc6\x9a" + bytes(100), "unsupported"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "unsupported"),
        (b"PK\x03\x04" + bytes(100), "unsupported"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\xff\xd8\xff", "truncated"),
        (gzip.compress(b"not a drawing", mtime=0), "not_an_image"),
    ],
)
def test_what_is_no_picture_says_so(data: bytes, reason: str) -> None:
    """Each kind of wrong content has its own reason."""
    with pytest.raises(ImageError) as caught:
        open_image(data, Limits())

    assert caught.value.reason == reason


def test_svg_fetches_nothing() -> None:
    """An SVG that refers to a file outside shows nothing of it."""
    outside = (SAMPLES / "icons/badge.png").resolve().as_uri()
    picture = f'<image width="100" height="100" xlink:href="{outside}"/>'
    made = thumbnail(_svg(100, 100, picture))

    assert made.data == thumbnail(_svg(100, 100)).data


def test_svg_entities_do_not_blow_up() -> None:
    """An SVG whose entities multiply is refused, not expanded."""
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(1, 10))
    data = b'<!DOCTYPE svg [<!ENTITY e1 "lol">' + entities.encode() + b"]>"
    data += _svg(100, 100, "<text>&e10;</text>")
    with pytest.raises(ImageError) as caught:
        thumbnail(data)

    assert caught.value.reason == "corrupt"


def test_svgz_bomb_is_refused() -> None:
    """An SVGZ is unpacked no further than its limit."""
    data = gzip.compress(_svg(10, 10) + b" " * 50_000_000, mtime=0)
    with pytest.raises(ImageError) as caught:
        open_image(data, Limits())

    assert caught.value.reason == "too_many_bytes"


def test_limits_leave_pillow_alone() -> None:
    """Pillow's own limit of pixels is off for what we open: ours is the only one."""
    image = Image.new("1", (20_000, 10_000))
    source = open_image(saved(image, "BMP"), Limits())

    assert source.width * source.height == 200_000_000
