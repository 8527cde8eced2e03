"""Reading a plane: which HDU, which values, whatever their type."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from shard.errors import ImageError
from shard.imaging.fits import read_plane
from shard.model import Limits
from shard.planning.fits import parse_fits
from tests.imaging.fits.frames import Array, drawn, frame, raw, read, stars, written

SKY = {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "CRVAL1": 10.0,
    "CRVAL2": -40.0,
    "CRPIX1": 150.0,
    "CRPIX2": 120.0,
    "CD1_1": -2e-4,
    "CD1_2": 3e-5,
    "CD2_1": 3e-5,
    "CD2_2": 2e-4,
    "A_ORDER": 2,
    "A_2_0": 3e-5,
    "B_ORDER": 2,
    "B_1_1": -2e-5,
}


def _image(pixels: Array, name: str | None = None, **cards: object) -> fits.ImageHDU:
    hdu = fits.ImageHDU(pixels, name=name)
    hdu.header.update(cards)
    return hdu


def test_a_plane_read_in_full_has_the_frames_own_values() -> None:
    """Pixels that are not shrunk are the file's, row 0 first."""
    pixels = stars()

    assert np.array_equal(read(frame(pixels)).pixels, pixels)


@pytest.mark.parametrize("text", ["", "stretch=asinh", "stretch=minmax", "median=yes"])
def test_the_limits_do_not_depend_on_the_thumbnails_size(text: str) -> None:
    """Black and white are the same whatever size is read."""
    file = frame(stars())
    small, large = read(file, text, (50, 33)), read(file, text)

    assert small.factor > large.factor
    assert (small.levels.low, small.levels.high) == (large.levels.low, large.levels.high)


