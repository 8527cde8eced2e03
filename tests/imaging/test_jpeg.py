from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shard.errors import ImageError
from shard.imaging import ends_jpeg, from_head, jpeg_scan, open_image, render
from shard.model import Format, Limits, Rendition
from tests.imaging.pictures import DATA, LIMITS, opened, photo, psnr, saved, thumbnail

SMALL = Rendition("s", 40, 40, format=Format.PNG)
LARGE = Rendition("l", 500, 500, format=Format.PNG)


@pytest.mark.parametrize(
    "name",
    [
        "arithmetic.jpg",
        "arithmetic-progressive.jpg",
        "luma-first.jpg",
        "progressive.jpg",
        "restart.jpg",
    ],
)
@pytest.mark.parametrize("rendition", [SMALL, LARGE], ids=["small", "large"])
def test_every_way_of_coding_gives_the_same_picture(name: str, rendition: Rendition) -> None:
    """Arithmetic coding, restart markers and odd scan scripts change nothing that is seen."""
    made = opened(thumbnail((DATA / name).read_bytes(), rendition))

    same = Image.open(DATA / "restart.jpg")
    assert psnr(made, same) > (43 if rendition is SMALL else 48)


def test_subsampling_411() -> None:
    """4:1:1 colour is decoded."""
    made = opened(thumbnail((DATA / "411.jpg").read_bytes(), LARGE))

    assert psnr(made, Image.open(DATA / "411.jpg")) > 45


def test_dc_cut_waits_for_every_component() -> None:
    """Where luma's DC scan comes alone, the cut keeps chroma's: the picture is not grey."""
    data = (DATA / "luma-first.jpg").read_bytes()
    cut = jpeg_scan.dc_cut(data)

    assert cut is not None
    assert len(cut) < len(data) / 2
    assert jpeg_scan.dc_prefix_length(cut) == len(cut) - 2
    assert opened(thumbnail(cut, SMALL)).getpixel((38, 1)) == pytest.approx(
        opened(thumbnail(data, SMALL)).getpixel((38, 1)), abs=6
    )


def test_dc_prefix_of_a_baseline_file_is_none() -> None:
    """A baseline file cannot be cut."""
    prefix = jpeg_scan.dc_prefix_length((DATA / "restart.jpg").read_bytes())

    assert prefix is None


def test_dc_prefix_of_a_short_head_is_none() -> None:
    """A head that ends inside the DC scans says nothing yet."""
    data = (DATA / "progressive.jpg").read_bytes()
    length = jpeg_scan.dc_prefix_length(data)

    assert length is not None
    assert jpeg_scan.dc_prefix_length(data[: length - 1]) is None


