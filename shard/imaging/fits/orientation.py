"""Which way up a frame is shown: by its WCS north up and east left, in steps of 90 degrees."""

from __future__ import annotations

from math import cos, radians, sin
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from shard.planning.fits import FitsOptions

Matrix = tuple[tuple[float, float], tuple[float, float]]

VERTICAL = 4
"""EXIF's number for upside down: FITS counts rows from below (FITS standard 4.0, section 4.2.1)."""

_NOT_SKY = frozenset({"ARC", "ARCS", "COMP", "COMPARISON", "WAVE", "ECHELLE"})
_NOT_SKY_BEGINNINGS = ("SPECTR", "LAMP", "ARCLAMP", "FLATLAMP")
"""Words by which headers say that a frame is a spectrum, an arc or a lamp's flat."""
_KINDS = (
    *("OBSTYPE", "IMAGETYP", "OBSMODE", "FRAME", "CONFTYPE", "EXPTYPE"),
    *("ESO DPR TYPE", "ESO DPR TECH", "ESO DPR CATG"),
)
"""Cards that say it: NOAO, LCO, HST and Gemini; ESO's data product keywords."""

# EXIF orientation -> the pixel directions (x, y) that it shows upwards and to the left, where
# y counts rows of the array and orientation 1 shows row 0 on top (TIFF 6.0, tag 274).
_SHOWN = {
    4: ((0, 1), (-1, 0)),
    3: ((0, 1), (1, 0)),
    1: ((0, -1), (-1, 0)),
    2: ((0, -1), (1, 0)),
    5: ((-1, 0), (0, -1)),
    6: ((-1, 0), (0, 1)),
    7: ((1, 0), (0, 1)),
    8: ((1, 0), (0, -1)),
}
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned_by(header: Any, options: FitsOptions) -> int:
    """Return the EXIF orientation (1 to 8) that puts a frame upright.

    ==============================================  ===========================================
    ``flip``, and the header                        orientation
    ==============================================  ===========================================
    ``none``                                        1: row 0 on top
    ``vertical``                                    4: row 0 at the bottom
    ``auto``, a spectrum, an arc or a lamp's flat   4
    ``auto``, no WCS of the sky                     4
    ``auto``, a WCS of the sky                      the nearest to north up and east left
    ==============================================  ===========================================
    """
    if options.flip != "auto":
        return 1 if options.flip == "none" else VERTICAL
    if is_not_sky(header):
        return VERTICAL
    matrix = sky_matrix(header)
    return VERTICAL if matrix is None else _nearest(matrix)


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Return ``image`` as this EXIF orientation shows it."""
    transpose = _TRANSPOSES.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def is_not_sky(header: Any) -> bool:
    """Tell whether the header says that this is a spectrum, an arc or a lamp's flat."""
    for card in _KINDS:
        words = str(header.get(card, "")).upper().replace("-", ",").replace(" ", ",").split(",")
        if any(word in _NOT_SKY or word.startswith(_NOT_SKY_BEGINNINGS) for word in words):
            return True
    return False


def sky_matrix(header: Any) -> Matrix | None:
    """Return how east and north change with x and y, each scaled alike; ``None`` if untold.

    CDi_j, else PCi_j (by default the identity) times CDELTi, else CDELTi turned by CROTA2
    (Greisen & Calabretta 2002, A&A 395, 1061 and 1077).
    """
    kinds = [_kind(str(header.get(f"CTYPE{axis}", "")).upper()) for axis in (1, 2)]
    untold = "CTYPE1" not in header and "CTYPE2" not in header
    if not untold and ("north" not in kinds or not {"east", "west"} & set(kinds)):
        return None
    try:
        rows = _rows(header)
    except (TypeError, ValueError):
        return None
    if rows is None or rows[0][0] * rows[1][1] == rows[0][1] * rows[1][0]:
        return None
    across, up = (rows[1], rows[0]) if kinds[0] == "north" else rows
    return ((-across[0], -across[1]) if "west" in kinds else across), up


def _kind(ctype: str) -> str:
    """Tell where a CTYPE grows: ``RA---TAN``, ``GLON-CAR`` to the east, ``HPLN-TAN`` to the west.

    Solar and planetary longitudes (``..LN``) are shown growing to the right (Thompson 2006, A&A
    449, 791).
    """
    name = ctype.partition("-")[0]
    if name.endswith("LN"):
        return "west"
    if name == "RA" or name.endswith("LON"):
        return "east"
    return "north" if name == "DEC" or name.endswith(("LAT", "LT")) else ""


def _rows(header: Any) -> Matrix | None:
    """Return the 2x2 matrix of the WCS, ``None`` where the header tells none."""
    names = [[f"{i}_{j}" for j in (1, 2)] for i in (1, 2)]
    if any(f"CD{name}" in header for pair in names for name in pair):
        (a, b), (c, d) = [[float(header.get(f"CD{n}", 0.0)) for n in pair] for pair in names]
        return (a, b), (c, d)
    if "CDELT1" not in header or "CDELT2" not in header:
        return None
    steps = [float(header[f"CDELT{axis}"]) for axis in (1, 2)]
    if "CROTA2" in header and not any(f"PC{n}" in header for pair in names for n in pair):
        angle = radians(float(header["CROTA2"]))
        return (
            (steps[0] * cos(angle), -steps[1] * sin(angle)),
            (steps[0] * sin(angle), steps[1] * cos(angle)),
        )
    (a, b), (c, d) = [
        [steps[i] * float(header.get(f"PC{i + 1}_{j + 1}", float(i == j))) for j in (0, 1)]
        for i in (0, 1)
    ]
    return (a, b), (c, d)


def _nearest(matrix: Matrix) -> int:
    """Return the orientation whose up is the most northern and whose left the most eastern."""

    def score(orientation: int) -> float:
        up, left = _SHOWN[orientation]
        east, north = matrix
        return (north[0] * up[0] + north[1] * up[1]) + (east[0] * left[0] + east[1] * left[1])

    return max(_SHOWN, key=lambda orientation: round(score(orientation) / _size(matrix), 9))


def _size(matrix: Matrix) -> float:
    return max(abs(value) for row in matrix for value in row)
