"""From values to greys: formulas against other programs', and frames that have no range."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.visualization import (
    AsinhStretch,
    LogStretch,
    PercentileInterval,
    SqrtStretch,
    ZScaleInterval,
)
from fits2image.scaling import recalculate_median
from scipy.ndimage import median_filter

from tests.imaging.fits.frames import Array, drawn, frame, read, stars

RAMP: Array = np.linspace(0, 1000, 100 * 120).reshape(100, 120)


@pytest.mark.parametrize(
    ("name", "curve"),
    [("asinh", AsinhStretch()), ("log", LogStretch()), ("sqrt", SqrtStretch())],
)
def test_curves_are_astropys(name: str, curve: AsinhStretch) -> None:
    """asinh, log and sqrt are those of astropy.visualization, between its percentile limits."""
    low, high = PercentileInterval(99.5).get_limits(RAMP)
    part = np.clip((RAMP - low) / (high - low), 0, 1)

    assert np.abs(drawn(frame(RAMP), f"stretch={name},flip=none") - 255 * curve(part)).max() <= 1


def test_minmax_is_linear_and_exact() -> None:
    """The least value is 0, the largest 255, though only one pixel has either."""
    pixels = stars()
    pixels[5, 7], pixels[80, 90] = -500, 90_000
    levels = read(frame(pixels), "stretch=minmax").levels

    assert (levels.low, levels.high) == (-500, 90_000)


def test_astropys_zscale_is_astropys() -> None:
    """Its limits lie where astropy finds them, within what another sample of the sky gives."""
    pixels = stars()
    low, high = ZScaleInterval(contrast=0.25, n_samples=2000).get_limits(pixels)
    levels = read(frame(pixels), "stretch=astropy-zscale,contrast=0.25").levels

    assert levels.low == pytest.approx(low, abs=(high - low) / 20)
    assert levels.high == pytest.approx(high, abs=(high - low) / 20)


def test_limits_that_are_given_hold() -> None:
    """What is at zmin or below is black, at zmax or above white; 0 is a value."""
    picture = drawn(frame(RAMP - 500), "zmin=0,zmax=100,gamma=1,flip=none")

    assert picture[RAMP - 500 <= 0].max() == 0
    assert picture[RAMP - 500 >= 100].min() == 255
    assert set(range(256)) <= set(picture.ravel().tolist())


@pytest.mark.parametrize("percentile", [90, 99.5, 100])
def test_percentile_normalisation_is_the_observatorys(percentile: float) -> None:
    """``median=yes`` draws what fits2image's own normalisation makes of the plain picture."""
    file = frame(stars(200, 300))
    plain = drawn(file, "zmin=60,zmax=600")

    theirs = recalculate_median(plain.astype(np.uint8), percentile).astype(int)
    ours = drawn(file, f"zmin=60,zmax=600,median=yes,percentile={percentile}")
    assert np.array_equal(ours, theirs)


def test_the_median_filter_is_three_by_three() -> None:
    """``filter=median`` gives each pixel the median of its nine."""
    file = frame(stars())
    filtered = median_filter(drawn(file), 3)

    assert np.array_equal(drawn(file, "filter=median")[1:-1, 1:-1], filtered[1:-1, 1:-1])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("stretch", ["zscale", "astropy-zscale", "minmax", "percentile", "log"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (40, 60)])
def test_a_frame_of_one_value_is_black(dtype: type, stretch: str, shape: tuple[int, int]) -> None:
    """Constant frames, however small, are drawn as the lowest value."""
    file = frame(np.full(shape, 77, dtype))

    assert not drawn(file, f"stretch={stretch},median=yes").any()
    assert not drawn(file, f"stretch={stretch}", (1, 1)).any()


@pytest.mark.parametrize("text", ["", "stretch=minmax", "stretch=asinh,median=yes,filter=median"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_frame_without_a_value_is_black(text: str, value: float) -> None:
    """All-NaN and all-infinite frames are drawn as the lowest value."""
    assert not drawn(frame(np.full((30, 40), value)), text).any()
    assert not drawn(frame(np.full((30, 40), value)), text, (5, 5)).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_has_no_value_counts_for_nothing(value: float) -> None:
    """NaN and infinity change no limit, are black themselves, and do not darken their block."""
    pixels = stars(200, 200)
    pixels[::7, ::3] = np.nan
    holes = pixels.copy()
    holes[::7, ::3] = value
    there, want = frame(pixels), frame(holes)

    assert read(there).levels.high == read(want).levels.high
    assert not drawn(want, "flip=none")[::7, ::3].any()
    assert np.array_equal(drawn(there, "", (40, 40)), drawn(want, "", (40, 40)))


def test_a_hole_takes_its_neighbours_grey_in_a_small_picture() -> None:
    """A block's mean is that of the pixels that have a value."""
    pixels = np.tile(np.arange(64.0), (64, 1))
    pixels[:, 1::2] = np.nan

    assert drawn(frame(pixels), "stretch=minmax,flip=none", (16, 16))[0, -1] > 245


def test_more_than_half_saturated_still_has_contrast() -> None:
    """Where the median is the largest value, the sample's extremes are the limits."""
    pixels = stars(100, 100)
    pixels[:70] = 65_000

    assert drawn(frame(pixels)).max() == 255
    assert drawn(frame(pixels)).min() == 0


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1.0, 1e38, 1e-310, 1e308])
@pytest.mark.parametrize("want", [None, (30, 30)], ids=["whole", "shrunk"])
def test_the_unit_does_not_matter(scale: float, want: tuple[int, int] | None) -> None:
    """Values at either end of what floating point can say are drawn as any others."""
    steps = np.linspace(-1, 1, 101)
    pixels = np.repeat(np.repeat(np.outer(np.ones(101), steps), 2, 0), 2, 1)
    single = 1e-44 <= scale <= 1e38
    scaled = (pixels * scale).astype(np.float32 if single else np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        met = drawn(frame(scaled), "stretch=minmax", want)
    plain = drawn(frame(np.rint(scaled.astype(np.float64) / scale * 1e6)), "stretch=minmax", want)

    assert np.abs(met - plain).max() <= 1
