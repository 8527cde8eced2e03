"""Stars are found and matched alike every time, and nothing is matched that is not there."""

from __future__ import annotations

import astroalign
import numpy as np
import pytest

from shard.imaging.fits import stars
from tests.imaging.fits.skies import camera, field, matrix


def test_found_where_they_are() -> None:
    """Stars are found within a tenth of a pixel, the brightest first."""
    sky = field(20)
    found = stars.find(camera(sky).pixels)
    inside = sky[np.abs(sky[:, :2]).max(axis=1) < 190]
    brightest = inside[inside[:, 2].argmax(), :2] + 199.5

    assert len(found) >= len(inside)
    assert np.hypot(*(found - brightest).T).min() < 0.1
    assert np.hypot(*(found[0] - brightest)) < 0.1


def test_at_most_the_brightest_forty() -> None:
    """A rich field does not cost more than forty stars do."""
    assert len(stars.find(camera(field(200)).pixels)) == stars.MOST


@pytest.mark.parametrize("seed", range(6))
def test_noise_matches_nothing(seed: int) -> None:
    """Two sets of random places have no transformation in common."""
    random = np.random.default_rng(seed)
    here, there = (random.uniform(0, 400, (count, 2)) for count in (40, 6 + 5 * seed))

    assert stars.match(here, there) is None


def test_three_stars_prove_nothing() -> None:
    """Three stars always make a triangle: no match with fewer than four."""
    places = field(3)[:, :2]

    assert stars.match(places, places + 5) is None


def test_some_of_the_stars_may_be_others() -> None:
    """Two filters show different stars: 20 of 26 in common suffice."""
    random = np.random.default_rng(3)
    shared = random.uniform(0, 400, (20, 2))
    here, there = (np.concatenate((shared, random.uniform(0, 400, (6, 2)))) for _ in (0, 1))
    found = stars.match(here, there @ matrix(25).T + [30, -12])

    assert found is not None
    assert np.allclose(found(shared), shared @ matrix(25).T + [30, -12], atol=0.5)


@pytest.mark.parametrize("places", ["lattice", "line", "one point"])
def test_degenerate_places_end(places: str) -> None:
    """Regular patterns, as of hot columns or pinholes, end in an answer."""
    row = np.arange(6.0)
    grid = np.array(np.meshgrid(row * 50, row * 50)).reshape(2, -1).T
    set_of = {"lattice": grid, "line": grid * [1, 0] + [0, 7], "one point": grid * 0.0 + 5}[places]
    found = stars.match(set_of + np.random.default_rng(0).normal(0, 0.05, set_of.shape), set_of)

    assert found is None or np.isfinite(found.params).all()


def test_astroalign_shuffles_by_our_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library still takes its generator from where we seed it: else bytes would differ."""
    asked = []
    seeded = stars._SeededRandom.default_rng

    def counted() -> np.random.Generator:
        asked.append(1)
        return seeded()

    monkeypatch.setattr(stars._SeededRandom, "default_rng", staticmethod(counted))
    places = field(20)[:, :2]
    assert stars.match(places, places + np.array([3, 4])) is not None

    assert asked
    assert isinstance(astroalign._np, stars._SeededNumpy)


def test_finer_pixels_are_averaged() -> None:
    """A frame of four times finer pixels keeps its light when laid onto a coarse one."""
    found = stars.match(field(20)[:, :2] * 4, field(20)[:, :2])
    assert found is not None
    fine = np.random.default_rng(0).normal(100, 20, (400, 400)).astype(np.float32)
    laid = stars.lay(fine, found, (100, 100))

    assert np.nanstd(laid) < 8
    assert np.nanmean(laid) == pytest.approx(100, abs=0.5)
