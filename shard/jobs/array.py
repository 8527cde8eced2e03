"""The array on one machine: N real task processes, started, watched and retried as engines do."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import shard
from shard.errors import StorageError
from shard.execution import resources, run_record
from shard.execution.opening import Opening
from shard.execution.processes import manner
from shard.execution.scratch import scratch
from shard.execution.signals import Stop
from shard.execution.totals import Totals
from shard.report import status, summary
from shard.report.progress import PROGRESS_FILE, File

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shard.planning.settings import TaskSettings

_TICK = 0.1
_INTERRUPTED = (130, 143)
_WRONG_SETTING = 2


class JointProgress(Protocol):
    """Whoever shows the whole array's progress."""

    def start(self, total: int | None, title: str) -> None:
        """Show up."""

    def update(self, totals: Totals, total: int | None = None) -> None:
        """Show the sum over all tasks; ``total`` grows while tasks begin."""

    def end(self, totals: Totals) -> None:
        """Go away."""


@dataclass(frozen=True, slots=True)
class Array:
    """How many tasks, how many of them at once, and how often a failed one is tried again.

    ``words``: the command that a task is, where it is not the main job's.
    """

    tasks: int
    parallel: int
    retries: int
    words: tuple[str, ...] = ()


@dataclass(slots=True)
class _Running:
    index: int
    attempt: int
    process: subprocess.Popen[str]
    pump: threading.Thread


@dataclass(slots=True)
class _Launcher:
    """Starts tasks and keeps book of how they end. ``log`` gets the lines they say."""

    array: Array
    env: Mapping[str, str]
    folder: Path
    log: Callable[[str], None]
    waiting: list[tuple[int, int]] = field(default_factory=list)
    running: list[_Running] = field(default_factory=list)
    wrong: bool = False
    stopping: bool = False

    def start_some(self) -> None:
        """Start tasks while there is a place for them."""
        while self.waiting and len(self.running) < self.array.parallel:
            index, attempt = self.waiting.pop(0)
            self.running.append(self._start(index, attempt))

    def reap(self) -> None:
        """Take note of tasks that ended; line up those worth another attempt."""
        for task in [task for task in self.running if task.process.poll() is not None]:
            task.pump.join()
            self.running.remove(task)
            code = task.process.returncode
            if code == _WRONG_SETTING:
                self.wrong = True
                self.waiting.clear()
            elif self._worth_another(task, code):
                self.log(f"[task {task.index}] {manner(code)}; it is started again")
                self.waiting.append((task.index, task.attempt + 1))
            elif code not in (0, 1) and not self.stopping:
                self.log(f"[task {task.index}] {manner(code)}")

    def signal(self, number: int) -> None:
        """Pass a signal on; start no more, nor again."""
        self.stopping = True
        self.waiting.clear()
        for task in self.running:
            task.process.send_signal(number)

    def progress(self) -> tuple[Totals, int | None]:
        """Return the sums of all tasks that have begun, and what they all are going to settle."""
        totals, total, begun = Totals(), 0, 0
        for index in range(self.array.tasks):
            facts = File.read(self.progress_file(index))
            if facts is not None:
                begun += facts[0] is not None
                total += facts[0] or 0
                totals.merge(facts[1])
        # Tasks not begun yet are taken to be like the others: slices are alike.
        return totals, round(total * self.array.tasks / begun) if begun else None

    def progress_file(self, index: int) -> Path:
        """Return where the task notes how far it is."""
        return self.folder / f"{index}.json"

    def _worth_another(self, task: _Running, code: int) -> bool:
        if self.stopping or code == 0 or code in _INTERRUPTED:
            return False
        if task.attempt >= self.array.retries:
            return False
        facts = File.read(self.progress_file(task.index))
        # Exit 1 with none but permanent failures would only fail again, at the same items.
        return code != 1 or facts is None or facts[1].retryable > 0

    def _start(self, index: int, attempt: int) -> _Running:
        self.progress_file(index).unlink(missing_ok=True)
        env = {
            **self.env,
            "TASK_INDEX": str(index),
            "TASK_ATTEMPT": str(attempt),
            PROGRESS_FILE: str(self.progress_file(index)),
        }
        # Signals reach the tasks through us, once, and not from the terminal as well.
        process = subprocess.Popen(
            _command(self.array.words),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        )
        pump = threading.Thread(target=self._pump, args=(index, process), daemon=True)
        pump.start()
        return _Running(index, attempt, process, pump)

    def _pump(self, index: int, process: subprocess.Popen[str]) -> None:
        for line in process.stderr or ():
            # A JSON line says which task it is from, and must stay JSON.
            named = line.startswith("{") and self.env.get("LOG_FORMAT") == "json"
            self.log(line.rstrip() if named else f"[task {index}] {line.rstrip()}")


