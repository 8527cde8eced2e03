"""Where a job reads and writes: URLs and local paths as one value, and the default output."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError

if TYPE_CHECKING:
    from datetime import datetime

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# Half a URL: a bucket is meant, not a folder of such a name (which ``./`` in front still names).
_HALF: Final = re.compile(r"(?:gs|gcs|s3|s3a|s3n|file):(?!//).*", re.DOTALL)
_ALIASES: Final = {"gcs": "gs", "s3a": "s3", "s3n": "s3", "local": "file"}
_CONTAINER_AT_HOST: Final = frozenset({"abfs", "abfss"})  # abfs://container@account/... is no user
_BUCKETS: Final = frozenset({"gs", "s3", "memory", "az", "abfs", "abfss"})
_ACCEPTED: Final = (
    "gs://bucket/prefix, s3://bucket/prefix, a local path, file:///path or scheme://..."
)
_NO_SECRETS: Final = (
    "a URL without user, password, key or query; credentials come from the environment "
    "(AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS, ...)"
)


@dataclass(frozen=True, slots=True)
class Location:
    """A folder of a store. ``prefix`` has no trailing slash; ``""`` is the bucket itself.

    For a local path ``scheme`` is ``file``, ``bucket`` is empty and ``prefix`` is the path.
    """

    scheme: str
    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """The canonical text; ``parse_location`` reads it back. A local path is itself."""
        if self.scheme == "file":
            return self.prefix
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def root(self) -> Location:
        """The bucket; for a local path the root of the file system."""
        return replace(self, prefix="/" if self.scheme == "file" else "")

    def join(self, *parts: str) -> Location:
        """Return the folder below this one; ``parts`` are relative, without outer slashes."""
        here = self.prefix.rstrip("/") if self.scheme == "file" else self.prefix
        start = [here] if self.prefix else []
        return replace(self, prefix="/".join([*start, *(part for part in parts if part)]))

    def __str__(self) -> str:
        return self.url


def parse_location(text: str, variable: str) -> Location:
    """Read a URL or a local path; ``~`` is not expanded, a relative path stays relative.

    ======================  ===========================================
    text                    scheme, bucket, prefix
    ======================  ===========================================
    ``gs://b/cats/``        ``gs``, ``b``, ``cats``
    ``gcs://b``             ``gs``, ``b``, (empty)
    ``s3a://b/x//y``        ``s3``, ``b``, ``x//y``
    ``file:///data/in``     ``file``, (empty), ``/data/in``
    ``data/in/``            ``file``, (empty), ``data/in``
    ``memory://t/in``       ``memory``, ``t``, ``in``
    ``hdfs:///in``          ``hdfs``, (empty), ``in``
    ======================  ===========================================

    Raises ``SettingError``; it never repeats what could be a secret (user, password, query).
    """
    if not text or "\0" in text or _HALF.fullmatch(text):
        raise SettingError(variable, text, _ACCEPTED)
    match = _URL.fullmatch(text)
    if match is None:
        return Location("file", "", text.rstrip("/") or "/")
    scheme = _ALIASES.get(match[1].lower(), match[1].lower())
    if scheme == "file":
        if not match[2]:
            raise SettingError(variable, text, _ACCEPTED)
        return Location("file", "", match[2].rstrip("/") or "/")
    bucket, _, prefix = match[2].partition("/")
    _refuse_secrets(scheme, match[2], variable)
    _refuse_unsafe(scheme, bucket, prefix, variable)
    return Location(scheme, bucket, prefix.rstrip("/"))


def _refuse_secrets(scheme: str, rest: str, variable: str) -> None:
    authority = rest.partition("/")[0]
    has_user = "@" in authority and scheme not in _CONTAINER_AT_HOST
    has_password = ":" in authority and (
        scheme in _BUCKETS
        or not re.fullmatch(r"[^:]*:[0-9]{1,5}|\[[0-9a-fA-F:.]+\](:[0-9]+)?", authority)
    )
    has_query = re.search(r"\?[^/]*=", rest) is not None
    if has_user or has_password or has_query:
        raise SettingError(variable, f"{scheme}://...", _NO_SECRETS)


def _refuse_unsafe(scheme: str, bucket: str, prefix: str, variable: str) -> None:
    text = f"{scheme}://{bucket}/{prefix}"
    if not bucket and scheme in {"gs", "s3"}:
        raise SettingError(variable, text, f"{scheme}://bucket or {scheme}://bucket/prefix")
    if {".", ".."} & set(prefix.split("/")):
        raise SettingError(variable, text, "a URL without '.' or '..' as a segment")


def below(outer: Location, inner: Location) -> str | None:
    """Return ``inner``'s prefix relative to ``outer``: ``""`` if equal, ``None`` if not below.

    ==================  ==================  ==========
    outer               inner               answer
    ==================  ==================  ==========
    ``gs://b``          ``gs://b/a/t``      ``a/t``
    ``gs://b/a``        ``gs://b/a/t``      ``t``
    ``gs://b/a``        ``gs://b/a``        (empty)
    ``gs://b/a``        ``gs://b/ab``       None
    ``gs://b/a/t``      ``gs://b/a``        None
    ``gs://b/a``        ``s3://b/a/t``      None
    ==================  ==================  ==========

    Local paths are compared as text: pass both absolute and normalised.
    """
    if (outer.scheme, outer.bucket) != (inner.scheme, inner.bucket):
        return None
    if outer.prefix == inner.prefix:
        return ""
    base = outer.prefix.rstrip("/") + "/" if outer.prefix else ""
    return inner.prefix[len(base) :] if inner.prefix.startswith(base) else None


def run_stamp(moment: datetime) -> str:
    """Return a run's start, to the minute, in UTC: ``YYYYMMDDTHHMMZ``. ``moment`` is aware."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%MZ")


def default_output(source: Location, run_time: datetime, output_bucket: str | None) -> Location:
    """Return ``<bucket root>/<run_stamp>``, for when OUTPUT_FOLDER is not set.

    ``output_bucket`` (OUTPUT_BUCKET: a name or a URL) replaces the bucket. Raises
    ``SettingError`` where the source has no bucket, so OUTPUT_FOLDER is required.
    """
    return _default_root(source, output_bucket).join(run_stamp(run_time))


def output_base(source: Location, output: Location | None, output_bucket: str | None) -> Location:
    """Return where a run keeps its state: OUTPUT_FOLDER, or the default output's bucket root."""
    return output or _default_root(source, output_bucket)


def _default_root(source: Location, output_bucket: str | None) -> Location:
    if source.scheme not in _BUCKETS or not source.bucket:
        raise SettingError("OUTPUT_FOLDER", None, f"{_ACCEPTED}; required: the input has no bucket")
    if not output_bucket:
        return source.root
    if "://" not in output_bucket:
        # Read as a URL of the source's store, so that one set of rules holds for both forms.
        output_bucket = f"{source.scheme}://{output_bucket}"
    location = parse_location(output_bucket, "OUTPUT_BUCKET")
    if location.prefix or location.scheme not in _BUCKETS or not location.bucket:
        accepted = "a bucket's name or URL, without a prefix (OUTPUT_FOLDER takes one)"
        raise SettingError("OUTPUT_BUCKET", location.url, accepted)
    return location
