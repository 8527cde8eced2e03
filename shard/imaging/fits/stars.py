"""Planes laid onto one another by their stars, for headers that do not say where they look."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from shard.imaging.fits.library import library, silent

if TYPE_CHECKING:
    from shard.imaging.fits.rows import Array

MOST = 40
"""Brightest stars looked at. Time grows with the fourth power; 40 take at most half a second."""

FEWEST = 4
"""Stars that must agree: three always make a triangle, the fourth is the proof."""

_SIGMA = 5.0  # above the background's own noise
_NO_NOISE = 1.0  # what sep says of a sky of one value; ours are parts of the largest
_FAINTEST = 0.01  # of the largest value: a star, where the sky has no noise
_AREA = 4  # pixels; planes come in shrunk, stars are small
_PAIRS = 4000  # of triangles that look alike; forty random places have some 1,000
_SCALES = (1 / 8, 8.0)
_NEAR = 2.0  # pixels between a star and where the transformation puts it
_AGREEING = 0.3  # of the stars that both planes could have


def find(pixels: Array) -> Array:
    """Return the brightest stars, (n, 2) of x and y from 0: at most ``MOST``, perhaps none."""
    sep = library("sep")
    blind = ~np.isfinite(pixels)
    if blind.all() or min(pixels.shape) < 2 * _AREA:
        return np.empty((0, 2))
    values = pixels[~blind].astype(np.float64)
    sky, most = np.median(values), np.abs(values).max() or 1.0
    # Parts of the largest value: single precision, which sep wants, ends at 3e38.
    light = np.where(blind, 0.0, (pixels - sky) / most).astype(np.float32)
    try:
        background = sep.Background(light, mask=blind)
        noise = background.globalrms
        threshold = _FAINTEST if noise == _NO_NOISE else _SIGMA * noise
        found = sep.extract(light - background.back(), threshold, mask=blind, minarea=_AREA)
    except Exception:  # noqa: BLE001 - sep says "overflow" of many things: no stars to go by
        return np.empty((0, 2))
    # Ties in brightness are broken by place, so that the same frame has the same stars everywhere.
    order = np.lexsort((found["x"], found["y"], -found["flux"]))[:MOST]
    return np.column_stack((found["x"], found["y"]))[order]


def match(stars: Array, onto: Array) -> Any | None:
    """Return the similarity (``skimage`` transform, x and y) that lays ``stars`` ``onto`` others.

    ``None`` if there is none to be relied on: fewer than four stars agree within two pixels, or
    less than three in ten of those that lie where the other plane has stars too (two filters do
    not show the same stars as the brightest).
    """
    if min(len(stars), len(onto)) < FEWEST:
        return None
    find_transform = _astroalign().find_transform
    try:
        with silent():
            found, _ = find_transform(stars, onto)
    except Exception:  # noqa: BLE001 - MaxIterError, or numpy on stars that lie on one line
        return None
    if not np.isfinite(found.params).all() or not _SCALES[0] <= found.scale <= _SCALES[1]:
        return None
    return found if _agree(found(stars), onto) else None


def _agree(laid: Array, onto: Array) -> bool:
    near = library("scipy.spatial").KDTree(onto).query(laid)[0] <= _NEAR
    low, high = onto.min(axis=0) - _NEAR, onto.max(axis=0) + _NEAR
    shared = ((laid >= low) & (laid <= high)).all(axis=1)
    return bool(near.sum() >= FEWEST and near.sum() >= _AGREEING * min(shared.sum(), len(onto)))


def lay(pixels: Array, transform: Any, shape: tuple[int, ...]) -> Array:
    """Resample ``pixels`` by ``transform`` to ``shape``, bilinear; NaN where there is nothing.

    A plane with finer pixels is first averaged in whole blocks, or its stars would be picked or
    missed by chance.
    """
    geometry = library("skimage.transform")
    back = np.linalg.inv(transform.params)
    block = max(1, int(1 / transform.scale))
    if block > 1:
        high, wide = (side // block * block for side in pixels.shape)
        blocks = pixels[:high, :wide].reshape(high // block, block, wide // block, block)
        pixels = blocks.mean(axis=(1, 3), dtype=np.float64).astype(pixels.dtype)
        middle = (block - 1) / 2  # of the first block, in pixels
        back = np.array([[1, 0, -middle], [0, 1, -middle], [0, 0, block]]) / block @ back
    laid = geometry.warp(
        pixels, geometry.AffineTransform(back), output_shape=shape, order=1, cval=np.nan
    )
    return np.asarray(laid, dtype=pixels.dtype)


class _SeededRandom:
    """numpy.random as astroalign sees it: the same shuffle every time."""

    @staticmethod
    def default_rng() -> np.random.Generator:
        return np.random.default_rng(0)


class _SeededNumpy:
    """numpy as astroalign sees it."""

    random = _SeededRandom

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@cache
def _astroalign() -> Any:
    """Return astroalign, made repeatable.

    It shuffles candidates by a generator that it seeds from the system, and has no parameter for
    it; the same request would get other bytes now and then. And it tries each pair of triangles
    that look alike against all others: where all do, without end.
    """
    astroalign = library("astroalign")
    consensus = astroalign._ransac  # noqa: SLF001 - as below

    def bounded(pairs: Any, *rest: Any) -> Any:
        if len(pairs) > _PAIRS:
            raise astroalign.MaxIterError
        return consensus(pairs, *rest)

    astroalign._ransac = bounded  # noqa: SLF001 - as below
    astroalign._np = _SeededNumpy()  # noqa: SLF001 - see above; a test proves that it is needed
    return astroalign
