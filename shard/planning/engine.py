"""Which task this is, by the variables of the engine that runs it.

=============  ==============================  ==============================  =================
engine         index                           count                           run
=============  ==============================  ==============================  =================
cloud-run      CLOUD_RUN_TASK_INDEX            CLOUD_RUN_TASK_COUNT            CLOUD_RUN_EXECUTION
kubernetes     JOB_COMPLETION_INDEX            TASK_COUNT (by the manifest)    (RUN_ID)
aws-batch      AWS_BATCH_JOB_ARRAY_INDEX       AWS_BATCH_JOB_ARRAY_SIZE        AWS_BATCH_JOB_ID
google-batch   BATCH_TASK_INDEX                BATCH_TASK_COUNT                BATCH_JOB_UID
slurm          (SLURM_ARRAY_TASK_ID            SLURM_ARRAY_TASK_COUNT          SLURM_ARRAY_JOB_ID
               - _MIN) / _STEP
generic        TASK_INDEX                      TASK_COUNT                      RUN_ID
=============  ==============================  ==============================  =================

Attempts: CLOUD_RUN_TASK_ATTEMPT, BATCH_TASK_RETRY_ATTEMPT and SLURM_RESTART_COUNT count from 0,
AWS_BATCH_JOB_ATTEMPT from 1; elsewhere TASK_ATTEMPT, from 0.
The run of an AWS Batch job is its id before the ``:``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.model import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUN_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Engine:
    """The names of an engine's variables; ``first_attempt`` is what it calls the first one."""

    name: str
    index: str
    count: str
    attempt: str = "TASK_ATTEMPT"
    first_attempt: int = 0
    run: str = "RUN_ID"


