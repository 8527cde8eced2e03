"""Which way up a frame is drawn: by its WCS, as the observatory's renderer turns it."""

from __future__ import annotations

import warnings
from math import cos, radians, sin

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from fits2image import orientation as theirs
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shard.imaging.fits import turned, turned_by
from shard.planning.fits import FitsOptions, parse_fits

AUTO = FitsOptions()
PICTURE = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
KINDS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}


def _header(**cards: object) -> fits.Header:
    return fits.Header({**KINDS, **cards})


def _cd(angle: float, *, mirrored: bool, scale: float = 1e-4) -> fits.Header:
    """Return a camera's header, turned by so many degrees; seen in a mirror or not."""
    c, s = scale * cos(radians(angle)), scale * sin(radians(angle))
    across = -1 if mirrored else 1
    return _header(CD1_1=across * c, CD1_2=-s, CD2_1=across * s, CD2_2=c)


@given(st.floats(0, 360), st.booleans())
def test_frames_are_turned_as_the_observatory_turns_them(angle: float, mirrored: bool) -> None:
    """Any angle and parity leads to the orientation that fits2image finds, but on the diagonals."""
    if abs(angle % 90 - 45) < 0.01:
        return
    header = _cd(angle, mirrored=mirrored)
    wanted = theirs.apply_orientation(PICTURE, theirs.orientation_transform(header))
    ours = turned(PICTURE, turned_by(header, AUTO))

    assert np.array_equal(np.asarray(ours), np.asarray(wanted))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0, 30, 90, 130, 180, 200, 270, 300])
@pytest.mark.parametrize("swapped", [False, True])
def test_north_is_up_and_east_is_left(angle: int, *, mirrored: bool, swapped: bool) -> None:
    """By astropy's WCS the top of what is drawn is the most northern, its left the most eastern."""
    header = _cd(angle, mirrored=mirrored)
    header.update({"CRVAL1": 40.0, "CRVAL2": 20.0, "CRPIX1": 50.5, "CRPIX2": 50.5})
    if swapped:
        for name in ("CTYPE{}", "CRVAL{}", "CD{}_1", "CD{}_2"):
            a, b = name.format(1), name.format(2)
            header[a], header[b] = header[b], header[a]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, x = np.mgrid[0:100, 0:100]
        sky = WCS(header).pixel_to_world(x, y)
    how = turned_by(header, AUTO)
    north, east = (
        np.asarray(turned(Image.fromarray(values.astype(np.float32)), how))
        for values in (sky.dec.deg, sky.ra.deg)
    )

    assert north[:10].mean() > north[-10:].mean()
    assert east[:, :10].mean() > east[:, -10:].mean()


@pytest.mark.parametrize(
    ("cards", "orientation"),
    [
        ({"CDELT1": -1e-4, "CDELT2": 1e-4}, 4),
        ({"CDELT1": 1e-4, "CDELT2": 1e-4}, 3),
        ({"CDELT1": 1e-4, "CDELT2": -1e-4}, 2),
        ({"CDELT1": -1e-4, "CDELT2": 1e-4, "CROTA2": 180.0}, 2),
        ({"CDELT1": -1, "CDELT2": 1, "PC1_1": 0, "PC1_2": 1, "PC2_1": 1, "PC2_2": 0}, 8),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4}, 2),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4, "OBSTYPE": "SPECTRUM"}, 4),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4, "OBSTYPE": "ARC"}, 4),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4, "OBSTYPE": "LAMPFLAT"}, 4),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4, "OBSTYPE": "SPECTROSCOPIC"}, 4),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4, "ESO DPR TYPE": "LAMP,WAVE"}, 4),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4, "OBSTYPE": "EXPOSE"}, 2),
        ({"CD1_1": 1e-4, "CD2_2": -1e-4, "OBSTYPE": "SKYFLAT"}, 2),
        ({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CDELT1": 2.0, "CDELT2": 2.0}, 4),
        ({"CTYPE1": "WAVE", "CTYPE2": "LINEAR", "CD1_1": 1.0, "CD2_2": 1.0}, 4),
        ({"CD1_1": 1e-4, "CD2_2": 0.0}, 4),
        ({"CD1_1": "broken", "CD2_2": 1e-4}, 4),
        ({}, 4),
    ],
)
def test_headers_say_how_a_frame_stands(cards: dict[str, object], orientation: int) -> None:
    """PC, CDELT and CROTA2 count like CD; what shows no sky is only turned upside down."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = _header(**cards)

    assert turned_by(header, AUTO) == orientation


@pytest.mark.parametrize(("text", "orientation"), [("flip=none", 1), ("flip=vertical", 4)])
def test_a_flip_that_is_asked_for_holds(text: str, orientation: int) -> None:
    """``flip=`` wins over the header."""
    assert turned_by(_cd(180, mirrored=False), parse_fits(text)) == orientation
