from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.imaging import open_image
from shard.imaging.decoders import FORMATS
from shard.imaging.sniff import REFUSED, sniff, tiff_tags
from tests.imaging.pictures import LIMITS, photo, saved


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GIF89a", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "raw"),
        (b"\0\0\0\x14ftypisom\0\0\0\0mp41", "video"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(20), "raw"),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"MM\0*\0\0\0\x08\0\0\0\0\0\0", "tiff"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
        (b"\xff\x0a\xfa\x1f", "jxl"),
        (b"%PDF-1.7\n", "pdf"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- c --><svg xmlns='x'>", "svg"),
        (b"<?xml version='1.0'?><x:svg xmlns:x='y'>", "svg"),
        (b"<!doctype html><p>an <svg> inside a page", "svg"),
        (b"P6 4 4 255\n", "ppm"),
        (b"BM\x36\0\0\0\0\0\0\0", "bmp"),
        (b"%!PS-Adobe-3.0 EPSF", "eps"),
        (b"SIMPLE  =                    T", "fits"),
        (gzip.compress(b"SIMPLE  =                    T", mtime=0), "fits"),
        (gzip.compress(b"<svg/>", mtime=0), "svgz"),
        (gzip.compress(b"", mtime=0), "svgz"),
        (b"\x1f\x8b\x08 and no more", "svgz"),
        (b"plain text", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell(head: bytes, kind: str | None) -> None:
    """A format is known by its first bytes."""
    assert sniff(head) == kind


@given(st.binary(max_size=200))
def test_any_bytes_are_sniffed(data: bytes) -> None:
    """Sniffing never raises, and answers nothing but a known word."""
    kind = sniff(data)

    assert kind is None or kind in FORMATS or kind in REFUSED


@given(st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]), st.binary(max_size=200))
def test_tiff_tags_of_anything(magic: bytes, rest: bytes) -> None:
    """Reading a TIFF's tags never raises."""
    assert isinstance(tiff_tags(magic + rest), dict)


def test_dng_is_raw() -> None:
    """A TIFF with a DNG version is camera raw."""
    data = saved(photo(32, 32), "TIFF", tiffinfo={0xC612: b"\x01\x04\x00\x00"})

    assert sniff(data) == "raw"


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("a/b.jpg", ("named_jpeg_is_png",)),
        ("a/b.png", ()),
        ("a/b", ()),
        ("a/b.txt", ()),
        (None, ()),
    ],
)
def test_a_name_that_disagrees_is_noted(name: str | None, notes: tuple[str, ...]) -> None:
    """The name decides nothing; where it says another format, that is noted."""
    source = open_image(saved(photo(32, 32), "PNG"), LIMITS, name)

    assert source.format == "png"
    assert source.notes == notes
