"""Where in a source the objects lie that could share an output key with a given one.

So that one image can be judged as the batch judges it without listing the whole source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shard.planning import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

_APPENDED = (*formats.DEFAULT_EXTENSIONS, ".")


@dataclass(frozen=True, slots=True)
class Reach:
    """All keys in question begin with ``prefix``, or are ``bare``; the key itself is one.

    ``by_name``: they are also found one after the other, from the key on, by ``next_of_kin``.
    """

    prefix: str
    bare: str | None = None
    by_name: bool = False


def of_name(key: str) -> Reach:
    """Return the reach where an output's name is the source's, perhaps with an extension appended.

    ================  ==================  ============
    key               prefix              bare
    ================  ==================  ============
    ``a/1.jpg``       ``a/1.``            ``a/1``
    ``a/s.tif``       ``a/s.tif``         None
    ``a/s.tif.jpg``   ``a/s.tif.``        ``a/s.tif``
    ``a/.jpg``        ``a/.``             None
    ================  ==================  ============
    """
    core = key
    while core.endswith(_APPENDED):
        core = core[: core.rindex(".")]
    if core == key:
        return Reach(key, by_name=True)
    bare = core if core and not core.endswith("/") else None
    return Reach(f"{core}.", bare, by_name=True)


def next_of_kin(key: str) -> tuple[str, ...]:
    """Return the keys whose outputs could be this one's, where a name is kept or appended to.

    ``s.jpg`` has ``s`` and ``s.jpg.jpg``, ``s.jpg.png``, ...
    """
    ends = formats.DEFAULT_EXTENSIONS
    shorter = (key.removesuffix(end) for end in ends if key.endswith(end))
    return (*shorter, *(key + end for end in ends))


def of_stem(key: str) -> Reach:
    """Return the reach where an output keeps the folder and the stem: whatever has this stem."""
    folder, slash, name = key.rpartition("/")
    stem = folder + slash + formats.split_name(name)[0]
    return Reach(f"{stem}.", stem)


def of_pattern(key: str, parts: Sequence[str]) -> Reach:
    """Return the reach under a layout's pattern, taken apart (``layout.Pattern.parts``).

    ===========================================  ===========================
    pattern                                      reach
    ===========================================  ===========================
    ``.../{dir}/{name}``                         ``of_name``
    ``.../{dir}/{stem}_{rendition}{ext}``        ``of_stem``
    ``.../{dir}/`` and any other name            the key's folder
    any other                                    the whole source
    ===========================================  ===========================
    """
    at = parts.index("{dir}/") if "{dir}/" in parts else None
    tail = tuple(parts[at + 1 :]) if at is not None else ()
    if at is None or "{dir}" in parts or any("/" in part for part in tail):
        return Reach("")
    if tail in {("{name}",), ("{stem}", "{ext}")}:
        return of_name(key)
    if tail == ("{stem}", "_", "{rendition}", "{ext}"):
        return of_stem(key)
    return Reach(key[: key.rfind("/") + 1])