_AWS: Final = _Engine(
    *("aws-batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    *("AWS_BATCH_JOB_ATTEMPT", 1, "AWS_BATCH_JOB_ID"),
)
_SLURM: Final = _Engine(
    *("slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"),
    *("SLURM_RESTART_COUNT", 0, "SLURM_ARRAY_JOB_ID"),
)
_GENERIC: Final = _Engine("generic", "TASK_INDEX", "TASK_COUNT")
_LOCAL: Final = _Engine("local", "TASK_INDEX", "TASK_COUNT")
_ENGINES: Final = (
    _Engine(
        *("cloud-run", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"),
        *("CLOUD_RUN_TASK_ATTEMPT", 0, "CLOUD_RUN_EXECUTION"),
    ),
    _Engine("kubernetes", "JOB_COMPLETION_INDEX", "TASK_COUNT"),
    _AWS,
    _Engine(
        *("google-batch", "BATCH_TASK_INDEX", "BATCH_TASK_COUNT"),
        *("BATCH_TASK_RETRY_ATTEMPT", 0, "BATCH_JOB_UID"),
    ),
    _SLURM,
)


def task_from(env: Mapping[str, str]) -> Task:
    """Return the task that these environment variables describe; 0 of 1 if none does.

    An empty variable counts as not set. Whatever several engines, or an engine and TASK_INDEX or
    TASK_COUNT, say must agree. A plain AWS Batch job (no array) is 0 of 1 with its own run id.
    RUN_ID wins over the engine's. Raises ``SettingError`` that names the variables and values.
    """
    env = {name: value for name, value in env.items() if value}
    told = [(engine, _share(engine, env)) for engine in _ENGINES if _speaks(engine, env)]
    for engine, share in told[1:]:
        _must_agree(told[0][0], told[0][1], engine, share, env)
    if told:
        engine, (index, count) = told[0]
        _must_agree_with_generic(engine, index, count, env)
    elif _speaks(_GENERIC, env):
        engine, (index, count) = _GENERIC, _share(_GENERIC, env)
    else:
        engine, (index, count) = (_AWS if _AWS.run in env else _LOCAL), (0, 1)
    return Task(index, count, _attempt(engine, env), engine.name, _run_id(engine, env))


def without_engines(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables less all that tell a task which one it is; RUN_ID stays.

    For a program that is itself the engine: what it inherits is about its own place, if at all.
    """
    names = {name for engine in (*_ENGINES, _GENERIC) for name in (engine.index, engine.count)}
    names |= {name for engine in _ENGINES for name in (engine.attempt, engine.run)} - {"RUN_ID"}
    return {name: value for name, value in env.items() if name not in names}


def _speaks(engine: _Engine, env: Mapping[str, str]) -> bool:
    own_count = engine.count in env and (engine.count != _GENERIC.count or engine is _GENERIC)
    return engine.index in env or own_count


def _share(engine: _Engine, env: Mapping[str, str]) -> tuple[int, int]:
    """Return index and count as this engine tells them."""
    both = f"{engine.index}/{engine.count}"
    for given, missing in ((engine.index, engine.count), (engine.count, engine.index)):
        if missing not in env:
            accepted = f"set together with {given} (which is {env[given]!r}), or neither"
            raise SettingError(missing, None, accepted)
    count = _whole(engine.count, env, least=1)
    if engine is _SLURM:
        return _slurm_index(count, env), count
    index = _whole(engine.index, env)
    if index >= count:
        accepted = f"an index from 0 to {count - 1} for a count of {count}"
        raise SettingError(both, f"{index}/{count}", accepted)
    return index, count


def _slurm_index(count: int, env: Mapping[str, str]) -> int:
    """Return ``(ID - MIN) / STEP``; refuse arrays whose ids are not ``MIN + k * STEP``."""
    number = _whole(_SLURM.index, env)
    first = _whole("SLURM_ARRAY_TASK_MIN", env, default=0)
    step = _whole("SLURM_ARRAY_TASK_STEP", env, default=1, least=1)
    end = first + (count - 1) * step
    last = _whole("SLURM_ARRAY_TASK_MAX", env, default=end)
    index, rest = divmod(number - first, step)
    if last != end or rest or not 0 <= index < count:
        names = ("ID", "MIN", "MAX", "STEP", "COUNT")
        raise SettingError(
            "/".join(f"SLURM_ARRAY_TASK_{name}" for name in names),
            f"{number}/{first}/{last}/{step}/{count}",
            f"evenly spaced ids without gaps, as --array=0-{count - 1} or 1-9:2",
        )
    return index


def _must_agree(
    a: _Engine, said: tuple[int, int], b: _Engine, other: tuple[int, int], env: Mapping[str, str]
) -> None:
    if said != other:
        names = (a.index, a.count, b.index, b.count)
        accepted = f"one engine's variables, or the same index and count from {a.name} and {b.name}"
        raise SettingError("/".join(names), "/".join(env[name] for name in names), accepted)


def _must_agree_with_generic(
    engine: _Engine, index: int, count: int, env: Mapping[str, str]
) -> None:
    ours = ((engine.index, index, _GENERIC.index), (engine.count, count, _GENERIC.count))
    for name, value, generic in ours:
        if generic in env and _whole(generic, env) != value:
            accepted = f"{generic} not set, or {value} as {engine.name} says"
            raise SettingError(f"{name}/{generic}", f"{env[name]}/{env[generic]}", accepted)


def _attempt(engine: _Engine, env: Mapping[str, str]) -> int:
    if engine.attempt in env:
        first = engine.first_attempt
        return _whole(engine.attempt, env, least=first) - first
    return _whole("TASK_ATTEMPT", env)


def _run_id(engine: _Engine, env: Mapping[str, str]) -> str | None:
    variable = "RUN_ID" if "RUN_ID" in env else engine.run
    text = env.get(variable)
    if text is None:
        return None
    if variable == _AWS.run:
        text = text.partition(":")[0]
    if not _RUN_ID.fullmatch(text):
        accepted = "1 to 200 letters, digits, '.', '_' and '-', not beginning with '.'"
        raise SettingError(variable, env[variable], accepted)
    return text


def _whole(name: str, env: Mapping[str, str], *, default: int = 0, least: int = 0) -> int:
    text = env.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) < least:
        raise SettingError(name, text, f"a whole number from {least}, as 0 or 12")
    return int(text)
