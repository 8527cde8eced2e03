"""What is deployed, said once for every engine: checked values, and what follows from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Final, Protocol

from shard.errors import SettingError
from shard.planning.habits import AFTER_DRAIN
from shard.planning.layout import parse_layout
from shard.planning.limits import parse_bytes, parse_duration
from shard.planning.location import output_base
from shard.planning.settings import VARIABLES, TaskSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.location import Location

GIVEN_BY_ENGINE: Final = ("TASK_INDEX", "TASK_COUNT", "TASK_ATTEMPT", "RUN_ID", "TASK_TIMEOUT")
"""The job's variables that no one sets at deployment: they follow from the engine or a flag."""

_EXAMPLES: Final = ("INPUT_FOLDER", "OUTPUT_FOLDER", "RENDITIONS")
"""The job's variables whose value in a template is only an example."""

_CHOICES: Final = {
    "LOG_FORMAT": ("text", "json"),
    "LOG_LEVEL": ("debug", "info", "warning", "error"),
}
_LABEL: Final = re.compile(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?", re.ASCII)
_MOST_TASKS: Final = 10_000
_MOST_RETRIES: Final = 10
_LEAST_TIMEOUT: Final = 60
_LONGEST_TIMEOUT: Final = 30 * 86_400
_LEAST_MEMORY: Final = 256 << 20
_MIB: Final = 1 << 20


Form = tuple[re.Pattern[str], str]
"""What an option accepts: a pattern, and the same in words."""


@dataclass(frozen=True, slots=True)
class Option:
    """What only one engine needs to know: a flag without its dashes, its meaning, its default."""

    name: str
    help: str
    default: str | None = None

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name


@dataclass(frozen=True, slots=True)
class Deployment:
    """One job on one engine.

    ``timeout`` is an attempt's, in seconds, ``retries`` the attempts after the first of each task;
    ``memory`` in bytes and ``cpu`` in cores are a task's; ``parallel`` is ``None`` for all at once.

    ``variables`` are the job's (those of ``VARIABLES`` less ``GIVEN_BY_ENGINE``), as texts;
    ``options`` the engine's own, by name, ``None`` where neither given nor defaulted.
    Raises ``SettingError`` that names the flag for whatever cannot be.
    """

    name: str
    image: str
    tasks: int
    parallel: int | None
    retries: int
    timeout: int
    memory: int
    cpu: float
    variables: Mapping[str, str]
    options: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what the engines have in common."""
        if not _LABEL.fullmatch(self.name):
            accepted = "1 to 52 of a-z, 0-9 and '-', a letter first, no '-' at the end"
            raise SettingError("--name", self.name, accepted)
        if not re.fullmatch(r"[\w][\w./:@+-]*", self.image, re.ASCII):
            raise SettingError("--image", self.image, "registry/repository/shard:tag")
        _between("--tasks", self.tasks, 1, _MOST_TASKS)
        if self.parallel is not None:
            _between("--parallel", self.parallel, 1, self.tasks)
        _between("--retries", self.retries, 0, _MOST_RETRIES)
        _between("--timeout", self.timeout, _LEAST_TIMEOUT, _LONGEST_TIMEOUT)
        if self.memory < _LEAST_MEMORY:
            raise SettingError("--memory", self.memory, "256MiB or more, as 2GiB")
        if not 0 < self.cpu <= 256:  # noqa: PLR2004 - more than any machine's cores
            raise SettingError("--cpu", self.cpu, "cores, as 0.5 or 2")
        _check_variables(self)

    @property
    def settings(self) -> TaskSettings:
        """What each task will understand (here of index 0)."""
        texts = {**self.variables, "TASK_TIMEOUT": str(self.timeout)}
        return TaskSettings.parse({**texts, "TASK_INDEX": "0", "TASK_COUNT": str(self.tasks)})

    @property
    def places(self) -> tuple[Location, ...]:
        """Where the tasks read and write."""
        settings = self.settings
        base = output_base(settings.source, settings.output, settings.output_bucket)
        return settings.source, base

    @property
    def at_once(self) -> int:
        """How many tasks run at the same time, at most."""
        return self.tasks if self.parallel is None else self.parallel

    @property
    def memory_mib(self) -> int:
        """The memory in whole MiB, rounded up."""
        return ceil(self.memory / _MIB)

    @property
    def stopping(self) -> int:
        """Seconds from a SIGTERM to the moment when a task is certainly gone: GRACE and the rest.

        An engine's time between SIGTERM and SIGKILL must not be less.
        """
        return ceil(self.settings.grace) + AFTER_DRAIN

    def option(self, name: str) -> str:
        """Return an option that has a value. Raises ``SettingError`` if it has none."""
        value = self.options.get(name)
        if value is None:
            raise SettingError("--" + name, None, "a value: this engine requires it")
        return value

    def check_memory_limit(self, granted: int) -> None:
        """Raise ``SettingError`` if MEMORY_LIMIT is more than the ``granted`` MiB of a task."""
        limit = self.settings.memory_limit
        if limit is not None and limit > granted * _MIB:
            accepted = f"at most {granted}MiB, which --memory leaves a task"
            raise SettingError("MEMORY_LIMIT", self.variables["MEMORY_LIMIT"], accepted)

    def check_options(self, forms: Mapping[str, Form]) -> None:
        """Raise ``SettingError`` for the first option that has not its form."""
        for name, (form, accepted) in forms.items():
            text = self.options.get(name)
            if text is not None and not form.fullmatch(text):
                # A URL may hold a password, which must not be repeated.
                shown = "scheme://..." if "@" in text and "://" in text else text
                raise SettingError("--" + name, shown, accepted)

    def environment(self, template: Mapping[str, str]) -> dict[str, str]:
        """Return the job's variables for the manifest: the template's own, with ours in place.

        The template's examples go; what it sets for its engine (LOG_FORMAT, ...) stays unless the
        user says otherwise. TASK_TIMEOUT is ``timeout``: a task drains 30 s before it by itself.
        """
        kept = {name: text for name, text in template.items() if name not in _EXAMPLES}
        return {**kept, **self.variables, "TASK_TIMEOUT": str(self.timeout)}


class Engine(Protocol):
    """A module that knows one engine. All pure: texts in, texts out."""

    FOLDER: str
    """The name of its folder in ``deploy/``."""

    OPTIONS: tuple[Option, ...]
    """What it needs to know beyond a ``Deployment``'s own fields."""

    def templates(self, deployment: Deployment) -> tuple[str, ...]:
        """Return the template files below ``FOLDER`` that ``fill`` needs for this deployment."""

    def fill(self, templates: Mapping[str, str], deployment: Deployment) -> str:
        """Return the manifest, from the templates' texts by file name. Raises ``SettingError``."""

    def notes(self, deployment: Deployment) -> tuple[str, ...]:
        """Return sentences for a person: what to do with the manifest, and what it rests on."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """A deployment's own flags, as texts."""

    name: str
    image: str
    tasks: str
    parallel: str | None
    retries: str
    timeout: str
    memory: str
    cpu: str


def parse(
    sizing: Sizing,
    variables: Mapping[str, str],
    options: Mapping[str, str | None],
    accepted: tuple[Option, ...],
) -> Deployment:
    """Read a deployment from texts. ``accepted`` are the engine's options, with their defaults.

    Raises ``SettingError`` for the first flag that is wrong or unknown.
    """
    defaults = {option.name: option.default for option in accepted}
    for name in options:
        if name not in defaults:
            known = ", ".join(option.flag for option in accepted) or "no options"
            raise SettingError("--" + name, options[name], known)
    given = {name: text for name, text in options.items() if text}
    return Deployment(
        name=sizing.name,
        image=sizing.image,
        tasks=_whole("--tasks", sizing.tasks),
        parallel=None if sizing.parallel is None else _whole("--parallel", sizing.parallel),
        retries=_whole("--retries", sizing.retries),
        timeout=ceil(parse_duration(sizing.timeout, "--timeout")),
        memory=parse_bytes(sizing.memory, "--memory"),
        cpu=_cores(sizing.cpu),
        variables={name: text for name, text in variables.items() if text},
        options={**defaults, **given},
    )


def _check_variables(deployment: Deployment) -> None:
    known = {variable.name for variable in VARIABLES} - set(GIVEN_BY_ENGINE)
    for name, text in deployment.variables.items():
        if name not in known:
            raise SettingError(name, text, "one of " + ", ".join(sorted(known)))
    for name, choices in _CHOICES.items():
        if name in deployment.variables and deployment.variables[name] not in choices:
            raise SettingError(name, deployment.variables[name], " or ".join(choices))
    settings = deployment.settings
    parse_layout(settings.layout, settings.renditions, "20260101T0000Z")
    for variable, place in zip(("INPUT_FOLDER", "OUTPUT_FOLDER"), deployment.places, strict=True):
        if place.scheme == "memory":
            raise SettingError(variable, place.url, "a place that all tasks reach")
        if place.scheme == "file" and not place.prefix.startswith("/"):
            accepted = "a URL, or an absolute path as the container sees it"
            raise SettingError(variable, place.url, accepted)


def _between(flag: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise SettingError(flag, number, f"from {least} to {most}")


def _whole(flag: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise SettingError(flag, text, "a whole number, as 10")
    return int(text)


def _cores(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text, re.ASCII):
        raise SettingError("--cpu", text, "cores, as 0.5 or 2")
    return float(text)
