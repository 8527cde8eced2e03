from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageCms

from shard.errors import ImageError
from shard.imaging import engine_versions, libvips, open_image, output_format, render
from shard.imaging.decoders import decoder_for
from shard.model import Fit, Format, Limits, Rendition
from tests.imaging.pictures import LIMITS, SAMPLES, opened, photo, psnr, saved, thumbnail

BOX = Rendition("t", 100, 100)
JPEG = saved(photo(), "JPEG", quality=95)


def _with(**changes: Any) -> Rendition:
    return replace(BOX, **changes)


@pytest.mark.parametrize("output", [f for f in Format if f is not Format.KEEP])
def test_format_and_content_type_agree(output: Format) -> None:
    """The bytes are what the thumbnail says they are."""
    made = thumbnail(JPEG, _with(format=output))
    decoded = open_image(made.data, LIMITS)

    assert decoded.format == output == made.format
    assert made.content_type == f"image/{output}"
    assert decoded.size == (made.width, made.height) == (100, 75)


@pytest.mark.parametrize(
    ("kind", "mode", "output"),
    [
        ("PNG", "RGB", Format.PNG),
        ("GIF", "RGB", Format.GIF),
        ("TIFF", "RGB", Format.JPEG),
        ("TIFF", "RGBA", Format.PNG),
        ("BMP", "RGB", Format.JPEG),
    ],
)
def test_keep_follows_the_source(kind: str, mode: str, output: Format) -> None:
    """``keep`` keeps what browsers show; the rest becomes JPEG, or PNG where there is alpha."""
    data = saved(photo(50, 50).convert(mode), kind)

    assert output_format(open_image(data, LIMITS), BOX) is output


@pytest.mark.parametrize("output", [f for f in Format if f is not Format.KEEP])
def test_same_bytes_every_time(output: Format) -> None:
    """Rendering twice gives the same bytes."""
    rendition = _with(format=output)

    assert thumbnail(JPEG, rendition).data == thumbnail(JPEG, rendition).data


def test_same_bytes_beside_other_renditions() -> None:
    """The largest rendition does not depend on nested smaller ones being asked for too."""
    small = _with(width=40, height=40)
    alone = thumbnail(JPEG, BOX)
    beside = render(open_image(JPEG, LIMITS), [small, BOX], LIMITS)[1]

    assert beside.data == alone.data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_one_of_a_family_has_the_bytes_that_it_has_among_them(kind: str) -> None:
    """Whichever renditions are missing: what is made again is what was made at first."""
    data = saved(photo(), kind)
    family = [
        _with(name="large", width=150, height=150),
        _with(name="clever", width=90, height=40, fit=Fit.COVER, gravity="attention"),
        _with(name="cut", width=70, height=20, fit=Fit.COVER),
        _with(name="small", width=20, height=20),
        _with(name="tiny", width=9, height=9),
    ]
    together = {t.rendition.name: t.data for t in render(open_image(data, LIMITS), family, LIMITS)}

    alone = {
        one.name: render(open_image(data, LIMITS), [one], LIMITS, family)[0].data for one in family
    }

    assert alone == together


@pytest.mark.parametrize("output", [Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF])
def test_nothing_but_the_picture_is_kept(output: Format) -> None:
    """EXIF, XMP, profile, comment and resolution of the source are not in the output."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(
        photo(),
        "JPEG",
        exif=exif,
        icc_profile=profile,
        comment=b"SECRET comment",
        xmp=b"SECRET xmp",
        dpi=(301, 301),
    )
    made = thumbnail(data, _with(format=output))

    assert b"SECRET" not in made.data
    assert not {"exif", "icc_profile", "comment", "xmp", "dpi"} & opened(made).info.keys()


def test_metadata_is_kept_on_request() -> None:
    """``keep`` takes the profile and the EXIF along, whose orientation then says upright."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(photo(), "JPEG", exif=exif, icc_profile=profile)
    made = opened(thumbnail(data, _with(keep=frozenset({"icc", "exif"}))))

    assert made.size == (75, 100)
    assert dict(made.getexif()) == {0x010F: "Maker", 0x0112: 1}
    assert made.info["icc_profile"] == profile


def test_small_images_keep_their_size() -> None:
    """An image smaller than the box is encoded anew at its own size."""
    made = thumbnail(saved(photo(30, 20), "JPEG"), BOX)

    assert (made.width, made.height) == opened(made).size == (30, 20)


