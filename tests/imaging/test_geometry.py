from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.imaging.geometry import GRAVITIES, Plan, covering, inside, plan
from shard.model import Fit, Rendition

SIDES = st.integers(1, 200_000)
SIZES = st.tuples(SIDES, SIDES)
BOXES = st.tuples(st.integers(1, 4_000), st.integers(1, 4_000))


def _off(source: tuple[int, int], made: tuple[int, int]) -> Fraction:
    """Return by how many pixels the freer side misses the source's aspect ratio."""
    across = abs(made[0] - Fraction(made[1] * source[0], source[1]))
    down = abs(made[1] - Fraction(made[0] * source[1], source[0]))
    return min(across, down)


@given(SIZES, BOXES)
def test_inside_stays_inside(source: tuple[int, int], box: tuple[int, int]) -> None:
    """No side is 0, over the box, or over the source."""
    width, height = inside(source, box)

    assert 1 <= width <= min(box[0], source[0])
    assert 1 <= height <= min(box[1], source[1])


@given(SIZES, BOXES)
def test_inside_keeps_the_aspect_ratio(source: tuple[int, int], box: tuple[int, int]) -> None:
    """The aspect ratio is kept to less than a pixel, as far as a side of 1 pixel allows."""
    made = inside(source, box)

    assert 1 in made or _off(source, made) < 1


@given(SIZES, BOXES)
def test_inside_enlarged_touches_the_box(source: tuple[int, int], box: tuple[int, int]) -> None:
    """With ``enlarge`` one side is the box's, and none is over it."""
    width, height = inside(source, box, enlarge=True)

    assert width == box[0] or height == box[1]
    assert 1 <= width <= box[0]
    assert 1 <= height <= box[1]


@given(SIZES, BOXES)
def test_covering_covers(source: tuple[int, int], box: tuple[int, int]) -> None:
    """A covering size is the box in one side and at least the box in the other."""
    width, height = covering(source, box)

    assert width >= box[0]
    assert height >= box[1]
    assert width == box[0] or height == box[1]


@given(SIZES, BOXES, st.sampled_from(sorted(GRAVITIES)), st.booleans())
def test_a_crop_lies_in_the_scaled_image(
    source: tuple[int, int], box: tuple[int, int], gravity: str, enlarge: bool
) -> None:
    """A cover's crop is inside the scaled image and fills its canvas."""
    rendition = Rendition("t", *box, fit=Fit.COVER, gravity=gravity, enlarge=enlarge)
    made = plan(source, rendition)

    assert made.size == made.canvas
    for start, size, whole in zip(made.crop, made.size, made.scaled, strict=True):
        assert 0 <= start <= start + size <= whole


@given(SIZES, BOXES)
def test_cover_does_not_enlarge(source: tuple[int, int], box: tuple[int, int]) -> None:
    """A cover of a small source is the box's shape, no larger than the source."""
    made = plan(source, Rendition("t", *box, fit=Fit.COVER))

    assert made.scaled[0] <= max(source[0], 1)
    assert made.scaled[1] <= max(source[1], 1)


@given(SIZES, BOXES)
def test_pad_is_the_box(source: tuple[int, int], box: tuple[int, int]) -> None:
    """A padded rendition is exactly the box, the image somewhere in it."""
    made = plan(source, Rendition("t", *box, fit=Fit.PAD))

    assert made.canvas == box
    for start, size, whole in zip(made.offset, made.size, box, strict=True):
        assert 0 <= start <= start + size <= whole


@pytest.mark.parametrize(
    ("source", "box", "expected"),
    [
        ((4000, 3000), (200, 200), (200, 150)),
        ((3000, 4000), (200, 200), (150, 200)),
        ((1000, 667), (100, 100), (100, 67)),
        ((1001, 5), (100, 100), (100, 1)),
        ((100, 100), (200, 200), (100, 100)),
        ((200, 3), (100, 100), (100, 2)),  # 1.5 rounds up
        ((10_000, 1), (50, 50), (50, 1)),
    ],
)
def test_rounding(source: tuple[int, int], box: tuple[int, int], expected: tuple[int, int]) -> None:
    """Sides are rounded half up, and never to 0."""
    made = inside(source, box)

    assert made == expected


@pytest.mark.parametrize(
    ("gravity", "crop"),
    [("centre", (50, 0)), ("west", (0, 0)), ("east", (100, 0)), ("north", (50, 0))],
)
def test_gravity_places_the_crop(gravity: str, crop: tuple[int, int]) -> None:
    """A cover's crop starts where its gravity says."""
    made = plan((200, 100), Rendition("t", 100, 100, fit=Fit.COVER, gravity=gravity))

    assert made == Plan((200, 100), crop, (100, 100), (100, 100))
