"""An archive's records of frames: read, held against the rules, chosen for a composite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from shard.errors import ShardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeGuard

COLOURS: Final[dict[str, tuple[str, ...]]] = {
    "red": ("R", "rp"),
    "visual": ("V",),
    "blue": ("B",),
}
"""The filters that stand for each channel of a composite, by the archive's names."""
REDUCED: Final = 91
"""The reduction level that composites are made of."""
_HALF: Final = re.compile("[\ud800-\udfff]")
_FITS_NAME: Final = re.compile(r"\.(?:fits|fit|fts)(?:\.(?:fz|gz))?\Z", re.IGNORECASE)


class BadRecord(ShardError):
    """The archive answered with something that is no record of a frame."""

    reason = "archive"


class FrameRefused(ShardError):
    """The frame is there, but no such picture of it is made. ``reason`` is a word."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Frame:
    """What an archive says of one frame. ``version`` changes with the file, where it is told."""

    id: int
    filename: str
    url: str
    proposal: str | None
    request: str | None
    type: str
    element: str | None = None
    level: int | None = None
    observed: datetime | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class FrameRules:
    """Of which frames pictures are made: REQUIRED_FRAME_VALIDATION_KEYS and VALID_... of today."""

    required: tuple[str, ...]
    types: tuple[str, ...]
    colour_types: tuple[str, ...]


def accept(record: Mapping[str, Any], rules: FrameRules, *, colour: bool) -> Frame:
    """Return the frame of which a picture may be made.

    Raises ``FrameRefused`` (``missing_keys``, ``configuration_type``, ``not_fits``,
    ``no_request``), and ``BadRecord`` for what no archive should say.
    """
    missing = [key for key in rules.required if key not in record]
    if missing:
        said = ", ".join(missing)
        raise FrameRefused(
            "missing_keys", f"Cannot generate thumbnail for given frame: its record has no {said}"
        )
    frame = read_frame(record)
    allowed = rules.colour_types if colour else rules.types
    kind = "color thumbnail" if colour else "thumbnail"
    if frame.type not in rules.types or frame.type not in allowed:
        raise FrameRefused(
            "configuration_type",
            f"Cannot generate {kind} for configuration_type={frame.type or None}; "
            f"accepted: {', '.join(one for one in allowed if one in rules.types)}",
        )
    if colour and frame.request is None:
        raise FrameRefused(
            "no_request",
            "Cannot generate color thumbnail for a frame that does not have a request",
        )
    if not is_fits_name(frame.filename):
        raise FrameRefused("not_fits", "Cannot generate thumbnail for non FITS-type frame")
    return frame


def is_fits_name(name: str) -> bool:
    """Tell whether a file's name says FITS: .fits, .fit, .fts, each also with .fz or .gz."""
    return _FITS_NAME.search(name) is not None


def is_web_url(url: str) -> bool:
    """Tell whether a file may be fetched from here: http or https, a host, and no user in it."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
    return is_web and "@" not in parts.netloc


def read_frame(record: object) -> Frame:
    """Read one record; keys that are not told count as null. Raises ``BadRecord``."""
    if not isinstance(record, dict):
        raise BadRecord("the archive's record of a frame is no object")
    number = record.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise BadRecord("the archive's record of a frame has no id")
    return Frame(
        id=number,
        filename=_text(record, "filename") or "",
        url=_url(record),
        proposal=_text(record, "proposal_id"),
        request=_identifier(record.get("request_id")),
        type=(_text(record, "configuration_type") or "").upper(),
        element=_text(record, "primary_optical_element"),
        level=_whole(record.get("reduction_level")),
        observed=_moment(record.get("observation_date")),
        version=_version(record.get("version_set")),
    )


def choose_colours(frame: Frame, records: Sequence[object], rules: FrameRules) -> tuple[Frame, ...]:
    """Return the red, visual and blue frame of a request, for a composite asked of ``frame``.

    Of several in one colour the frame itself, else the one observed nearest to it in time, else
    the one with the lowest id: the same whatever order they are told in.
    Raises ``FrameRefused`` (``no_colour_frames``), naming the colours that there are none of.
    """
    usable = [one for one in map(_read, records) if one is not None and _is_usable(one, rules)]
    chosen = {
        colour: min(
            (one for one in usable if one.element in elements),
            key=lambda one: (one.id != frame.id, _apart(frame, one), one.id),
            default=None,
        )
        for colour, elements in COLOURS.items()
    }
    lacking = [
        f"{colour} ({' or '.join(COLOURS[colour])})"
        for colour, one in chosen.items()
        if one is None
    ]
    if lacking:
        raise FrameRefused(
            "no_colour_frames",
            f"RVB frames not found: request {frame.request} has no reduced frame "
            f"(reduction level {REDUCED}) in {', '.join(lacking)}",
        )
    return tuple(one for one in chosen.values() if one is not None)


def _read(record: object) -> Frame | None:
    """Read one record of many; one that is none is no candidate, and no reason to fail."""
    try:
        return read_frame(record)
    except BadRecord:
        return None


def _is_usable(frame: Frame, rules: FrameRules) -> bool:
    if frame.level not in (None, REDUCED) or not is_fits_name(frame.filename):
        return False
    return frame.type in rules.colour_types


def _apart(one: Frame, other: Frame) -> float:
    if one.observed is None or other.observed is None:
        return float("inf")
    return abs((one.observed - other.observed).total_seconds())


def _text(record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is None or _is_text(value):
        return value
    raise BadRecord(f"the archive's record of a frame has a {key} that is no text")


def _is_text(value: object) -> TypeGuard[str]:
    """Tell whether it can be sent on; JSON may hold halves of surrogate pairs, which cannot."""
    return isinstance(value, str) and _HALF.search(value) is None


def _url(record: Mapping[str, Any]) -> str:
    url = _text(record, "url") or ""
    if not is_web_url(url):
        raise BadRecord("the archive's record of a frame has no http or https url of its file")
    return url


def _identifier(value: object) -> str | None:
    if value is None or value == "":
        return None
    if _is_text(value) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise BadRecord("the archive's record of a frame has a request_id that is no number")


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _version(value: object) -> str | None:
    """Return the MD5 (else the id) of the newest version that the record lists."""
    if not isinstance(value, list):
        return None
    versions = [one for one in value if isinstance(one, dict)]
    newest = max(
        versions, key=lambda one: (str(one.get("created")), _whole(one.get("id")) or 0), default={}
    )
    found = newest.get("md5") or newest.get("id")
    return None if found is None else str(found)
