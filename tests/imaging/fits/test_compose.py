"""Three frames become one picture: aligned by WCS, else by stars, else as they are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.io.fits import Card, Header
from hypothesis import given, settings
from hypothesis import strategies as st

from shard.errors import ImageError
from shard.imaging.fits import compose as module
from shard.imaging.fits import library, stars
from shard.imaging.fits.compose import compose, want
from shard.imaging.fits.plane import read_plane
from shard.model import Limits
from shard.planning.fits import FitsOptions
from tests.imaging.fits.skies import camera, field, matrix, plane, saved

if TYPE_CHECKING:
    from PIL import Image

    from shard.imaging.fits.plane import Plane

OPTIONS = FitsOptions(gamma=1.0)
STARS = field()
VISUAL = camera(STARS, noise=2)
DARK = camera(STARS[:0], noise=5)
"""A frame of the same sky that shows no star: only its WCS can tell where it lies."""


def light_of(image: Image.Image, shape: tuple[int, int] = (400, 400)) -> Any:
    """Return the picture's values at the stars that lie 20 pixels inside: (n, 3)."""
    x, y = (np.rint(STARS[:, axis] + (shape[1 - axis] - 1) / 2).astype(int) for axis in (0, 1))
    inside = (x > 20) & (x < shape[1] - 20) & (y > 20) & (y < shape[0] - 20)
    return np.asarray(image)[::-1][y[inside], x[inside]]


def edited(of: Plane, **cards: Any) -> Plane:
    """Return a plane whose header has other values; ``None`` takes a card away."""
    header = of.header.copy()
    for name, value in cards.items():
        if value is None:
            header.remove(name, ignore_missing=True)
        else:
            header[name] = value
    return replace(of, header=header)


CAMERAS = [
    pytest.param({}, {}, id="one grid"),
    pytest.param({"turn": matrix(180)}, {}, id="half a turn"),
    pytest.param({"turn": matrix(90)}, {"turn": matrix(-90)}, id="quarter turns"),
    pytest.param({"shape": (800, 800), "turn": matrix(3, 2)}, {}, id="twice as fine"),
    pytest.param({"shape": (1240, 1240), "turn": matrix(0, 3.1)}, {}, id="three times as fine"),
    pytest.param({"shape": (500, 450)}, {"shape": (480, 520)}, id="larger frames"),
    pytest.param({"turn": matrix(12, 0.9), "shape": (600, 600)}, {"shift": (3.5, -2.25)}, id="all"),
]


@pytest.mark.parametrize("wcs", [True, False], ids=["wcs", "stars"])
@pytest.mark.parametrize(("red", "blue"), CAMERAS)
def test_a_star_of_all_three_is_white(
    red: dict[str, Any], blue: dict[str, Any], *, wcs: bool
) -> None:
    """However red and blue were taken, every star lies on itself, alike in each colour."""
    frames = (
        camera(STARS, noise=1, wcs=wcs, **red),
        camera(STARS, noise=2, wcs=wcs),
        camera(STARS, noise=3, wcs=wcs, **blue),
    )
    made = compose(*frames, OPTIONS)
    light = light_of(made.image, made.image.size[::-1]).astype(int)

    assert made.aligned == ("wcs" if wcs else "stars")
    if made.image.size == (400, 400):
        assert light.min() > 100
        assert np.ptp(light, axis=1).max() < 60


@pytest.mark.parametrize("wcs", [True, False], ids=["wcs", "stars"])
def test_cropped_to_what_all_share(*, wcs: bool) -> None:
    """Frames that were shifted are cropped to the area that all of them show."""
    red = camera(STARS, shift=(30, 0), noise=1, wcs=wcs)
    blue = camera(STARS, shift=(0, -20), noise=3, wcs=wcs)
    made = compose(red, camera(STARS, noise=2, wcs=wcs), blue, OPTIONS)

    assert abs(made.image.size[0] - 370) <= 1
    assert abs(made.image.size[1] - 380) <= 1


def test_each_colour_is_its_own_frame() -> None:
    """Red, visual and blue become red, green and blue, in this order."""
    only = [STARS[index : index + 1] * [0, 0, 1] for index in (0, 1, 2)]
    for axis in (0, 1, 2):
        frames = [camera(only[axis] if axis == at else STARS[:0], noise=at) for at in (0, 1, 2)]
        image = np.asarray(compose(frames[0], frames[1], frames[2], OPTIONS).image)

        assert image[200, 200].argmax() == axis
        assert image[200, 200, axis] == 255


def test_what_a_frame_does_not_reach_is_its_lowest_value() -> None:
    """The corners that a turned frame leaves out are black in its colour, and only there."""
    red = camera(STARS, turn=matrix(45))
    made = compose(red, VISUAL, VISUAL, replace(OPTIONS, zmin=0.0))
    image = np.asarray(made.image)

    assert made.aligned == "wcs"
    assert image.shape == (400, 400, 3)
    assert image[2, 2, 0] == 0
    assert image[:8, :8, 0].max() == 0


