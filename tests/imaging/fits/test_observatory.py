"""Against fits2image, the observatory's own renderer, on real frames: limits, greys, thumbnails."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy
import numpy as np
import pytest
import reproject
from fits2image import scaling
from PIL import Image

from tests.imaging.fits.frames import drawn, read

if TYPE_CHECKING:
    from collections.abc import Iterator

ASTROPY, REPROJECT = (Path(module.__path__[0]) for module in (astropy, reproject))
COMPRESSED = ASTROPY / "io/fits/hdu/compressed/tests/data"
REAL = {
    "cluster": COMPRESSED / "m13.fits",
    "cluster-rice": COMPRESSED / "m13_rice.fits",
    "cluster-hcompress": COMPRESSED / "m13_hcomp.fits",
    "cluster-gzip": COMPRESSED / "m13_gzip.fits",
    "cluster-plio": COMPRESSED / "m13_plio.fits",
    "galaxy": ASTROPY / "io/fits/tests/data/comp.fits",
    "hubble": ASTROPY / "wcs/tests/data/dist_lookup.fits.gz",
    "sky-survey": ASTROPY / "wcs/tests/data/dss.14.29.56-62.41.05.fits.gz",
    "sun": REPROJECT / "tests/data/aia_171_level1.fits",
    "sun-stereo": REPROJECT / "tests/data/secchi_l0_a.fits",
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the oracle's warnings out of the tests' output."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def _theirs(path: Path, **options: Any) -> Any:
    return np.asarray(scaling.get_scaled_image(str(path), **options)).astype(int)


@pytest.mark.parametrize("name", REAL)
def test_limits_are_the_observatorys(name: str) -> None:
    """Lower and upper limit differ by less than one grey level of the range."""
    data, header = scaling.get_reduced_dimensionality_data(str(REAL[name]))
    samples = scaling.extract_samples(data, header)
    low, high = np.median(samples), scaling.calc_zscale_min_max(samples, 0.1, 1)[1]
    levels = read(REAL[name]).levels

    assert abs(levels.low - low) < (high - low) / 255
    assert abs(levels.high - high) < (high - low) / 255


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("options", ["", "median=yes"])
def test_every_grey_is_the_observatorys(name: str, options: str) -> None:
    """The picture in full differs by one grey level at most, both upside down."""
    theirs = _theirs(REAL[name], transform=None, median=bool(options))
    ours = drawn(REAL[name], ",".join(filter(None, ["flip=vertical", options])))

    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("name", ["cluster", "galaxy"])
def test_thumbnails_look_the_same(name: str) -> None:
    """At a third of the size they differ from the observatory's picture shrunk by 2 greys."""
    ours = drawn(REAL[name], "", (50, 50))
    whole = Image.fromarray(_theirs(REAL[name]).astype(np.uint8))
    theirs = np.asarray(whole.resize(ours.shape[::-1], Image.Resampling.BOX)).astype(int)

    assert ours.shape[0] <= whole.height // 2
    assert np.abs(ours - theirs).mean() < 2
