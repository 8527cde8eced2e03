"""The grammar of FITS, both ways: how a FITS frame becomes a picture, as text and as a value.

==============  =========================================================  =============
option          value                                                      default
==============  =========================================================  =============
``hdu``         number from 0, ``EXTNAME`` or ``EXTNAME:EXTVER``           first 2-D image
``plane``       number from 1, of a cube's planes                          the middle one
``mosaic``      yes, no: lay detector sections together by DETSEC          no
``stretch``     zscale, astropy-zscale, minmax, percentile, asinh, log,    zscale
                sqrt
``zmin zmax``   what is drawn black and white, in the frame's units        by the stretch
``contrast``    of the two zscales, above 0                                0.1
``gamma``       from 0.1 to 10: 256 (i/256)^(1/gamma)                      2.5 for zscale,
                                                                           else 1
``filter``      none, or median: 3x3, of the finished picture              none
``median``      yes, no: subtract the median, divide by ``percentile``     no
``percentile``  above 0, to 100: for ``median``; and what percentile,      99.5
                asinh, log and sqrt keep, half of the rest at either end
``flip``        auto (north up, east left), vertical, none                 auto
==============  =========================================================  =============
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from shard.errors import SettingError
from shard.planning.options import Refused, choice, read_options, yes

if TYPE_CHECKING:
    from collections.abc import Callable

STRETCHES: Final = ("zscale", "astropy-zscale", "minmax", "percentile", "asinh", "log", "sqrt")
FLIPS: Final = ("auto", "vertical", "none")
FILTERS: Final = ("none", "median")
_GAMMA: Final = 2.5
_WHOLE: Final = 100.0


@dataclass(frozen=True, slots=True)
class FitsOptions:
    """How a FITS frame becomes a picture; see the module's table. ``None``: by the frame itself."""

    hdu: int | str | None = None
    plane: int | None = None
    mosaic: bool = False
    stretch: str = "zscale"
    zmin: float | None = None
    zmax: float | None = None
    contrast: float = 0.1
    gamma: float | None = None
    filter: str = "none"
    median: bool = False
    percentile: float = 99.5
    flip: str = "auto"

    @property
    def exponent(self) -> float:
        """The gamma that holds: as given, or the stretch's own."""
        if self.gamma is not None:
            return self.gamma
        return _GAMMA if self.stretch == "zscale" else 1.0


DEFAULT: Final = FitsOptions()


def _number(accepted: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text) if re.fullmatch(r"[-+0-9.eE]{1,40}", text, re.ASCII) else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not fits(value):
            raise Refused(accepted)
        return value

    return read


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) < least:
            raise Refused(f"a whole number from {least}")
        return int(text)

    return read


def _hdu(text: str) -> int | str:
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return int(text)
    is_name = re.fullmatch(r"[!-~ ]{1,68}", text) and not re.fullmatch(r"[-+]?[0-9.]+", text)
    if not is_name:
        raise Refused("a number from 0, or an EXTNAME as SCI, or SCI:2 for its EXTVER")
    return text.upper()


_ANY: Final = _number("a number, as 0, -12.5 or 1e4", lambda _: True)
_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "hdu": _hdu,
    "plane": _whole(1),
    "mosaic": yes,
    "stretch": choice(*STRETCHES),
    "zmin": _ANY,
    "zmax": _ANY,
    "contrast": _number("a number above 0, as 0.1", lambda value: value > 0),
    "gamma": _number("a number from 0.1 to 10", lambda value: 0.1 <= value <= 10),  # noqa: PLR2004 - beyond them there is only black or white
    "filter": choice(*FILTERS),
    "median": yes,
    "percentile": _number("a number above 0, to 100", lambda value: 0 < value <= _WHOLE),
    "flip": choice(*FLIPS),
}


def parse_fits(text: str, variable: str = "FITS") -> FitsOptions:
    """Read ``option=value``, several separated by ``,``; the module's table has them all.

    Spaces around a piece do not count; ``""`` is all defaults. Raises ``SettingError`` that names
    the offending piece.
    """
    pieces = [part.strip() for part in text.split(",") if text.strip()]
    accepted = f"option=value, separated by ',', with one of {', '.join(_OPTIONS)}"
    options = FitsOptions(**read_options(pieces, _OPTIONS, variable, accepted, "at most once"))
    if options.zmin is not None and options.zmax is not None and options.zmin >= options.zmax:
        raise SettingError(variable, text, "zmin less than zmax")
    if options.mosaic and options.hdu is not None:
        raise SettingError(variable, text, "mosaic=yes (all HDUs) or hdu= (one), not both")
    return options


def canonical(options: FitsOptions) -> str:
    """Return the one text of these options: what differs from the defaults, in the table's order.

    ``parse_fits(canonical(options)) == options`` for all that this grammar can say.
    """
    pieces = []
    for field in fields(FitsOptions):
        value = getattr(options, field.name)
        if value != field.default:
            pieces.append(f"{field.name}={_text(value)}")
    return ",".join(pieces)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004 - beyond it a double is no exact integer's text
    return str(value)