def test_enlarge_fills_the_box() -> None:
    """With ``enlarge`` a small image grows to the box."""
    made = thumbnail(saved(photo(30, 20), "PNG"), _with(enlarge=True))

    assert opened(made).size == (100, 67)


@pytest.mark.parametrize("name", ["attention", "entropy", "centre", "southwest"])
def test_cover_fills_the_box(name: str) -> None:
    """A cover is the box, whatever its gravity."""
    made = thumbnail(JPEG, _with(fit=Fit.COVER, width=80, gravity=name))

    assert opened(made).size == (80, 100)


def test_attention_finds_the_subject() -> None:
    """A crop by attention shows the only thing in the picture, wherever it is."""
    image = Image.new("RGB", (600, 100), (200, 200, 200))
    image.paste((220, 30, 30), (500, 20, 560, 80))
    made = thumbnail(saved(image, "PNG"), _with(fit=Fit.COVER, gravity="attention"))

    extrema = opened(made).convert("RGB").getextrema()
    assert extrema[1][0] < 60  # type: ignore[index]  # RGB: a pair for each band


def test_pad_shows_the_background() -> None:
    """A padded JPEG is the box, with the background's colour beside the image."""
    made = opened(thumbnail(JPEG, _with(fit=Fit.PAD, background="#ff0000")))

    red, green, blue = made.getpixel((50, 4))  # type: ignore[misc]  # RGB
    assert made.size == (100, 100)
    assert (red > 230, green < 25, blue < 25) == (True, True, True)


def test_alpha_is_flattened_on_the_background() -> None:
    """A JPEG of a transparent image shows the background through it."""
    data = saved(Image.new("RGBA", (50, 50), (0, 0, 0, 0)), "PNG")
    made = opened(thumbnail(data, _with(format=Format.JPEG, background="#3366cc")))

    assert made.getpixel((25, 25)) == pytest.approx((0x33, 0x66, 0xCC), abs=3)


def test_hidden_colours_do_not_bleed() -> None:
    """The colour of fully transparent pixels does not show at the edge of opaque ones."""
    image = Image.new("RGBA", (400, 400), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 203, 400))
    made = opened(thumbnail(saved(image, "PNG"), _with(width=50, height=50)))

    assert max(made.getpixel((x, 25))[0] for x in range(50)) <= 2  # type: ignore[index]  # RGBA


@pytest.mark.parametrize(("quality", "least"), [(30, 25), (85, 33), (98, 38)])
def test_quality_is_obeyed(quality: int, least: float) -> None:
    """A higher quality gives a nearer picture."""
    made = thumbnail(JPEG, _with(quality=quality))

    assert psnr(opened(made), photo()) > least
    assert len(made.data) < len(thumbnail(JPEG, _with(quality=quality + 2)).data)


def test_progressive_on_request() -> None:
    """``progressive`` makes a progressive JPEG."""
    made = thumbnail(JPEG, _with(progressive=True))

    assert open_image(made.data, LIMITS).progressive


def test_lossless_webp() -> None:
    """``lossless`` keeps every pixel of the rendition."""
    exact = opened(thumbnail(JPEG, _with(format=Format.PNG)))
    made = opened(thumbnail(JPEG, _with(format=Format.WEBP, lossless=True)))

    assert made.convert("RGB").tobytes() == exact.convert("RGB").tobytes()


def test_sharpen() -> None:
    """``sharpen`` raises the contrast of edges."""
    image = Image.new("L", (400, 400), 100)
    image.paste(150, (201, 0, 400, 400))
    soft = opened(thumbnail(saved(image, "PNG"))).convert("L").getextrema()
    sharp = opened(thumbnail(saved(image, "PNG"), _with(sharpen=1.0))).convert("L").getextrema()

    assert sharp[1] > soft[1]  # type: ignore[operator]  # L: one pair


def test_first_frame_of_an_animation() -> None:
    """An animation's thumbnail is its first frame, still."""
    data = (SAMPLES / "web/orbit.gif").read_bytes()
    made = opened(thumbnail(data, BOX))

    assert getattr(made, "n_frames", 1) == 1
    assert psnr(made, Image.open(io.BytesIO(data))) > 25


@pytest.mark.parametrize("output", [Format.GIF, Format.WEBP])
def test_animation_is_kept_on_request(output: Format) -> None:
    """``animate`` keeps frames, durations and loop."""
    data = (SAMPLES / "web/orbit.gif").read_bytes()
    made: Any = opened(thumbnail(data, _with(animate=True, format=output)))
    made.load()

    assert made.n_frames == 12
    assert made.size == (100, 75)
    assert made.info["duration"] == 80
    assert made.info["loop"] == 0
    made.seek(6)
    whole = Image.open(io.BytesIO(data))
    whole.seek(6)
    assert psnr(made, whole) > 22


