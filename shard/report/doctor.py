"""What `doctor` found, as text for a person and as JSON for a program."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from shard.planning.checkup import UNCLEAR, Level
from shard.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shard.execution.visits import Visit
    from shard.planning.checkup import Disk, Finding, Machine
    from shard.planning.settings import TaskSettings

_WIDTH: Final = 80
_NAMES: Final = 13
_HEAD: Final = ("shard", "python", "system")
_ORDER: Final = tuple(Level)


def text(
    settings: TaskSettings,
    machine: Machine,
    visits: Sequence[Visit],
    findings: Sequence[Finding],
) -> str:
    """Return facts first, then findings, the worst first, in 80 columns."""
    shard, python, system = (machine.versions[name] for name in _HEAD)
    lines = [f"Shard {shard} on Python {python}, {system}"]
    for name, value in (*_task(settings), *_machine(settings, machine)):
        lines += _row(name, value)
    for visit in visits:
        lines += ["", f"  {visit.role}  {visit.url}"]
        for name, value in visit.facts.items():
            lines += _row(name, value, indent=4)
    lines.append("")
    for finding in sorted(findings, key=lambda finding: _ORDER.index(finding.level)):
        lines += _finding(finding)
    return "\n".join([*lines, "", verdict(findings)])


def as_json(
    settings: TaskSettings,
    machine: Machine,
    visits: Sequence[Visit],
    findings: Sequence[Finding],
) -> str:
    """Return everything as one JSON document."""
    facts: dict[str, Any] = {
        "task": asdict(settings.task),
        "machine": asdict(machine),
        "places": [{"role": v.role, "url": v.url, **v.facts} for v in visits],
        "findings": [asdict(finding) for finding in findings],
        "would_fail": any(finding.level is Level.WRONG for finding in findings),
    }
    return json.dumps(facts, indent=2, ensure_ascii=True)


def verdict(findings: Iterable[Finding]) -> str:
    """Return the last line: whether a task would fail here."""
    levels = [finding.level for finding in findings]
    wrong, warnings = levels.count(Level.WRONG), levels.count(Level.WARNING)
    warned = words.plural(warnings, "warning") if warnings else "no warnings"
    if wrong:
        return f"A task would fail here: {words.plural(wrong, 'thing')} wrong, {warned}."
    return f"A task would run here: nothing wrong, {warned}."


def _task(settings: TaskSettings) -> Iterator[tuple[str, str]]:
    task = settings.task
    share = f"task {task.index} of {task.count}, attempt {task.attempt}"
    unclear = task.engine == UNCLEAR
    yield "engine", "unclear, see below" if unclear else f"{task.engine}: {share}"
    yield "run", task.run_id or "made when it starts (neither RUN_ID nor the engine gives one)"
    if settings.task_timeout:
        yield "time", f"{words.duration(settings.task_timeout)} (TASK_TIMEOUT)"


def _machine(settings: TaskSettings, machine: Machine) -> Iterator[tuple[str, str]]:
    how = "WORKERS" if settings.workers else "one a core"
    yield "cores", f"{machine.cores} usable; {words.plural(machine.workers, 'worker')} ({how})"
    if settings.memory_limit:
        memory = f"{words.size(settings.memory_limit)} (MEMORY_LIMIT)"
    elif machine.memory_limit:
        memory = f"{words.size(machine.memory_limit)} (the container's limit)"
    else:
        memory = f"{words.size(machine.physical_memory)} (the machine's; no limit is set)"
    yield "memory", memory
    if machine.temporary:
        yield "temporary", _disk(machine.temporary)
    if machine.output:
        yield "output disk", _disk(machine.output)
    others = {k: v for k, v in machine.versions.items() if k not in _HEAD}
    yield "versions", ", ".join(f"{name} {number}" for name, number in others.items())
    if machine.missing:
        absent = ", ".join(f"{extra} ({what})" for extra, what in machine.missing.items())
        yield "extras", f"not installed: {absent}"


def _disk(disk: Disk) -> str:
    return f"{disk.path}, {words.size(disk.free)} free ({disk.kind})"


def _row(name: str, value: str, indent: int = 2) -> list[str]:
    return _wrapped(f"{' ' * indent}{name:<{_NAMES - indent}} ", value)


def _finding(finding: Finding) -> list[str]:
    said = f"{finding.topic}: {finding.text}"
    lines = _wrapped(f"  {finding.level:<8} ", said)
    return lines + (_wrapped(f"{'':<8}-> ", finding.remedy) if finding.remedy else [])


def _wrapped(head: str, value: str) -> list[str]:
    """Return ``value`` behind ``head``; a long URL or key stays whole, to be copied."""
    return textwrap.wrap(
        value,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
