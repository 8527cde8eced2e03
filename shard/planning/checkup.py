"""What would go wrong with a task, told from its settings and its machine before it begins."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from shard.planning.habits import HABITS
from shard.planning.limits import decoding_memory
from shard.planning.location import below
from shard.planning.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shard.planning.settings import TaskSettings


UNCLEAR: Final = "unclear"
"""The engine of a task whose variables contradict each other."""


class Level(StrEnum):
    """How much a finding matters; only ``WRONG`` makes a task fail."""

    WRONG = "wrong"
    WARNING = "warning"
    NOTE = "note"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: ``topic`` is a word, ``text`` a sentence, ``remedy`` what to do about it."""

    level: Level
    topic: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system: its type (``ext4``, ``overlay``, ``tmpfs``, ...), bytes free."""

    path: str
    mount: str
    kind: str
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What the task may use. Sizes in bytes; ``memory_limit`` is ``None`` where none is set.

    ``temporary`` is ``None`` where no folder for temporary files can be written; ``output`` is the
    disk of an output on local disk.
    """

    cores: int
    physical_memory: int
    memory_limit: int | None
    workers: int
    temporary: Disk | None
    output: Disk | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


_PIXEL: Final = 3
"""Bytes that a pixel of a progressive JPEG takes while it is decoded, at whatever scale."""
_FLOOR: Final = 32 << 20
_LITTLE_ROOM: Final = 100_000_000
_GONE_WITH_CONTAINER: Final = ("overlay", "overlayfs", "aufs", "tmpfs", "ramfs")
_ALIKE: Final = 0.85
_MEGAPIXEL: Final = 1_000_000


def examine(settings: TaskSettings, machine: Machine) -> Iterator[Finding]:
    """Yield what will or may go wrong, by rules alone; nothing is asked of a store."""
    yield from _run_id(settings)
    yield from _time(settings)
    yield from _memory(settings, machine)
    yield from _places(settings, machine)
    yield from _temporary(settings, machine)


def misspelt(names: Iterable[str]) -> Iterator[Finding]:
    """Yield a warning for each variable that is nearly, but not quite, one of Shard's."""
    known = [variable.name for variable in VARIABLES]
    for name in sorted(set(names) - set(known)):
        meant = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if meant:
            yield Finding(
                Level.WARNING,
                "settings",
                f"{name} is set, but no setting has this name",
                f"if {meant[0]} is meant, rename it",
            )


def _run_id(settings: TaskSettings) -> Iterator[Finding]:
    if settings.task.run_id is None and settings.task.count > 1:
        yield Finding(
            Level.WARNING,
            "run",
            "RUN_ID is not set: only tasks that start within one minute would share a run",
            "set RUN_ID to one text for all tasks (on Kubernetes the job's uid, by the downward "
            "API)",
        )


def _time(settings: TaskSettings) -> Iterator[Finding]:
    """Yield what the engine's clocks will do to this task."""
    habits = HABITS.get(settings.task.engine)
    if habits is None:
        return
    timeout = settings.task_timeout
    if timeout is None and habits.timeout is not None:
        yield Finding(
            Level.WARNING,
            "time",
            f"TASK_TIMEOUT is not set: {habits.name} kills a task after "
            f"{habits.timeout / 60:g} min unless the job says otherwise",
            f"give the job a {habits.flag} and set TASK_TIMEOUT to the same, so that a task stops "
            f"by itself before it",
        )
    if timeout is not None and habits.longest is not None and timeout > habits.longest:
        yield Finding(
            Level.WARNING,
            "time",
            f"TASK_TIMEOUT is {timeout / 3600:g} h, but {habits.name} lets no task run longer "
            f"than {habits.longest / 3600:g} h",
            "set both to the same, and use more tasks",
        )
    if settings.grace > habits.most_grace:
        raises = settings.task.engine in ("kubernetes", "slurm")
        longer = f", or raise {habits.flag}" if raises else ""
        yield Finding(
            Level.WARNING,
            "time",
            f"GRACE is {settings.grace:g} s, but {habits.name} kills {habits.kill_after:g} s after "
            f"its SIGTERM, and the ledger is written last",
            f"set GRACE to {habits.most_grace} at most{longer}",
        )