def test_icc_is_converted() -> None:
    """Pixels in a wide space come out as what they are in sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    # A profile whose red and green are exchanged makes conversion plain to see.
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    profile = bytearray(
        bytes(profile).replace(b"s\0R\0G\0B", b"x\0R\0G\0B").replace(b"sRGB", b"xRGB")
    )
    data = saved(Image.new("RGB", (50, 50), (250, 20, 20)), "PNG", icc_profile=bytes(profile))
    made = opened(thumbnail(data, _with(format=Format.PNG)))

    assert made.getpixel((25, 25)) == pytest.approx((20, 250, 20), abs=8)


def test_broken_icc_is_noted() -> None:
    """A damaged profile is left out, and noted."""
    broken = bytes(16) + b"RGB " + bytes(300)
    made = thumbnail(saved(photo(), "JPEG", quality=95, icc_profile=broken))

    assert made.notes == ("profile_ignored",)
    assert psnr(opened(made), photo()) > 35


@pytest.mark.parametrize("kind", ["thumbhash", "blurhash"])
def test_placeholder_comes_with_the_thumbnail(kind: str) -> None:
    """A placeholder is made of the same decode."""
    made = thumbnail(JPEG, _with(placeholder=kind))

    assert made.placeholder


def test_stages_are_timed() -> None:
    """A thumbnail says how long decoding, resizing and encoding took."""
    made = thumbnail(JPEG)

    assert set(made.ms) == {"decode", "resize", "encode"}


def test_a_missing_extra_names_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Camera raw without rawpy says what to install."""
    monkeypatch.setitem(sys.modules, "rawpy", None)
    decoder_for.cache_clear()
    from shard.imaging.decoders import raw

    raw._library.cache_clear()
    with pytest.raises(ImageError, match=r"pip install shard\[raw\]") as caught:
        open_image(b"FUJIFILMCCD-RAW 0201" + bytes(200), LIMITS)

    assert caught.value.reason == "missing_extra"


def test_jpeg_needs_nothing_else() -> None:
    """Small JPEGs are rendered without loading the other formats' libraries."""
    script = (
        "import sys; from shard.imaging import open_image, render;"
        "from shard.model import Limits, Rendition;"
        "d = open(sys.argv[1], 'rb').read(); s = open_image(d, Limits());"
        "render(s, [Rendition('t', 100, 100)], Limits());"
        "print([m for m in ('pyvips', 'numpy', 'pillow_heif', 'pypdfium2') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(SAMPLES / "2025/hills.jpg")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.strip() == "[]"


def test_engine_versions_name_the_engines() -> None:
    """The ledger can say which engines made the pixels."""
    versions = engine_versions()

    assert {"pillow", "libjpeg-turbo", "pyvips-binary"} <= versions.keys()


def test_memory_prediction_refuses_nothing_by_itself() -> None:
    """The prediction grows with the picture and counts the file."""
    small, large = (open_image(saved(photo(w, w), "BMP"), LIMITS) for w in (100, 1000))

    assert large.peak_memory([BOX]) > 30 * small.peak_memory([BOX])
    assert small.peak_memory([BOX]) > len(small.data)


def test_accept_truncated_png() -> None:
    """A cut-off PNG fails, or is rendered as far as it goes where that is accepted."""
    data = saved(photo(), "PNG")
    data = data[: len(data) * 2 // 3]
    with pytest.raises(ImageError) as caught:
        thumbnail(data)
    made = thumbnail(data, limits=Limits(accept_truncated=True))

    assert caught.value.reason == "truncated"
    assert made.notes == ("truncated",)


def test_a_cut_at_the_decodes_own_size_is_not_filtered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was resized while it was decoded is only cut: one filter, the pixels of one."""
    data = saved(photo(800, 600), "JPEG")
    whole = Rendition("t", 400, 300, format=Format.PNG)
    cut = Rendition("t", 200, 300, fit=Fit.COVER, format=Format.PNG)
    resized: list[Any] = []
    lanczos = libvips.lanczos

    def counted(*given: Any, **more: Any) -> Any:
        resized.append(given)
        return lanczos(*given, **more)

    monkeypatch.setattr(libvips, "lanczos", counted)
    made = opened(thumbnail(data, cut))

    assert len(resized) == 1
    assert made.tobytes() == opened(thumbnail(data, whole)).crop((100, 0, 300, 300)).tobytes()
