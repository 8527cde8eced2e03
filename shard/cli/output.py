"""What the commands say, and where: logs and progress to stderr, summaries to stdout."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shard.errors import SettingError, ShardError
from shard.execution.signals import Interrupted
from shard.planning.engine import task_from
from shard.report.progress import PROGRESS_FILE, Bar, File, Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console

    from shard.execution.account import Progress
    from shard.jobs.array import JointProgress

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_log = logging.getLogger("shard")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if record.levelno >= logging.WARNING:
            return f"shard: {record.levelname.lower()}: {record.getMessage()}"
        return f"{datetime.now(UTC):%H:%M:%S} {record.getMessage()}"


class _Json(logging.Formatter):
    """One object a line with the field names that Cloud Logging understands."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._labels = dict(labels)

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "message": record.getMessage(),
            "logging.googleapis.com/labels": self._labels,
        }
        return json.dumps(facts)


def _labels(env: Mapping[str, str]) -> dict[str, str]:
    """Return which task of which run speaks, as far as its environment tells."""
    try:
        task = task_from(env)
    except SettingError:
        return {}  # said in a sentence of its own when the settings are read
    labels = {"task": f"{task.index}/{task.count}", "engine": task.engine}
    return labels | ({"run": task.run_id} if task.run_id else {})


class Voice:
    """How a command speaks: text for people or JSON for a cloud's logs."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Set up logging. Raises ``SettingError`` for LOG_FORMAT or LOG_LEVEL."""
        self._env = env
        self._format = env.get("LOG_FORMAT") or "text"
        level = env.get("LOG_LEVEL") or "info"
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Text())
        _log.handlers = [handler]
        _log.propagate = False
        if self._format not in ("text", "json"):
            raise SettingError("LOG_FORMAT", self._format, "text or json")
        if level.lower() not in _LEVELS:
            raise SettingError("LOG_LEVEL", level, ", ".join(_LEVELS))
        _log.setLevel(_LEVELS[level.lower()])
        if self._format == "json":
            handler.setFormatter(_Json(_labels(env)))

    @property
    def _is_terminal(self) -> bool:
        return self._format == "text" and sys.stderr.isatty()

    def progress(self) -> Progress:
        """Return who shows a task's progress here."""
        if path := self._env.get(PROGRESS_FILE):
            return File(Path(path))
        return self.bar() if self._is_terminal else Lines()

    def bar(self) -> Bar:
        """Return a bar for the terminal."""
        return Bar(self._console())

    def joint(self) -> tuple[JointProgress, Callable[[str], None]]:
        """Return who shows an array's progress, and who prints its tasks' lines beside that."""
        if not self._is_terminal:
            return Lines(), lambda line: print(line, file=sys.stderr, flush=True)  # noqa: T201
        console = self._console()
        return Bar(console), lambda line: console.print(line, markup=False, highlight=False)

    def _console(self) -> Console:
        from rich.console import Console

        return Console(stderr=True)

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
