"""Where a rendition goes: a pure rule from the source's key to the output's key.

A layout's pattern is expanded with the source's own values; where the result's extension does not
say the output's format, the format's default extension is appended:

=====================================  ==============  ======  ==========================
pattern                                key             format  output key
=====================================  ==============  ======  ==========================
``{dir}/{name}`` (mirror)              ``a/b.jpg``     jpeg    ``a/b.jpg``
``{dir}/{name}``                       ``b.JPEG``      jpeg    ``b.JPEG``
``{dir}/{name}``                       ``scan.tif``    jpeg    ``scan.tif.jpg``
``{dir}/{name}``                       ``scan``        png     ``scan.png``
``{dir}/{stem}_{rendition}{ext}``      ``a/b.jpg``     jpeg    ``a/b_200x200.jpg``
``{dir}/{stem}_{rendition}{ext}``      ``scan.tif``    jpeg    ``scan_200x200.tif.jpg``
``{dir}/{stem}_{rendition}{ext}``      ``logo.jpg``    png     ``logo_200x200.jpg.png``
``{name}`` (flat)                      ``a/b.jpg``     jpeg    ``b.jpg``
=====================================  ==============  ======  ==========================

So an output's name, format and content type always agree, and ``scan.tif`` and ``scan.jpg`` never
meet. Under ``mirror`` two keys share an output only where one is the other and the appended
extension (``scan.tif`` made as JPEG, and a source called ``scan.tif.jpg``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from shard.errors import SettingError
from shard.model import Format
from shard.planning import collections, formats, reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shard.model import Rendition
    from shard.planning.reach import Reach

_PLACEHOLDERS: Final = ("dir", "name", "stem", "ext", "rendition", "run")
_FOLDER: Final = "{dir}/"  # vanishes as one where a key has no folder
_PART: Final = re.compile(r"\{dir\}/|\{[^{}]*\}|[^{}]+|[{}]")
_NAMED: Final = "A-Za-z0-9-"  # what a rendition's name is made of
# What a placeholder may stand for in an output's key, as a regular expression.
_SHAPES: Final = {
    _FOLDER: "(?:.+/)?",
    "{dir}": ".*",
    "{name}": "[^/]+",
    "{stem}": "[^/]+",
    "{ext}": r"(?:\.[^/.]*)?",
}
_APPENDED: Final = (*formats.DEFAULT_EXTENSIONS, ".")


class Layout(Protocol):
    """The rule by which a run names its outputs. Picklable: worker processes get it.

    ``text`` is the setting as given. ``in_place``: outputs never meet inputs, so that they may lie
    in the source. Keys passed in are ones that ``accepts`` accepts.
    """

    @property
    def text(self) -> str:
        """The setting as given."""

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """What is made of every input."""

    @property
    def in_place(self) -> bool:
        """Whether outputs may lie in the source."""

    def accepts(self, key: str) -> bool:
        """Tell whether a source object of this key can be an input."""

    def output_key(self, key: str, rendition: Rendition, fmt: Format) -> str:
        """Return the key of this rendition of ``key``, made in ``fmt`` (resolved: not ``KEEP``)."""

    def candidates(self, key: str, rendition: Rendition) -> tuple[str, ...]:
        """Return every output key that this rendition may have, the likeliest first."""

    def group(self, key: str) -> str:
        """Return a name that all keys have in common which could ever share an output key."""

    def output_group(self, output_key: str) -> str:
        """Return the group of the source keys that this output key could belong to."""


class Reversible(Layout, Protocol):
    """A layout that knows its own outputs without their sources: so they can be verified."""

    def reach(self, key: str) -> Reach:
        """Return where all keys lie that could ever share an output key with this one."""

    def is_leftover(self, output_key: str, keys: Sequence[str]) -> bool:
        """Tell whether an object of the output is one of this layout's that has lost its source.

        ``keys`` are all inputs of its group. ``False`` for a name that this layout never gives.
        """


@dataclass(frozen=True, slots=True)
class Pattern:
    """A checked pattern, its placeholders for ``{run}`` filled in. Made by ``parse_layout``.

    ``text`` is the setting as given. ``parts`` are literals, placeholders and ``{dir}/``.
    """

    text: str
    renditions: tuple[Rendition, ...]
    parts: tuple[str, ...]
    _names: re.Pattern[str] | None = field(repr=False, compare=False)
    in_place: bool = False

    def accepts(self, key: str) -> bool:  # noqa: ARG002 - any key has a name to make one of
        """Tell whether a source object of this key can be an input: all can."""
        return True

    def output_key(self, key: str, rendition: Rendition, fmt: Format) -> str:
        """Return the key of this rendition of ``key``, made in ``fmt`` (resolved: not ``KEEP``)."""
        return _with_extension(self._expand(key, rendition.name), fmt)

    def candidates(self, key: str, rendition: Rendition) -> tuple[str, ...]:
        """Return every output key that this rendition may have before the content is known.

        One for an explicit format; for ``keep`` what the name suggests first, then the others.
        """
        expanded = self._expand(key, rendition.name)
        possible = formats.possible_formats(rendition.format, key, rendition.otherwise)
        return tuple(_with_extension(expanded, fmt) for fmt in possible)

    def group(self, key: str) -> str:
        """Return a name that all keys have in common which could ever share an output key.

        Whatever their renditions and formats: it is ``output_group`` of any of the key's outputs,
        so keys with one output in common have one group. Keys of one group need not collide.
        """
        return self.output_group(self._expand(key, self.renditions[0].name))

    def output_group(self, output_key: str) -> str:
        """Return the group of the source keys that this output key could belong to.

        It forgets what the layout may have added: renditions' names, where the pattern holds
        them, and extensions that Shard appends.
        """
        if self._names is not None:
            output_key = self._names.sub("", output_key)
        while output_key.endswith(_APPENDED):
            output_key = output_key[: output_key.rindex(".")]
        return output_key

    def reach(self, key: str) -> Reach:
        """Return where all keys lie that could ever share an output key with this one."""
        return reach.of_pattern(key, self.parts)

    def is_leftover(self, output_key: str, keys: Sequence[str]) -> bool:
        """Tell whether the pattern can have made this key, and of none of these."""
        if not self._matches(output_key):
            return False
        return not any(
            output_key in self.candidates(key, rendition)
            for key in keys
            for rendition in self.renditions
        )

    def _matches(self, output_key: str) -> bool:
        """Tell whether some source key and rendition expand to this key, as far as one can tell."""
        kept = {ext for fmt in formats.KEPT for ext in formats.extensions(fmt)}
        ext = formats.extension(output_key).lower()
        names = []
        for rendition in self.renditions:
            is_kept = rendition.format is Format.KEEP
            if ext in (kept if is_kept else formats.extensions(rendition.format)):
                names.append(re.escape(rendition.name))
        shapes = {**_SHAPES, "{rendition}": f"(?:{'|'.join(names)})"}
        shape = "".join([shapes.get(part, re.escape(part)) for part in self.parts])
        appended = "|".join(map(re.escape, formats.DEFAULT_EXTENSIONS))
        whole = f"{shape}(?:{appended})?"
        return bool(names) and re.fullmatch(whole, output_key, re.DOTALL) is not None

    def _expand(self, key: str, rendition: str) -> str:
        folder, slash, name = key.rpartition("/")
        stem, ext = formats.split_name(name)
        values = {
            _FOLDER: folder + slash,
            "{dir}": folder,
            "{name}": name,
            "{stem}": stem,
            "{ext}": ext,
            "{rendition}": rendition,
        }
        return "".join([values.get(part, part) for part in self.parts])


def parse_layout(
    text: str, renditions: Sequence[Rendition], run: str, variable: str = "LAYOUT"
) -> Reversible:
    """Read ``mirror``, ``flat``, ``collections``, or a template of placeholders.

    Placeholders: ``{dir} {name} {stem} {ext} {rendition} {run}``.

    ``{name}`` is ``{stem}{ext}``; ``{ext}`` has its dot; ``{dir}/`` vanishes for a key without a
    folder. ``mirror`` is ``{dir}/{name}``, or ``{dir}/{stem}_{rendition}{ext}`` with several
    renditions; ``flat`` is the same without ``{dir}/``. ``run`` fills ``{run}``. Raises
    ``SettingError`` for a template that is unsafe or cannot keep renditions apart.
    ``collections`` is the rule of ``planning.collections``.
    """
    if text == collections.NAME:
        return collections.collections(renditions)
    pattern = text
    if text in {"mirror", "flat"}:
        pattern = "{name}" if len(renditions) == 1 else "{stem}_{rendition}{ext}"
        pattern = _FOLDER + pattern if text == "mirror" else pattern
    parts = tuple(_PART.findall(pattern))
    if refusal := _refusal(pattern, parts, several=len(renditions) > 1):
        raise SettingError(variable, text, f"mirror, flat, collections, or a template {refusal}")
    names = None
    if "{rendition}" in parts:
        either = "|".join(re.escape(rendition.name) for rendition in renditions)
        names = re.compile(f"(?<![{_NAMED}])(?:{either})(?![{_NAMED}])")
    filled = tuple(run if part == "{run}" else part for part in parts)
    return Pattern(text, tuple(renditions), filled, names)


def _refusal(pattern: str, parts: Sequence[str], *, several: bool) -> str | None:
    """Say what a template must be like that this one is not."""
    known = {f"{{{name}}}" for name in _PLACEHOLDERS} | {_FOLDER}
    if any("{" in part or "}" in part for part in parts if part not in known):
        return f"with no placeholders but {' '.join(f'{{{name}}}' for name in _PLACEHOLDERS)}"
    if not {"{name}", "{stem}"} & set(parts):
        return "with {name} or {stem}"
    segments = pattern.split("/")
    if {"", ".", ".."} & set(segments) or segments[0] == ".shard":
        return "without empty, '.' or '..' segments, not beginning with '/' or '.shard/'"
    if several and "{rendition}" not in parts:
        return "with {rendition}, since there are several renditions"
    if not all(_stands_alone(parts, i) for i, part in enumerate(parts) if part == "{rendition}"):
        return "with {rendition} set apart by a character other than letters, digits and '-'"
    return None


def _stands_alone(parts: Sequence[str], index: int) -> bool:
    """Tell whether the placeholder is always a whole token of the expanded key.

    An extension begins with a dot and a folder ends with a slash, but either may be empty.
    """
    before = [part for part in parts[:index] if part != _FOLDER]
    after = [part for part in parts[index + 1 :] if part != "{ext}"]
    return not (before and _joins(before[-1], before[-1][-1])) and not (
        after and _joins(after[0], after[0][0])
    )


def _joins(part: str, character: str) -> bool:
    return part.startswith("{") or re.fullmatch(f"[{_NAMED}]", character) is not None


def _with_extension(expanded: str, fmt: Format) -> str:
    if formats.extension(expanded).lower() in formats.extensions(fmt):
        return expanded
    return expanded + formats.default_extension(fmt)
