"""What the commands say, and where: logs and progress to stderr, summaries to stdout."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shard.errors import SettingError, ShardError
from shard.execution.signals import Interrupted
from shard.planning.engine import task_from
from shard.report.progress import PROGRESS_FILE, Bar, File, Lines, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console

    from shard.execution.account import Progress
    from shard.jobs.array import JointProgress
    from shard.report.scan import Listed
    from shard.report.tables import Block
    from shard.report.upload import Watch

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_log = logging.getLogger("shard")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        if record.levelno >= logging.WARNING:
            return f"shard: {record.levelname.lower()}: {record.getMessage()}{trace}"
        return f"{datetime.now(UTC):%H:%M:%S} {record.getMessage()}{trace}"


class _Json(logging.Formatter):
    """One object a line with the field names that Cloud Logging understands.

    What a record carries as ``extra={"facts": {...}}`` stands beside them.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._labels = dict(labels)

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "message": record.getMessage(),
            "logging.googleapis.com/labels": self._labels,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return json.dumps(facts)


def _labels(env: Mapping[str, str]) -> dict[str, str]:
    """Return which task of which run speaks, as far as its environment tells."""
    try:
        task = task_from(env)
    except SettingError:
        return {}  # said in a sentence of its own when the settings are read
    labels = {"task": f"{task.index}/{task.count}", "engine": task.engine}
    return labels | ({"run": task.run_id} if task.run_id else {})


class _Console(logging.StreamHandler[Any]):
    """Writes to whatever stderr is at the moment: a bar on a terminal puts lines above itself."""

    def __init__(self, *, all_files: bool) -> None:
        super().__init__(sys.stderr)
        self._all_files = all_files

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave an upload's lines about files that are well to the log file."""
        quiet = record.name == "shard.upload" and record.levelno < logging.WARNING
        return self._all_files or not quiet

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class Voice:
    """How a command speaks: text for people or JSON for a cloud's logs."""

    def __init__(self, env: Mapping[str, str], service: str | None = None) -> None:
        """Set up logging. Raises ``SettingError`` for LOG_FORMAT or LOG_LEVEL.

        JSON lines are labelled with the task that speaks, or with the ``service``.
        """
        self._env = env
        self._format = env.get("LOG_FORMAT") or "text"
        level = env.get("LOG_LEVEL") or "info"
        handler = _Console(all_files=level.lower() == "debug")
        handler.setFormatter(_Text())
        _log.handlers = [handler]
        _log.propagate = False
        if self._format not in ("text", "json"):
            raise SettingError("LOG_FORMAT", self._format, "text or json")
        if level.lower() not in _LEVELS:
            raise SettingError("LOG_LEVEL", level, ", ".join(_LEVELS))
        _log.setLevel(_LEVELS[level.lower()])
        if self._format == "json":
            handler.setFormatter(_Json({"service": service} if service else _labels(env)))

    def adopt(self, name: str) -> None:
        """Let a library's warnings speak in this voice too, as everything does in a debug log."""
        library = logging.getLogger(name)
        library.handlers, library.propagate = list(_log.handlers), False
        library.setLevel(_log.level if _log.level in (10, 40) else logging.WARNING)

    @property
    def _is_terminal(self) -> bool:
        return self._format == "text" and sys.stderr.isatty()

    def progress(self, *, silent: bool = False, noun: str = "thumbnail") -> Progress:
        """Return who shows a task's progress here, counting ``noun``s."""
        if path := self._env.get(PROGRESS_FILE):
            return File(Path(path))
        if silent:
            return Silent()
        return Bar(self._console(), noun) if self._is_terminal else Lines(noun)

    def bar(self) -> Bar:
        """Return a bar for the terminal."""
        return Bar(self._console())

    def watch(self) -> Watch:
        """Return who follows an upload."""
        from shard.report.upload import Watch

        path = self._env.get(PROGRESS_FILE)
        console = self._console() if self._is_terminal and not path else None
        return Watch(console, File(Path(path)) if path else None)

    def log_to(self, path: str) -> None:
        """Log to a file as well, all files' lines included. Raises ``SettingError``."""
        try:
            handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            accepted = f"a file that can be written, or none ({error.strerror})"
            raise SettingError("--log-file", path, accepted) from None
        form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        form.converter = time.gmtime
        handler.setFormatter(form)
        _log.addHandler(handler)

    def joint(self, *, silent: bool = False) -> tuple[JointProgress, Callable[[str], None]]:
        """Return who shows an array's progress, and who prints its tasks' lines beside that."""
        if silent or not self._is_terminal:
            shown = Silent() if silent else Lines()
            return shown, lambda line: print(line, file=sys.stderr, flush=True)  # noqa: T201
        console = self._console()
        return Bar(console), lambda line: console.print(line, markup=False, highlight=False)

    def _console(self) -> Console:
        from rich.console import Console

        return Console(stderr=True)

    def listed(self, *, quiet: bool) -> Listed:
        """Return who shows how far a scan is."""
        from shard.report.scan import Listed

        return Listed(self._console() if self._is_terminal else None, quiet=quiet)

    def show(self, blocks: Sequence[Block]) -> None:
        """Say text and tables: drawn where stdout is a terminal, plain anywhere else."""
        from shard.report.tables import Table, plain

        if self._format == "json" or not sys.stdout.isatty():
            self.say(plain(blocks))
            return
        from rich.console import Console

        console = Console(highlight=False)
        for block in filter(None, blocks):  # drawn tables bring their own empty lines
            shown = block.rich() if isinstance(block, Table) else block
            console.print(shown, markup=False, soft_wrap=isinstance(block, str))

    def say(self, text: str) -> None:
        """Say a summary: to stdout, or as a record of the log."""
        if self._format == "json":
            _log.info("%s", text)
        else:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


@contextmanager
def sentences() -> Iterator[None]:
    """Turn foreseen errors into a sentence and an exit code; a traceback is only for our bugs."""
    try:
        yield
    except ShardError as error:
        if not _log.handlers:
            _log.addHandler(logging.StreamHandler(sys.stderr))
        _log.error("%s", error)
        sys.exit(error.exit_code)
    except Interrupted as interrupted:
        _log.warning("%s", interrupted)
        sys.exit(interrupted.exit_code)
    except BrokenPipeError:
        sys.exit(1)