def test_a_small_picture_is_the_large_one_averaged() -> None:
    """Blocks' means are those of the picture's greys, within rounding."""
    file = frame(stars(264, 396))
    large, small = drawn(file), drawn(file, "", (66, 44))

    means = large.reshape(88, 3, 132, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 1.0


def test_the_wcs_of_a_shrunk_plane_is_that_of_its_pixels() -> None:
    """A block's middle has the coordinates that the frame gives the same place, SIP included."""
    file = frame(stars(), **SKY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, small = WCS(read(file).header), WCS(read(file, "", (40, 30)).header)
    factor = read(file, "", (40, 30)).factor
    at = np.array([[0.0, 0.0], [5.0, 7.0], [60.0, 40.0]])

    there = at * factor + (factor - 1) / 2
    assert factor == 4
    assert np.allclose(small.all_pix2world(at, 0), whole.all_pix2world(there, 0), atol=1e-9)


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">i4", ">i8", ">f4", ">f8", "u2", "u4"])
@pytest.mark.parametrize("compression", [None, "RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_every_pixel_type_is_read(dtype: str, compression: str | None) -> None:
    """All of BITPIX, unsigned by BZERO, plain or tile-compressed, come to the same values."""
    values = np.arange(48 * 40).reshape(40, 48).astype(dtype) % 200
    if compression is None:
        file = frame(values)
    elif dtype == ">i8":
        pytest.skip("astropy does not write 64-bit integers compressed")
    else:
        options = {"compression_type": compression, "quantize_level": 0.01}
        if compression == "HCOMPRESS_1":
            options["tile_shape"] = (20, 48)
        file = written(fits.PrimaryHDU(), fits.CompImageHDU(values, **options))

    assert np.allclose(read(file).pixels, values, atol=0.6 if values.dtype.kind == "f" else 0)


@pytest.mark.parametrize("bzero", [0, 32768])
@pytest.mark.parametrize("compressed", [False, True])
def test_blank_is_no_value(bzero: int, *, compressed: bool) -> None:
    """BLANK is compared with what is stored, before BZERO, also of compressed frames."""
    stored = np.arange(400, dtype=np.int16).reshape(20, 20)
    hdu = (fits.CompImageHDU if compressed else fits.ImageHDU)(stored)
    file = bytearray(written(fits.PrimaryHDU(), hdu))
    cards = f"{'BLANK':8}= {7:>20}".ljust(80) + f"{'BZERO':8}= {bzero:>20}".ljust(80)
    end = file.index(b"END     ", file.index(b"XTENSION"))
    file[end : end + 160 + 80] = cards.encode() + b"END".ljust(80)
    pixels = read(bytes(file)).pixels

    assert np.isnan(pixels[0, 7])
    assert np.nansum(np.isnan(pixels)) == 1
    assert pixels[3, 3] == 63 + bzero


def test_scaled_integers_have_their_units() -> None:
    """BSCALE and BZERO are applied."""
    cards = {"BITPIX": 16, "NAXIS": 2, "NAXIS1": 3, "NAXIS2": 2, "BSCALE": 0.5, "BZERO": 0}
    scaled = raw(np.arange(6, dtype=">i2").tobytes(), **cards)

    assert read(scaled).pixels.tolist() == [[0, 0.5, 1], [1.5, 2, 2.5]]


def test_doubles_keep_the_digits_that_the_picture_needs() -> None:
    """A faint gradient on a high pedestal is drawn, though single precision cannot hold it."""
    values = 1e9 + np.linspace(0, 10, 64 * 64).reshape(64, 64)

    assert len(np.unique(drawn(frame(values), "stretch=minmax"))) > 200
    assert len(np.unique(drawn(frame(values), "stretch=minmax", (16, 16)))) > 100


def test_the_first_image_of_two_dimensions_is_taken() -> None:
    """Tables, empty HDUs and one-dimensional spectra are passed over."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=np.arange(3))])
    spectrum, picture = np.arange(9.0), np.arange(12.0).reshape(3, 4)
    file = written(fits.PrimaryHDU(), table, _image(spectrum), _image(picture), _image(picture + 9))

    assert np.array_equal(read(file).pixels, picture)


@pytest.mark.parametrize(
    ("text", "value"),
    [("hdu=2", 2), ("hdu=sci", 1), ("hdu=SCI:2", 2), ("hdu=ERR", 3), ("hdu=SCI:1", 1)],
)
def test_an_hdu_is_asked_for_by_number_or_name(text: str, value: int) -> None:
    """``hdu=`` counts from the primary one, 0; names are EXTNAME and EXTVER, in any case."""
    told = ((1, "SCI", 1), (2, "SCI", 2), (3, "ERR", 1))
    hdus = [_image(np.full((2, 2), n), name, EXTVER=version) for n, name, version in told]
    file = written(fits.PrimaryHDU(), *hdus)

    assert read(file, text).pixels[0, 0] == value


@pytest.mark.parametrize(("text", "value"), [("", 2), ("plane=1", 0), ("plane=5", 4)])
def test_of_a_cube_one_plane_is_read(text: str, value: int) -> None:
    """The middle plane, or the one that is asked for, counted from 1."""
    cube = np.arange(5.0)[:, None, None] * np.ones((5, 3, 4))

    assert read(frame(cube), text).pixels.tolist() == [[value] * 4] * 3


def test_axes_of_a_hypercube_count_on() -> None:
    """Planes of more than three dimensions are counted as they lie in the file."""
    cube = np.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)

    assert np.array_equal(read(frame(cube), "plane=5").pixels, cube[1, 1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this FITS file has no 2-D image; its HDUs: 0 without data, 1 EVENTS binary table"),
        ("hdu=1", "hdu=1 is no 2-D image: 1 EVENTS binary table"),
        ("hdu=7", "this FITS file has no HDU 7; its HDUs: 0 without data, 1 EVENTS binary table"),
    ],
)
def test_a_file_without_an_image_says_what_it_holds(text: str, said: str) -> None:
    """The reason names the HDUs."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1])], name="EVENTS")
    with pytest.raises(ImageError) as refused:
        read(written(fits.PrimaryHDU(), table), text)

    assert (refused.value.reason, refused.value.detail) == ("not_an_image", said)


def test_a_plane_that_is_not_there_is_refused() -> None:
    """``plane=`` beyond the cube says how many planes there are."""
    with pytest.raises(ImageError, match="plane=6 is not there: accepted of this image: 1 to 5"):
        read(frame(np.zeros((5, 2, 2))), "plane=6")


def _quadrants(whole: Array, overscan: int = 5) -> bytes:
    """Cut a detector into four as amplifiers read it: outwards, with overscan after the data."""
    height, width = whole.shape
    y, x = height // 2, width // 2
    hdus = []
    for left, low in ((0, 0), (x, 0), (0, y), (x, y)):
        data = whole[low : low + y, left : left + x]
        ends = [(left + 1, left + x), (low + 1, low + y)]
        if left:
            data, ends[0] = data[:, ::-1], ends[0][::-1]
        if low:
            data, ends[1] = data[::-1], ends[1][::-1]
        read_out = np.pad(data, ((0, 0), (0, overscan)), constant_values=-99)
        detsec = "[{}:{},{}:{}]".format(*ends[0], *ends[1])
        hdus.append(_image(read_out, DETSEC=detsec, DATASEC=f"[1:{x},1:{y}]"))
    return written(fits.PrimaryHDU(), *hdus)


def test_a_detectors_quadrants_are_laid_together() -> None:
    """DETSEC says where each goes and which way round, DATASEC what of it is data."""
    whole = stars(60, 80)

    assert np.array_equal(read(_quadrants(whole), "mosaic=yes").pixels, whole)


def test_a_mosaic_is_shrunk_as_one() -> None:
    """Blocks may cross the quadrants' borders."""
    whole = stars(60, 84)

    assert np.array_equal(
        drawn(_quadrants(whole), "mosaic=yes", (14, 10)), drawn(frame(whole), "", (14, 10))
    )


def test_a_mosaic_of_frames_that_tell_no_section_is_the_first_image() -> None:
    """Where no HDU has DETSEC the first image is taken, and that is noted."""
    plane = read(frame(stars(20, 20)), "mosaic=yes")

    assert plane.pixels.shape == (20, 20)
    assert plane.notes == ("no_detsec",)


def test_a_detector_cannot_be_claimed_larger_than_the_limit() -> None:
    """DETSEC is only a card: the canvas it leads to is held to the limit of pixels."""
    far = _image(np.ones((2, 2)), DETSEC="[900001:900002,900001:900002]")
    near = _image(np.ones((2, 2)), DETSEC="[1:2,1:2]")
    with pytest.raises(ImageError, match="too_many_pixels"):
        read(written(fits.PrimaryHDU(), near, far), "mosaic=yes")


def test_a_truncated_frame_is_refused_or_read_as_far_as_it_goes() -> None:
    """What is missing has no value; without leave the file is refused."""
    pixels = stars(100, 50)
    file = frame(pixels)[: 2880 + 50 * 4 * 60]
    with pytest.raises(ImageError, match="truncated: the image's data end at byte"):
        read(file)
    plane = read_plane(file, parse_fits(""), Limits(), lenient=True)

    assert np.array_equal(plane.pixels[:60], pixels[:60])
    assert np.isnan(plane.pixels[60:]).all()


def test_hdus_are_limited() -> None:
    """A file of very many HDUs is not walked to its end."""
    file = written(fits.PrimaryHDU(), *(fits.ImageHDU() for _ in range(12)))
    with pytest.raises(ImageError, match="too_many_frames: more than 10 HDUs"):
        read_plane(file, parse_fits(""), Limits(max_frames=10))


@pytest.mark.parametrize("text", ["", "stretch=asinh,median=yes"])
def test_a_compressed_frame_too_large_to_hold_gives_the_same_picture(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held or decompressed twice, by tiles that no band fits: the greys are the same."""
    hdu = fits.CompImageHDU(
        stars(), compression_type="GZIP_2", tile_shape=(37, 50), quantize_level=0
    )
    file = written(fits.PrimaryHDU(), hdu)
    held = drawn(file, text, (60, 40))
    monkeypatch.setattr("shard.imaging.fits.rows.HELD", 1000)
    monkeypatch.setattr("shard.imaging.fits.rows.BAND", 5000)

    assert np.array_equal(drawn(file, text, (60, 40)), held)
    assert np.array_equal(held, drawn(frame(stars()), text, (60, 40)))


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("scale", [(1, 0), (1, 32768), (2.0, 5.5)], ids=["as_is", "unsigned", "by"])
@pytest.mark.parametrize("blank", [0, 3])
def test_blank_is_no_value_also_where_it_is_0(
    blank: int, scale: tuple[float, float], *, compressed: bool
) -> None:
    """Of integers, whatever they are scaled by, the pixels of BLANK and no others are NaN."""
    pixels = (np.arange(900).reshape(30, 30) % 9).astype(np.int16)
    cards = {"BLANK": blank, "BSCALE": scale[0], "BZERO": scale[1]}
    if compressed:
        hdu = fits.CompImageHDU(pixels, header=fits.Header(cards), do_not_scale_image_data=True)
        file = written(fits.PrimaryHDU(), hdu)
    else:
        told = {"BITPIX": 16, "NAXIS": 2, "NAXIS1": 30, "NAXIS2": 30, **cards}
        file = raw(pixels.astype(">i2").tobytes(), **told)

    assert np.array_equal(np.isnan(read(file).pixels), pixels == blank)


@pytest.mark.parametrize("blank", [None, 7])
def test_64_bits_without_a_sign_are_exact(blank: int | None) -> None:
    """Small numbers are not rounded away beside the 2^63 that is added to them."""
    pixels = np.arange(900, dtype=np.uint64).reshape(30, 30)
    stored = (pixels.astype(object) - (1 << 63)).astype(">i8")
    told = {"BITPIX": 64, "NAXIS": 2, "NAXIS1": 30, "NAXIS2": 30, "BZERO": 1 << 63}
    if blank is not None:
        told["BLANK"] = blank - (1 << 63)
    met = read(raw(stored.tobytes(), **told)).pixels

    assert np.array_equal(np.isnan(met), pixels == blank)
    assert np.array_equal(met[~np.isnan(met)], pixels[~np.isnan(met)].astype(np.float64))


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"BITPIX": 17, "NAXIS": 2, "NAXIS1": 30, "NAXIS2": 30}, "BITPIX is 17"),
        ({"BITPIX": 8, "NAXIS": 3, "NAXIS1": 30, "NAXIS2": 30}, "no NAXIS3"),
        ({"BITPIX": 8, "NAXIS": 2, "NAXIS1": 10**10, "NAXIS2": 10**10}, "no file has as many"),
    ],
)
def test_a_header_that_makes_no_sense_is_told_in_a_sentence(
    cards: dict[str, int], said: str
) -> None:
    """Which card, or which sizes: not what a library happened to stumble over."""
    with pytest.raises(ImageError, match=said) as refused:
        read(raw(bytes(900), **cards))

    assert refused.value.reason == "corrupt"


@pytest.mark.parametrize("side", ["'abc'", -30, 1.5])
def test_a_side_that_is_no_number_makes_a_damaged_image(side: object) -> None:
    """Nothing is multiplied by it."""
    cards = {"BITPIX": 8, "NAXIS": 2, "NAXIS1": 30, "NAXIS2": side}
    with pytest.raises(ImageError, match="of no known kind") as refused:
        read(raw(bytes(900), **cards))

    assert refused.value.reason == "not_an_image"


@pytest.mark.parametrize("place", ["primary", "extension", "compressed", "table"])
def test_axes_without_end_are_not_counted(place: str) -> None:
    """A header that tells a hundred thousand axes or columns is a damaged one, and passed over."""
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=np.zeros(3))])
    hdu, name = {
        "primary": (_image(np.zeros((30, 40))), "NAXIS"),
        "extension": (_image(np.zeros((30, 40))), "NAXIS"),
        "compressed": (fits.CompImageHDU(np.zeros((30, 40), np.int16)), "ZNAXIS"),
        "table": (table, "TFIELDS"),
    }[place]
    file = frame(np.zeros((30, 40))) if place == "primary" else written(fits.PrimaryHDU(), hdu)
    cards = [file[at : at + 80] for at in range(0, len(file), 80)]
    at = max(number for number, card in enumerate(cards) if card[:8] == f"{name:8}".encode())
    cards[at] = f"{name:8}= {100_000:>20}".ljust(80).encode()
    with pytest.raises(ImageError, match="of no known kind") as refused:
        read(b"".join(cards))

    assert refused.value.reason == "not_an_image"
