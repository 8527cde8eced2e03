"""The verb `doctor`: what a task would find here, and what would go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError, ShardError, StorageError
from shard.execution import run_record
from shard.execution.machine import machine
from shard.execution.opening import Opening
from shard.execution.visits import (
    Asked,
    Visit,
    check_skew,
    visit_output,
    visit_run,
    visit_source,
)
from shard.imaging.libvips import library
from shard.planning.checkup import UNCLEAR, Finding, Level, examine, misspelt
from shard.planning.engine import without_engines
from shard.planning.location import output_base
from shard.planning.settings import VARIABLES, TaskSettings
from shard.storage import open_store
from shard.storage.identity import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shard.execution.run_record import RunRecord
    from shard.planning.checkup import Machine
    from shard.storage.base import StorageOptions

_PATIENCE: Final = 30.0
"""Seconds after which a place is given up; source and output are visited at once."""
_RETRIES: Final = 3.0
_REQUEST: Final = 10.0
_SETTINGS: Final = frozenset(variable.name for variable in VARIABLES)
_SHARE: Final = frozenset({"TASK_INDEX", "TASK_COUNT", "TASK_ATTEMPT"})
_PLACES: Final = frozenset({"INPUT_FOLDER", "OUTPUT_FOLDER", "OUTPUT_BUCKET"})
# What stands for a setting that is missing, so that the others can be read; it is never visited.
_STAND_INS: Final = {
    "INPUT_FOLDER": "memory://input",
    "OUTPUT_FOLDER": "memory://output",
    "RUN_ID": "doctor",
}


@dataclass(slots=True)
class Checkup:
    """All that was found. ``settings`` is what the variables say, wrong ones left out."""

    settings: TaskSettings
    machine: Machine
    findings: list[Finding]
    visits: list[Visit] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """2 if a task would fail, else 0."""
        return 2 if any(finding.level is Level.WRONG for finding in self.findings) else 0


def check(env: Mapping[str, str], heard: Sequence[SettingError] = ()) -> Checkup:
    """Look at everything that a task with these variables depends on.

    ``heard``: settings that were found wrong already. What is wrong becomes a finding.
    """
    opening, record, errors = _read(env)
    settings, wrong = opening.settings, {error.variable for error in errors}
    if any(_is_about_engine(variable) for variable in wrong):
        settings = replace(settings, task=replace(settings.task, engine=UNCLEAR))
    findings = [Finding(Level.WRONG, "settings", str(error)) for error in (*heard, *errors)]
    findings += misspelt(env)
    known_places = not wrong & _PLACES
    output = settings.output.url if settings.output and settings.output.scheme == "file" else None
    facts = _machine(settings.workers, output if known_places else None)
    findings += [f for f in examine(settings, facts) if known_places or f.topic != "output"]
    findings += _imaging()
    visits = _visits(opening, record, wrong, env)
    findings += [finding for visit in visits for finding in visit.findings]
    return Checkup(settings, facts, findings, visits)


def _machine(workers: int | None, output: str | None) -> Machine:
    """Return the machine's facts; without the output's disk where that does not answer."""
    try:
        return Asked(output or "", lambda: machine(workers, output)).answer(_REQUEST)
    except (StorageError, OSError):
        return machine(workers, None)  # the visit says what is wrong with it


def _read(env: Mapping[str, str]) -> tuple[Opening, RunRecord, list[SettingError]]:
    """Return the settings that can be read, and what is wrong with each of the others.

    A wrong setting is taken out, a missing one replaced, until the rest makes a task.
    """
    left = {name: text for name, text in env.items() if text}
    errors: dict[str, SettingError] = {}
    while True:
        try:
            opening = Opening(TaskSettings.parse(left))
            return opening, opening.check(), list(errors.values())
        except SettingError as error:
            errors.setdefault(error.variable, error)
            rest = _without(left, error.variable, is_missing=error.value is None)
            if rest == left:
                raise  # a setting that cannot be done without: at least this one is told
            left = rest


def _without(env: Mapping[str, str], variable: str, *, is_missing: bool) -> dict[str, str]:
    names = set(variable.split("/"))
    if _is_about_engine(variable):
        return {k: text for k, text in without_engines(env).items() if k not in _SHARE | names}
    stands_in = {name: text for name, text in _STAND_INS.items() if name in names}
    if not is_missing:
        stands_in.pop("RUN_ID", None)
    return {name: text for name, text in env.items() if name not in names} | stands_in


def _is_about_engine(variable: str) -> bool:
    names = set(variable.split("/"))
    return bool(names - _SETTINGS or names & _SHARE)


def _imaging() -> list[Finding]:
    try:
        library()
    except (ImportError, OSError) as error:
        text = f"libvips cannot be loaded ({str(error).partition(chr(10))[0]})"
        return [Finding(Level.WRONG, "imaging", text, "install the pyvips-binary package again")]
    return []


def _visits(
    opening: Opening, record: RunRecord, wrong: set[str], env: Mapping[str, str]
) -> list[Visit]:
    """Visit source and output at once, each for a limited time."""
    settings = opening.settings
    budget = min(_RETRIES, settings.retry_budget)
    options = replace(opening.options, retry_budget=budget, request_timeout=_REQUEST)

    def source(visit: Visit) -> None:
        visit_source(visit, open_store(visit.url, options), opening.excluded(record))

    def output(visit: Visit) -> None:
        visit_output(visit, base, open_store(visit.url, options), write=not settings.dry_run)
        if settings.task.run_id:
            folder = run_record.folder_url(base.url, record.run)
            visit_run(visit, open_store(folder, options), record)

    asked: list[tuple[Visit, Asked[Visit]]] = []
    if "INPUT_FOLDER" not in wrong:
        asked.append(_ask(Visit("source", settings.source.url), source, options, env))
    if not wrong & _PLACES:
        base = output_base(settings.source, settings.output, settings.output_bucket)
        asked.append(_ask(Visit("output", base.url), output, options, env))
    return [_answer(visit, answer) for visit, answer in asked]


def _ask(
    visit: Visit, ask: Callable[[Visit], None], options: StorageOptions, env: Mapping[str, str]
) -> tuple[Visit, Asked[Visit]]:
    """Begin a visit in a thread; what it finds is in a copy, since it may never end."""

    def run() -> Visit:
        inside = Visit(visit.role, visit.url)
        with inside.telling("cannot be reached"):
            identity = identify(visit.url, options, env)
            inside.facts["credentials"] = identity.credentials
            if identity.endpoint:
                inside.facts["endpoint"] = identity.endpoint
            check_skew(inside, identity.skew)
            ask(inside)
        return inside

    return visit, Asked(visit.url, run)


def _answer(visit: Visit, asked: Asked[Visit]) -> Visit:
    try:
        return asked.answer(_PATIENCE)
    except ShardError as error:
        visit.add(Level.WRONG, str(error))
        return visit