def _memory(settings: TaskSettings, machine: Machine) -> Iterator[Finding]:
    limit = settings.memory_limit or machine.memory_limit
    granted = machine.memory_limit or machine.physical_memory
    if settings.memory_limit and settings.memory_limit > granted:
        yield Finding(
            Level.WARNING,
            "memory",
            f"MEMORY_LIMIT is {_mib(settings.memory_limit)}, but there are only {_mib(granted)}: "
            f"the task may be killed",
            "set MEMORY_LIMIT to what the container has, or leave it out",
        )
    share, alone = decoding_memory(limit or machine.physical_memory, machine.workers)
    if share <= _FLOOR:
        yield Finding(
            Level.WARNING,
            "memory",
            f"{_mib(limit or machine.physical_memory)} is little for "
            f"{machine.workers} workers of about 80 MiB each: nearly every image has to be "
            f"decoded alone",
            "fewer WORKERS, or more memory",
        )
    if alone < settings.limits.max_pixels * _PIXEL:
        most = alone // _PIXEL // _MEGAPIXEL
        yield Finding(
            Level.NOTE,
            "memory",
            f"a progressive JPEG of more than about {most} megapixels would be refused as "
            f"too_much_memory (MAX_PIXELS allows {settings.limits.max_pixels // _MEGAPIXEL})",
            "if you have such images, give the task more memory",
        )
    if settings.workers and settings.workers > machine.cores:
        yield Finding(
            Level.WARNING,
            "workers",
            f"WORKERS is {settings.workers}, but only {machine.cores} cores are usable: more "
            f"workers take memory and save no time",
            f"set WORKERS to {machine.cores}, or leave it out",
        )


def _places(settings: TaskSettings, machine: Machine) -> Iterator[Finding]:
    source, output = settings.source, settings.output
    if output is not None and below(source, output):
        yield Finding(
            Level.NOTE,
            "output",
            f"{output.url} lies in the source: this run leaves it out, other outputs would "
            f"take its thumbnails for originals",
            "keep outputs beside the source",
        )
    if output is not None and below(output, source):
        yield Finding(
            Level.NOTE,
            "output",
            f"the source lies in {output.url}: an image whose thumbnail would fall into the "
            f"source fails, so that no original is overwritten",
            "keep outputs beside the source",
        )
    if output is not None and output.scheme == "memory":
        yield Finding(Level.WARNING, "output", "memory:// ends with the process", "name a bucket")
    if machine.output is not None:
        yield from _local_output(settings, machine.output)


def _local_output(settings: TaskSettings, disk: Disk) -> Iterator[Finding]:
    in_engine = settings.task.engine in HABITS and settings.task.engine != "slurm"
    if disk.kind in _GONE_WITH_CONTAINER or (in_engine and disk.mount == "/"):
        yield Finding(
            Level.WARNING,
            "output",
            f"{disk.path} is on the container's own disk ({disk.kind}): thumbnails would be gone "
            f"with it",
            "name a bucket, or mount a volume there",
        )
    elif settings.task.count > 1 and settings.task.engine != "local":
        yield Finding(
            Level.NOTE,
            "output",
            f"{disk.path} is a local folder: all {settings.task.count} tasks must see the same one",
            "mount one shared volume in every task, or name a bucket",
        )
    if disk.free < _LITTLE_ROOM:
        yield Finding(
            Level.WARNING, "output", f"only {_mib(disk.free)} are free at {disk.path}", "make room"
        )


def _temporary(settings: TaskSettings, machine: Machine) -> Iterator[Finding]:
    disk = machine.temporary
    if disk is None:
        yield Finding(
            Level.WRONG,
            "temporary",
            "no folder for temporary files can be written: the ledger is spooled there",
            "set TMPDIR to a folder with room (in a read-only container: --tmpfs /tmp)",
        )
        return
    if disk.free < _LITTLE_ROOM:
        yield Finding(
            Level.WARNING,
            "temporary",
            f"only {_mib(disk.free)} are free in {disk.path}; the ledger takes about 0.5 kB an "
            f"image",
            "set TMPDIR to a folder with more room",
        )
    if settings.task.engine == "cloud-run":
        yield Finding(
            Level.NOTE,
            "temporary",
            f"on Cloud Run {disk.path} is memory: the ledger counts against the limit, about "
            f"0.5 kB an image",
        )


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"