def run_array(
    settings: TaskSettings,
    env: Mapping[str, str],
    array: Array,
    show: JointProgress,
    say: tuple[Callable[[str], None], Callable[[str], None]],
) -> int:
    """Run all tasks as processes; return the run's exit code: 0, 1, 2, 130 or 143.

    ``settings`` are those of the tasks, checked already, ``env`` what the processes inherit.
    ``say`` takes the summary (for a person) and the tasks' own lines.
    """
    run = settings.task.run_id or new_run_id()
    started = time.monotonic()
    tell, log = say
    with scratch("run") as folder, Stop() as stop:
        launcher = _Launcher(array, _task_env(settings, env, array, run), folder, log)
        launcher.waiting = [(index, 0) for index in range(array.tasks)]
        _watch(launcher, show, stop)
        if launcher.wrong:
            return _WRONG_SETTING
        return _sum_up(settings, run, time.monotonic() - started, (stop, tell))


def new_run_id() -> str:
    """Return an id for a run that nobody named."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def _watch(launcher: _Launcher, show: JointProgress, stop: Stop) -> None:
    passed_on = False
    show.start(None, f"{launcher.array.tasks} tasks")
    try:
        while launcher.waiting or launcher.running:
            if stop.requested and (stop.urgent or not passed_on):
                passed_on, stop.urgent = True, False
                launcher.signal(stop.exit_code - 128)
            launcher.start_some()
            stop.sleep(_TICK)
            launcher.reap()
            show.update(*launcher.progress())
    finally:
        show.end(launcher.progress()[0])


def _sum_up(
    settings: TaskSettings, run: str, seconds: float, around: tuple[Stop, Callable[[str], None]]
) -> int:
    stop, tell = around
    opening = Opening(settings)
    folder = opening.open_folder(run)
    try:
        record = run_record.load(folder)
    except StorageError:
        if stop.reason:
            return stop.exit_code  # before any task had begun
        raise
    state = status.read(folder, record)
    where = summary.Where(run, opening.output_of(record).url, folder.url)
    tell(status.text(state, where, seconds))
    if stop.reason and not state.done:
        return stop.exit_code
    too_many = settings.max_failures.exceeded(state.failed_items, state.items)
    return 0 if state.done and not too_many else 1


def _task_env(
    settings: TaskSettings, env: Mapping[str, str], array: Array, run: str
) -> dict[str, str]:
    """Divide this machine's cores and memory among the tasks that run at once."""
    shared = {**env, "TASK_COUNT": str(array.tasks), "RUN_ID": run}
    if not shared.get("WORKERS"):
        shared["WORKERS"] = str(max(1, resources.usable_cores() // array.parallel))
    limit = settings.memory_limit or resources.memory_limit()
    if limit is not None:
        shared["MEMORY_LIMIT"] = str(max(1, limit // array.parallel))
    return shared


def _command(words: tuple[str, ...]) -> list[str]:
    script = Path(shard.__file__).parent.parent / "process.py"
    if script.exists():
        return [sys.executable, str(script), *(("shard", *words) if words else ())]
    # Installed as a package, without the checkout.
    return [sys.executable, "-m", "shard", *(words or ("task",))]
