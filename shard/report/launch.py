"""The command that starts what was planned."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Final

import shard
from shard.planning import prices
from shard.planning.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.execution.outlook import Array
    from shard.planning.settings import TaskSettings

_ENGINES: Final = {"gs": "cloud-run", "s3": "aws-batch"}
_OTHERWISE: Final = "kubernetes"
_SAID_OTHERWISE: Final = frozenset(
    {
        *("INPUT_FOLDER", "OUTPUT_FOLDER", "TASK_INDEX", "TASK_COUNT", "TASK_ATTEMPT", "RUN_ID"),
        *("LIMIT", "DRY_RUN", "WORKERS", "MEMORY_LIMIT", "TASK_TIMEOUT", "LOG_FORMAT", "LOG_LEVEL"),
    }
)
_IMAGE: Final = f"europe-docker.pkg.dev/PROJECT/REPOSITORY/shard:{shard.__version__}"
"""Cloud Run takes none but one in a registry: the words in capitals are the user's."""
_LEAST_TIMEOUT: Final = 600
_SPARE: Final = 1.5


def command(settings: TaskSettings, array: Array) -> str | None:
    """Return the `shard` command of the planned job: on an engine near the source, or here.

    A local source is for this machine: a container would not see it. ``None`` if the engine has no
    machine with so many vCPUs and so much memory.
    """
    options = [word for pair in _flags(settings.texts) for word in pair]
    source, output = settings.source.url, settings.output
    if settings.source.scheme == "file":
        return shlex.join(["shard", "run", source, *([output.url] if output else []), *options])
    engine = _ENGINES.get(settings.source.scheme, _OTHERWISE)
    given = (p.memory(array.gib, array.shape.cpus) for p in prices.COMPUTE if p.engine == engine)
    gib = next(given, array.gib)
    if gib is None:
        return None
    seconds = max(_LEAST_TIMEOUT, array.seconds.high * _SPARE)
    words = [
        *("shard", "deploy", engine),
        *("--tasks", str(array.tasks.count), "--cpu", str(array.shape.cpus)),
        *("--memory", f"{round(gib * 1024)}MiB", "--timeout", f"{math.ceil(seconds / 60)}m"),
        *(("--image", _IMAGE) if engine == "cloud-run" else ()),
        *("--input", source),
        *(("--output", output.url) if output else ()),
        *options,
    ]
    return shlex.join(words)


def _flags(texts: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the flags of what differs from the defaults."""
    found: list[tuple[str, ...]] = []
    for variable in VARIABLES:
        text = texts.get(variable.name)
        if text not in (None, variable.default) and variable.name not in _SAID_OTHERWISE:
            found.append((variable.flag, str(text)))
    return found
