"""Whatever bytes come in, a thumbnail or a reason comes out."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from shard.errors import ImageError
from shard.imaging import open_image, render
from shard.model import Fit, Format, Limits, Rendition
from tests.imaging.pictures import DATA, SAMPLES, photo, saved

LIMITS = Limits(max_pixels=4_000_000, max_frames=50)
RENDITIONS = [
    Rendition("a", 64, 64),
    Rendition("b", 40, 40, fit=Fit.COVER, format=Format.JPEG),
]
REASONS = {
    *("not_an_image", "unsupported", "truncated", "corrupt", "empty"),
    *("too_many_pixels", "too_many_frames", "too_many_bytes"),
}


@lru_cache(maxsize=1)
def seeds() -> tuple[bytes, ...]:
    """Return small files of every kind."""
    small = photo(96, 64)
    written = [saved(small, kind) for kind in ("PNG", "GIF", "TIFF", "WEBP", "AVIF", "BMP", "TGA")]
    written += [
        saved(small, kind) for kind in ("JPEG2000", "PPM", "PCX", "SGI", "QOI", "ICO", "PDF")
    ]
    written += [
        saved(small, "TIFF", compression="tiff_lzw"),
        saved(small, "JPEG", progressive=True),
        saved(small.convert("CMYK"), "JPEG"),
        saved(small.convert("P"), "PNG"),
        saved(small, "WEBP", save_all=True, append_images=[Image.new("RGB", (96, 64))] * 3),
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>',
    ]
    read = [path.read_bytes() for path in sorted(DATA.glob("*.jpg"))]
    samples = sorted(path for path in SAMPLES.glob("*/**/*.*") if path.is_file())
    read += [path.read_bytes() for path in samples if path.stat().st_size < 60_000]
    return tuple(written + read)


def outcome(data: bytes, limits: Limits = LIMITS) -> str:
    """Return ``rendered`` or the reason; any other exception is a fault."""
    try:
        made = render(open_image(data, limits), RENDITIONS, limits)
    except ImageError as error:
        return error.reason
    assert all(open_image(t.data, limits).size == (t.width, t.height) for t in made)
    return "rendered"


def bounded(examples: int) -> settings:
    """Return settings that try the same examples every time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def test_every_seed_renders() -> None:
    """The seeds are pictures, but for the one that is broken on purpose."""
    assert [outcome(data) for data in seeds()].count("rendered") >= len(seeds()) - 1


@bounded(150)
@given(st.data())
def test_truncations(data: st.DataObject) -> None:
    """A file cut anywhere is rendered or has a reason."""
    seed = data.draw(st.sampled_from(seeds()))
    length = data.draw(st.integers(0, len(seed)))

    assert outcome(seed[:length]) in REASONS | {"rendered"}


@bounded(400)
@given(st.data())
def test_flipped_bytes(data: st.DataObject) -> None:
    """A file with damaged bytes is rendered or has a reason; most damage is near the head."""
    seed = bytearray(data.draw(st.sampled_from(seeds())))
    for _ in range(data.draw(st.integers(1, 8))):
        reach = data.draw(st.sampled_from([64, 512, len(seed)]))
        at = data.draw(st.integers(0, min(reach, len(seed)) - 1))
        seed[at] = data.draw(st.integers(0, 255))

    assert outcome(bytes(seed)) in REASONS | {"rendered"}


@bounded(150)
@given(st.data())
def test_spliced_heads(data: st.DataObject) -> None:
    """One file's head on another's body is rendered or has a reason."""
    head = data.draw(st.sampled_from(seeds()))
    body = data.draw(st.sampled_from(seeds()))
    at = data.draw(st.integers(0, min(len(head), 2000)))
    skip = data.draw(st.integers(0, min(len(body), 2000)))

    assert outcome(head[:at] + body[skip:]) in REASONS | {"rendered"}


@bounded(100)
@given(st.data())
def test_truncations_accepted(data: st.DataObject) -> None:
    """Accepting truncated files opens no way for other exceptions."""
    seed = data.draw(st.sampled_from(seeds()))
    length = data.draw(st.integers(0, len(seed)))
    lenient = Limits(max_pixels=LIMITS.max_pixels, accept_truncated=True)

    assert outcome(seed[:length], lenient) in REASONS | {"rendered"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
def test_half_a_file_is_never_half_a_picture(kind: str) -> None:
    """A file cut in half fails, whatever its format."""
    data = saved(photo(), kind)

    assert outcome(data[: len(data) // 2]) in {"truncated", "corrupt"}