@settings(derandomize=True, max_examples=40, deadline=None, database=None)
@given(
    st.integers(81, 700),
    st.integers(81, 700),
    st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    st.booleans(),
)
def test_cut_progressive_looks_like_baseline(
    width: int, height: int, subsampling: str, grey: bool
) -> None:
    """Of any size and subsampling, the DC scans alone give what 1/8 of a baseline file gives."""
    image = photo(width, height).convert("L" if grey else "RGB")
    options = {} if grey else {"subsampling": subsampling}
    rendition = Rendition("t", min(width, height) // 16, 1000, format=Format.PNG)
    cut = opened(thumbnail(saved(image, "JPEG", progressive=True, **options), rendition))
    whole = opened(thumbnail(saved(image, "JPEG", **options), rendition))

    assert psnr(cut, whole) > 41


def test_head_renders_to_the_same_bytes() -> None:
    """What is made of a progressive file's head is what its whole would be rendered to."""
    data = (DATA / "progressive.jpg").read_bytes()
    cut = from_head(data[:6000], [SMALL], LIMITS)

    assert cut is not None
    assert thumbnail(cut, SMALL).data == thumbnail(data, SMALL).data
    assert ends_jpeg(data[-16:])


def test_head_is_not_enough_for_a_large_rendition() -> None:
    """A rendition that needs more than 1/8 of the size needs the whole file."""
    cut = from_head((DATA / "progressive.jpg").read_bytes()[:6000], [LARGE], LIMITS)

    assert cut is None


def test_grey() -> None:
    """A greyscale file gives a greyscale thumbnail."""
    made = opened(thumbnail(saved(photo().convert("L"), "JPEG")))

    assert made.mode == "L"


@pytest.mark.parametrize("box", [40, 300])
def test_adobe_cmyk(box: int) -> None:
    """CMYK with Adobe's marker, its values inverted, comes out in its colours."""
    data = saved(photo().convert("CMYK"), "JPEG", quality=95)
    made = opened(thumbnail(data, Rendition("t", box, box, format=Format.PNG)))

    assert psnr(made, photo()) > 30


@pytest.mark.parametrize("box", [40, 300, 500])
def test_cmyk_without_adobe_marker(box: int) -> None:
    """CMYK without Adobe's marker is taken for inverted as well, whatever decoder reads it."""
    data = _without_app14(saved(photo().convert("CMYK"), "JPEG", quality=95))
    made = opened(thumbnail(data, Rendition("t", box, box, format=Format.PNG)))

    assert b"Adobe" not in data
    assert psnr(made, photo()) > 30


def test_ycck() -> None:
    """YCCK (Adobe transform 2) is converted by way of CMYK."""
    data = bytearray(saved(photo().convert("CMYK"), "JPEG", quality=95))
    at = data.index(b"Adobe") + 11
    data[at] = 2
    made = opened(thumbnail(bytes(data), LARGE))

    assert psnr(made, Image.open(io.BytesIO(bytes(data))).convert("RGB")) > 40


def test_12_bit_is_refused() -> None:
    """A 12-bit file is refused with that reason."""
    data = bytearray(saved(photo(), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(ImageError, match="12 bits") as caught:
        open_image(bytes(data), LIMITS)

    assert caught.value.reason == "unsupported"


def test_lossless_is_refused() -> None:
    """A lossless JPEG is refused with that reason."""
    data = saved(photo(), "JPEG").replace(b"\xff\xc0", b"\xff\xc3", 1)
    with pytest.raises(ImageError) as caught:
        open_image(data, LIMITS)

    assert caught.value.reason == "unsupported"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
def test_truncated_fails(part: float, progressive: bool) -> None:
    """A file that was cut off fails as truncated, and makes no half-grey picture."""
    data = saved(photo(), "JPEG", progressive=progressive)
    with pytest.raises(ImageError) as caught:
        thumbnail(data[: int(len(data) * part)])

    assert caught.value.reason == "truncated"


def test_truncated_with_an_end_marker_fails() -> None:
    """A cut-off file that someone ended with an EOI marker still fails."""
    data = saved(photo(), "JPEG")
    with pytest.raises(ImageError) as caught:
        thumbnail(data[: len(data) // 2] + jpeg_scan.EOI)

    assert caught.value.reason == "truncated"


def test_truncated_is_accepted_on_request() -> None:
    """With ``accept_truncated`` the upper half is rendered, and the thumbnail says so."""
    data = saved(photo(), "JPEG", quality=95)
    made = thumbnail(data[: len(data) // 2], limits=Limits(accept_truncated=True))

    assert "truncated" in made.notes
    whole = opened(thumbnail(data)).crop((0, 0, 100, 30))
    assert psnr(opened(made).crop((0, 0, 100, 30)), whole) > 45


def test_grey_corner_of_its_own_is_accepted() -> None:
    """A whole picture whose last pixel is mid-grey is no truncated one."""
    image = photo()
    image.paste((128, 128, 128), (400, 300, 640, 480))
    made = thumbnail(saved(image, "JPEG"))

    assert made.notes == ()


def test_trailing_garbage_is_ignored() -> None:
    """Bytes after the end of the image change nothing."""
    data = saved(photo(), "JPEG")
    made = thumbnail(data + b"<html>" + bytes(1000))

    assert made.data == thumbnail(data).data


def test_mpo_shows_its_first_picture() -> None:
    """A multi-picture file is rendered as its first picture."""
    other = Image.new("RGB", (640, 480), "red")
    data = saved(photo(), "MPO", save_all=True, append_images=[other])
    made = opened(thumbnail(data))

    assert psnr(made, photo()) > 35


def test_exif_thumbnail_is_not_the_picture() -> None:
    """A JPEG inside the EXIF block, with its own markers, is skipped."""
    inner = saved(Image.new("RGB", (160, 120), "red"), "JPEG")
    block = b"Exif\x00\x00MM\x00*" + struct.pack(">IHI", 8, 0, 0) + inner
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    data = saved(photo(), "JPEG")
    made = thumbnail(data[:2] + segment + data[2:])

    assert made.data == thumbnail(data).data


def test_peak_memory_of_a_progressive_file_counts_its_coefficients() -> None:
    """The prediction for a whole progressive decode is several bytes a pixel; for 1/8 too."""
    baseline = open_image(saved(photo(), "JPEG"), LIMITS)
    progressive = open_image(saved(photo(), "JPEG", progressive=True), LIMITS)

    assert progressive.peak_memory([LARGE]) - baseline.peak_memory([LARGE]) > 640 * 480 * 4
    assert baseline.peak_memory([SMALL]) < 640 * 480


def test_three_renditions_come_in_the_order_asked() -> None:
    """Renditions come back in the order they were asked in, whatever order they are made in."""
    asked = [Rendition(str(box), box, box) for box in (50, 400, 100, 399)]
    made = render(open_image(saved(photo(), "JPEG"), LIMITS), asked, LIMITS)

    assert [(t.rendition.name, t.width) for t in made] == [
        ("50", 50),
        ("400", 400),
        ("100", 100),
        ("399", 399),
    ]


def _without_app14(data: bytes) -> bytes:
    at = data.index(b"\xff\xee")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    return data[:at] + data[at + 2 + length :]