def test_unaligned_are_cropped_around_their_middles() -> None:
    """Frames that nothing aligns are shown as they are, and the result says why."""
    frames = [camera(STARS[:0], shape, wcs=False) for shape in ((300, 200), (250, 400), (280, 280))]
    marked = [frame.pixels.copy() for frame in frames]
    for pixels in marked:
        height, width = pixels.shape
        pixels[height // 2, width // 2] = 1e6
    red, visual, blue = (plane(pixels, Header()) for pixels in marked)
    made = compose(red, visual, blue, OPTIONS)

    assert made.aligned is None
    assert made.image.size == (200, 250)
    assert made.notes == (
        "red and blue could be aligned neither by WCS nor by stars",
        "the frames are laid together as they are, unaligned",
    )
    assert made.image.getpixel((100, 250 - 1 - 125)) == (255, 255, 255)


def test_one_frame_that_finds_no_place_leaves_all_unaligned() -> None:
    """The note names the frame that could not be aligned."""
    made = compose(VISUAL, VISUAL, replace(DARK, header=Header()), OPTIONS)

    assert made.aligned is None
    assert made.notes[0] == "blue could be aligned neither by WCS nor by stars"


def test_stars_step_in_where_one_wcs_is_missing() -> None:
    """A frame without WCS is laid onto the others by its stars, and the notes say which one."""
    blue = camera(STARS, turn=matrix(20), wcs=False)
    made = compose(camera(STARS, noise=1, shift=(4, 4)), VISUAL, blue, OPTIONS)

    assert made.aligned == "stars"
    assert made.notes == (
        "blue was aligned by its stars, as the WCS of the frames did not suffice",
    )


def test_a_wcs_that_was_not_solved_gives_way_to_stars() -> None:
    """WCSERR says that the WCS is only where the telescope was sent: stars are asked first."""
    sent = edited(camera(STARS, shift=(9, 5), noise=1), WCSERR=4)
    wrong = edited(sent, CRPIX1=VISUAL.header["CRPIX1"], CRPIX2=VISUAL.header["CRPIX2"])

    assert compose(wrong, VISUAL, VISUAL, OPTIONS).aligned == "stars"
    assert light_of(compose(edited(wrong, WCSERR=0), VISUAL, VISUAL, OPTIONS).image).min() < 50
    assert compose(edited(DARK, WCSERR=4), VISUAL, VISUAL, OPTIONS).aligned == "wcs"


SIP: dict[str, Any] = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3}
TPV: dict[str, Any] = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV2_1": 1.0}
USABLE: list[dict[str, Any]] = [
    {**SIP, "B_ORDER": 3, "A_3_0": 1e-8, "B_0_3": -1e-8},
    {**TPV, "PV1_4": 1e-3},
    {"WCSAXES": 3, "CTYPE3": "FREQ", "CRVAL3": 1e9},
    {"CPDIS1": "LOOKUP", "CPDIS2": "LOOKUP"},
    {"PPO3": 1.0, "AMDX1": 2.0, "AMDY1": 2.0},
    {"DATE-OBS": "yesterday", "MJD-OBS": 1e300, "OBSGEO-X": "here"},
    {"WCSERR": "unknown"},
]
NONSENSE: list[dict[str, Any]] = [
    {"CTYPE1": None, "CTYPE2": None},
    {"CTYPE1": None},
    {"CTYPE1": 5},
    {"CTYPE2": "WAVE"},
    {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
    {"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"},
    {"CTYPE1": "TLON-TAN", "CTYPE2": "TLAT-TAN"},
    {"CD1_1": 0.0, "CD1_2": 0.0},
    {"CD1_1": 0.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.0},
    {"CD1_1": None, "CD1_2": None, "CD2_1": None, "CD2_2": None},
    {"CD1_1": 1e-9, "CD2_2": 1e-9},
    {"CD1_1": 5.0, "CD2_2": 5.0},
    {"CRVAL1": "NaN"},
    {"CRVAL1": None},
    {"CRVAL2": 1e30},
    {"CRVAL2": -60.0},
    {"CRVAL1": 330.0, "CRVAL2": -2.0},
    {"CRVAL2": 2.35},
    {"CRPIX1": "abc"},
    {"CRPIX1": 1e12},
    {"CUNIT1": "furlong"},
    {"RADESYS": "FK4", "EQUINOX": -1e9},
    {**SIP, "B_ORDER": 3, "A_3_0": 1e-2, "B_0_3": 1e-2, "A_2_1": -3e-3},
    {**SIP, "A_ORDER": 10**6},
    {**TPV, "PV1_1": 0.0, "PV1_4": 1e9},
]


def name_of(cards: dict[str, Any]) -> str:
    """Return cards as a test's name."""
    return ",".join(f"{name}={value}" for name, value in cards.items())


@pytest.mark.parametrize("cards", USABLE, ids=name_of)
def test_headers_to_be_worked_with(cards: dict[str, Any]) -> None:
    """Distortions, further axes and stray cards do not keep a frame from being aligned by WCS."""
    assert compose(edited(DARK, **cards), VISUAL, VISUAL, OPTIONS).aligned == "wcs"
    assert compose(DARK, edited(VISUAL, **cards), DARK, OPTIONS).aligned == "wcs"


@pytest.mark.parametrize("cards", NONSENSE, ids=name_of)
def test_headers_to_be_doubted(cards: dict[str, Any]) -> None:
    """Nonsense, and another part of the sky, end in a picture that says it is unaligned."""
    for frames in (
        (edited(DARK, **cards), VISUAL, VISUAL),
        (DARK, edited(VISUAL, **cards), DARK),
    ):
        made = compose(*frames, OPTIONS)

        assert made.aligned is None
        assert made.image.size == (400, 400)
        assert made.notes


def test_a_card_that_cannot_be_read() -> None:
    """A damaged card of the WCS is a WCS that cannot be relied on, not an error."""
    header = DARK.header.copy()
    del header["CRVAL1"]
    header.append(Card.fromstring("CRVAL1  = '' 1.2.3 ''"))
    made = compose(replace(DARK, header=header), VISUAL, VISUAL, replace(OPTIONS, flip="vertical"))

    assert made.aligned is None


CARDS = [
    *("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2"),
    *("PV1_1", "PV2_3", "LONPOLE", "LATPOLE", "A_2_0", "B_1_1", "AP_0_2", "EQUINOX"),
]
numbers = st.one_of(st.floats(-400, 400), st.sampled_from([0.0, 1e-300, 1e300, -1e-5, 1e-3]))


@settings(max_examples=40, deadline=None)
@given(
    cards=st.dictionaries(
        st.sampled_from(CARDS),
        numbers,
        max_size=4,
    ),
    projection=st.sampled_from(["TAN", "TAN-SIP", "TPV", "ZPN", "SIN", "CAR", "TNX", "AIT", "HPX"]),
)
def test_any_wcs_ends_in_a_picture(cards: dict[str, float], projection: str) -> None:
    """Any numbers in any projection: an answer, and a picture."""
    small = camera(STARS[:0], (60, 50))
    kinds = {"CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}", "A_ORDER": 2}
    made = compose(edited(small, **kinds, **cards), small, small, OPTIONS)

    assert min(made.image.size) >= 1
    assert made.aligned in ("wcs", None)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (7, 5)], ids=str)
