"""The table of formats."""

from __future__ import annotations

import mimetypes

import pytest

from shard.model import Format
from shard.planning import formats

OUTPUTS = [fmt for fmt in Format if fmt is not Format.KEEP]


@pytest.mark.parametrize("fmt", OUTPUTS)
def test_extension_and_format_agree(fmt: Format) -> None:
    """Every extension of an output format, in any case, leads back to that format."""
    back = {formats.format_for_extension(e.upper()) for e in formats.extensions(fmt)}

    assert back == {fmt}


@pytest.mark.parametrize("fmt", [Format.JPEG, Format.PNG, Format.GIF])
def test_content_type_agrees_with_the_standard_library(fmt: Format) -> None:
    """The default extension is served by others under the content type that Shard writes."""
    guessed = mimetypes.guess_type("a" + formats.default_extension(fmt))[0]

    assert guessed == formats.content_type(fmt)


@pytest.mark.parametrize(
    ("key", "extension"),
    [
        ("a/b.JPG", ".JPG"),
        ("a.b/c", ""),
        ("a.tar.gz", ".gz"),
        (".hidden", ".hidden"),
        ("x.", "."),
        ("", ""),
        ("a.jpg/", ""),
    ],
)
def test_extension(key: str, extension: str) -> None:
    """An extension belongs to the last segment only and keeps its spelling."""
    assert formats.extension(key) == extension


@pytest.mark.parametrize(
    ("fmt", "source", "alpha", "expected"),
    [
        (Format.WEBP, "jpeg", False, Format.WEBP),
        (Format.JPEG, "png", True, Format.JPEG),
        (Format.KEEP, "jpeg", False, Format.JPEG),
        (Format.KEEP, "png", False, Format.PNG),
        (Format.KEEP, "gif", True, Format.GIF),
        (Format.KEEP, "webp", True, Format.WEBP),
        (Format.KEEP, "avif", False, Format.AVIF),
        (Format.KEEP, "tiff", False, Format.JPEG),
        (Format.KEEP, "tiff", True, Format.PNG),
        (Format.KEEP, "jxl", False, Format.JPEG),
        (Format.KEEP, "heic", True, Format.PNG),
    ],
)
def test_resolve(fmt: Format, source: str, alpha: bool, expected: Format) -> None:
    """``keep`` keeps five formats; the others become JPEG, or PNG where there is alpha."""
    assert formats.resolve(fmt, source, alpha) is expected


@pytest.mark.parametrize("source", ["jpeg", "png", "gif", "webp", "avif", "tiff", "pdf"])
@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("key", ["a.jpg", "a.PNG", "a.tif", "a", "a.jxl"])
@pytest.mark.parametrize("fmt", list(Format))
def test_possible_formats_are_complete(fmt: Format, key: str, source: str, alpha: bool) -> None:
    """Whatever the content turns out to be, its format was foreseen."""
    assert formats.resolve(fmt, source, alpha) in formats.possible_formats(fmt, key)


@pytest.mark.parametrize(
    ("key", "first"),
    [("a.PNG", Format.PNG), ("a.tif", Format.JPEG), ("a", Format.JPEG), ("a.jxl", Format.JPEG)],
)
def test_likeliest_format_comes_first(key: str, first: Format) -> None:
    """The format that the name suggests is the first to look for."""
    assert formats.possible_formats(Format.KEEP, key)[0] is first


@pytest.mark.parametrize("key", ["a.jpg", "b/A.TIFF", "x.cr2", "x.fits", "x.Heic", "d.pdf"])
def test_image_names(key: str) -> None:
    """Every kind that Shard reads is recognised by its extension."""
    assert formats.is_image_name(key)


@pytest.mark.parametrize("key", ["a.txt", "jpg", "a.jpg/readme", "a.jpg.bak", "a.eps", ""])
def test_other_names(key: str) -> None:
    """Names without an image extension at their end are not image names."""
    assert not formats.is_image_name(key)


@pytest.mark.parametrize(
    ("content_type", "told", "image"),
    [
        ("image/png", True, True),
        ("IMAGE/JPEG; charset=binary", True, True),
        ("application/pdf", True, True),
        ("application/fits", True, True),
        ("text/html", True, False),
        ("application/octet-stream", False, False),
        ("binary/octet-stream", False, False),
        ("", False, False),
    ],
)
def test_content_types(content_type: str, told: bool, image: bool) -> None:
    """Octet-stream says nothing; image types, PDF and FITS say image; parameters are ignored."""
    assert (formats.is_told(content_type), formats.is_image_type(content_type)) == (told, image)
