"""The grammar of RENDITIONS and SIZES, both ways: text to renditions and back."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from shard.errors import SettingError
from shard.model import Fit, Format, Rendition
from shard.planning.options import Refused, choice, read_options, yes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LARGEST_SIDE: Final = 65_500
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,60}", re.ASCII)
_SIZE: Final = re.compile(r"([0-9]{1,9})(?:x([0-9]{1,9}))?", re.ASCII)
_GRAVITIES: Final = (
    *("centre", "north", "south", "east", "west"),
    *("northeast", "northwest", "southeast", "southwest"),
    *("attention", "entropy"),
)
_FORMATS: Final = tuple(fmt.value for fmt in Format if fmt is not Format.GIF)
_OTHERWISE: Final = tuple(name for name in _FORMATS if name != Format.KEEP)


def _quality(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= 100:  # noqa: PLR2004 - the scale's end
        raise Refused("a whole number from 1 to 100")
    return int(text)


def _background(text: str) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        raise Refused("#rrggbb, six hexadecimal digits")
    return text.lower()


def _sharpen(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text, re.ASCII) or float(text) > 10:  # noqa: PLR2004 - beyond it there is only noise
        raise Refused("a number from 0 (off) to 10, as 0.5")
    return float(text)


def _kept(text: str) -> frozenset[str]:
    kept = text.split("+")
    if not set(kept) <= {"icc", "exif"} or len(set(kept)) != len(kept):
        raise Refused("icc, exif, icc+exif")
    return frozenset(kept)


_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "fit": lambda text: Fit(choice(*Fit)(text)),
    "format": lambda text: Format(choice(*_FORMATS)(text)),
    "quality": _quality,
    "background": _background,
    "gravity": choice(*_GRAVITIES),
    "enlarge": yes,
    "sharpen": _sharpen,
    "lossless": yes,
    "progressive": yes,
    "animate": yes,
    "keep": _kept,
    "placeholder": choice("thumbhash", "blurhash"),
    "otherwise": lambda text: Format(choice(*_OTHERWISE)(text)),
}


def parse_renditions(text: str, variable: str = "RENDITIONS") -> tuple[Rendition, ...]:
    """Read ``[name=]WxH[,option=value]...``, several separated by ``;``.

    ``200`` means ``200x200``. A rendition without a name is called by its box, ``200x200`` (also
    where only ``200`` was written). Options: ``fit=inside|cover|pad``,
    ``format=keep|jpeg|png|webp|avif|jxl``, ``quality=1..100``, ``background=#rrggbb``,
    ``gravity=centre|north|...|attention|entropy``, ``enlarge``, ``lossless``, ``progressive`` and
    ``animate=yes|no``, ``sharpen=0..10``, ``keep=icc+exif``, ``placeholder=thumbhash|blurhash``,
    ``otherwise=jpeg|png|webp|avif|jxl`` (with ``format=keep``: for all that it does not keep).
    Spaces around a piece do not count. Raises ``SettingError`` that names the offending piece.
    """
    return _unique((_rendition(piece.strip(), variable) for piece in text.split(";")), variable)


def parse_sizes(text: str, variable: str = "SIZES") -> tuple[Rendition, ...]:
    """Read ``200,400``: one default rendition for each box, called ``200x200``, ``400x400``.

    Raises ``SettingError`` that names the offending piece.
    """
    return _unique(
        (Rendition(f"{w}x{h}", w, h) for w, h in (_size(s, variable) for s in text.split(","))),
        variable,
    )


def canonical(rendition: Rendition) -> str:
    """Return the one text of a rendition: its name, its box and what differs from the defaults.

    ``parse_renditions(canonical(r)) == (r,)`` for every rendition that this grammar can say.
    """
    defaults = {field.name: field.default for field in fields(Rendition)}
    pieces = [f"{rendition.name}={rendition.width}x{rendition.height}"]
    for option in _OPTIONS:
        value = getattr(rendition, option)
        if value != (frozenset() if option == "keep" else defaults[option]):
            pieces.append(f"{option}={_text(value)}")
    return ",".join(pieces)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return "+".join(sorted(value, reverse=True))  # as people write it: icc+exif
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rendition(piece: str, variable: str) -> Rendition:
    box, *options = (part.strip() for part in piece.split(","))
    name, equals, size = (part.strip() for part in box.rpartition("="))
    if equals and not _NAME.fullmatch(name):
        accepted = "a name of at most 60 letters, digits and '-', as small=200x200"
        raise SettingError(variable, name, f"{accepted} (in {piece!r})")
    width, height = _size(size, variable)
    rendition = Rendition(name or f"{width}x{height}", width, height, **_options(options, variable))
    if rendition.lossless and rendition.format is Format.JPEG:
        raise SettingError(variable, piece, "lossless=yes with png, webp, avif or jxl, not jpeg")
    if rendition.otherwise is not None and rendition.format is not Format.KEEP:
        raise SettingError(variable, piece, "otherwise= with format=keep only")
    return rendition


def _options(options: Iterable[str], variable: str) -> dict[str, Any]:
    accepted = f"option=value with one of {', '.join(_OPTIONS)}; ';' between renditions"
    return read_options(options, _OPTIONS, variable, accepted, "at most once in each rendition")


def _size(text: str, variable: str) -> tuple[int, int]:
    accepted = f"WxH or one number for a square, in pixels from 1 to {LARGEST_SIDE}, as 200x100"
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise SettingError(variable, text, accepted)
    width = int(match[1])
    height = int(match[2] or match[1])
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise SettingError(variable, text, accepted)
    return width, height


def _unique(renditions: Iterable[Rendition], variable: str) -> tuple[Rendition, ...]:
    found = tuple(renditions)
    name, times = Counter(rendition.name for rendition in found).most_common(1)[0]
    if times > 1:
        accepted = f"each name once; give {times} renditions different names, as thumb={name}"
        raise SettingError(variable, name, accepted)
    return found