@pytest.mark.parametrize("value", [0.0, -7.5, np.nan, 3e38], ids=str)
def test_tiny_constant_and_empty_frames(shape: tuple[int, int], value: float) -> None:
    """Frames without anything to see make a picture, alone and beside others."""
    empty = plane(np.full(shape, value), VISUAL.header)
    for frames in ((empty, empty, empty), (empty, VISUAL, VISUAL), (VISUAL, empty, VISUAL)):
        made = compose(*frames, OPTIONS)

        assert made.image.size <= (shape[1], shape[0])


def test_frames_too_large_are_not_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take too long to align is shown unaligned, and says so."""
    monkeypatch.setattr(module, "_LARGEST", 100_000)
    made = compose(VISUAL, VISUAL, VISUAL, OPTIONS)

    assert made.aligned is None
    assert made.notes[0] == "frames of more than 100,000 pixels are not aligned"


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without astroalign the error says what to install."""
    monkeypatch.setitem(sys.modules, "astroalign", None)
    library.library.cache_clear()
    stars._astroalign.cache_clear()
    red, visual, blue = (camera(STARS, noise=at, wcs=False) for at in (1, 2, 3))
    with pytest.raises(ImageError, match=r"shard\[fits\]") as refused:
        compose(red, visual, blue, OPTIONS)
    monkeypatch.undo()

    assert refused.value.reason == "missing_extra"


BYTES = """
import hashlib, sys
from tests.imaging.fits.skies import camera, field, matrix
from shard.imaging.fits.compose import compose
from shard.planning.fits import FitsOptions
frames = [camera(field(), noise=at, turn=matrix(7.0 * at), wcs=False) for at in (1, 2, 3)]
made = compose(*frames, FitsOptions())
print(made.aligned, hashlib.sha256(made.image.tobytes()).hexdigest())
"""


def test_the_same_bytes_in_every_process() -> None:
    """Alignment by stars has no luck in it: three processes make the same bytes."""
    said = {
        subprocess.run(
            [sys.executable, "-c", BYTES], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }

    assert len(said) == 1
    assert said.pop().startswith("stars ")


@pytest.mark.parametrize("picture", [(200, 200), (500, 100)], ids=str)
def test_planes_read_by_want_still_show_their_stars(picture: tuple[int, int]) -> None:
    """Frames shrunk while they are read are aligned by stars, and by their adjusted WCS."""
    wide = field(80) * [4, 4, 1]
    for wcs, aligned in ((True, "wcs"), (False, "stars")):
        files = [
            saved(camera(wide, (1600, 1600), (20 * at, 9), noise=at, wcs=wcs)) for at in (0, 1, 2)
        ]
        planes = [read_plane(file, FitsOptions(), Limits(), want(*picture)) for file in files]
        made = compose(planes[0], planes[1], planes[2], FitsOptions())

        assert made.aligned == aligned
        assert min(made.image.size) >= 950
