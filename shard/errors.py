"""What can go wrong, with the facts as attributes. A sentence is built once, here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


_SHOWN = 80


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


class ShardError(Exception):
    """Base of every error that Shard foresees; its text is meant for the user."""

    exit_code = 2


class SettingError(ShardError):
    """A setting is missing or wrong: names the variable, the value and what is accepted."""

    def __init__(self, variable: str, value: object, accepted: str) -> None:
        self.variable, self.value, self.accepted = variable, value, accepted
        said = "is not set" if value is None else f"is {value!r}"
        super().__init__(f"{variable} {said}; accepted: {accepted}")


class ParameterError(ShardError):
    """A request's parameter is wrong: names it, its value and what is accepted."""

    reason = "bad_parameter"

    def __init__(self, parameter: str, value: str | None, accepted: str) -> None:
        self.parameter, self.value, self.accepted = parameter, value, accepted
        said = "is not known here" if value is None else f"is {_short(value)!r}"
        super().__init__(f"{parameter} {said}; accepted: {accepted}")


class MissingExtra(ShardError):
    """A library that only some users need is not installed: names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        self.what, self.extra = what, extra
        super().__init__(f"{what} needs `pip install 'shard[{extra}]'`")


class SettingsMissing(ShardError):
    """Several settings are missing: names them all, each with where to get it."""

    def __init__(self, what: str, missing: Mapping[str, str]) -> None:
        self.missing = dict(missing)
        named = "; ".join(f"{name} ({where})" for name, where in missing.items())
        super().__init__(f"{what}: {named}")


class RunConflict(ShardError):
    """The settings of a task differ from those its run was started with."""

    def __init__(self, run_id: str, field: str, ours: object, theirs: object) -> None:
        self.run_id, self.field, self.ours, self.theirs = run_id, field, ours, theirs
        super().__init__(
            f"{field} is {ours!r} here, but run {run_id!r} was started with {theirs!r}; "
            f"accepted: the same value in every task of a run (or another RUN_ID)"
        )


class StorageError(ShardError):
    """A store refused or failed. ``reason`` is a word for the ledger, ``remedy`` a sentence."""

    reason = "storage"
    retryable = False

    def __init__(self, url: str, what: str, remedy: str = "") -> None:
        self.url, self.what, self.remedy = url, what, remedy
        super().__init__(f"{url}: {what.rstrip('. ')}" + (f"; {remedy}" if remedy else ""))


class AccessDenied(StorageError):
    """The credentials are missing, wrong, expired, or may not do this."""

    reason = "access_denied"


class BucketMissing(StorageError):
    """The bucket (or local root) does not exist."""

    reason = "bucket_missing"


class ObjectMissing(StorageError):
    """The object was listed but is no longer there, or never was."""

    reason = "vanished"


class AlreadyExists(StorageError):
    """A create-only write found the object in place."""

    reason = "exists"


class KeyRefused(StorageError):
    """The key has no safe name on this store (``..``, empty or over-long segments, NUL)."""

    reason = "key_refused"


class ContentChanged(StorageError):
    """What was read is not what was announced: the file changed while it was uploaded."""

    reason = "changed"
    retryable = True


class Unavailable(StorageError):
    """A transient failure that outlived the retry budget: time-outs, resets, 429, 5xx."""

    reason = "unavailable"
    retryable = True
    exit_code = 1  # the settings may be right: an engine should start the task again


class ImageError(ShardError):
    """One image cannot be rendered. ``reason`` is a word for the ledger.

    Reasons: ``not_an_image``, ``unsupported``, ``missing_extra``, ``truncated``, ``corrupt``,
    ``too_many_pixels``, ``too_many_bytes``, ``too_many_frames``, ``too_much_memory``, ``empty``,
    ``no_such_page``, ``too_little_disk``, ``not_verified``.
    """

    exit_code = 1

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")
