"""How frames are served: the variables of the older service, and what only this one has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from shard.errors import SettingError
from shard.planning.archive_records import FrameRules
from shard.planning.location import parse_location
from shard.planning.settings import TaskSettings
from shard.planning.variables import Reader, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: Final = (
    "ARC,BIAS,BPM,DARK,DOUBLE,EXPERIMENTAL,EXPOSE,GUIDE,LAMPFLAT,SKYFLAT,SPECTRUM,STANDARD,TARGET,"
    "TRAILED"
)
FRAME_VARIABLES: Final = (
    Variable("ARCHIVE_API_URL", None, "the archive whose frames are served: https://.../"),
    Variable("AWS_BUCKET", None, "bucket that keeps pictures of frames, or gs://bucket/prefix"),
    Variable("STORAGE_URL", None, "S3 endpoint of AWS_BUCKET; default: AWS's, or AWS_ENDPOINT_URL"),
    Variable("TMP_DIR", None, "where large frames lie while they are read; default: the system's"),
    Variable(
        "REQUIRED_FRAME_VALIDATION_KEYS",
        "configuration_type,request_id,filename",
        "keys that a frame's record must have",
    ),
    Variable("VALID_CONFIGURATION_TYPES", _TYPES, "types of frames that pictures are made of"),
    Variable(
        "VALID_CONFIGURATION_TYPES_FOR_COLOR_THUMBS", "EXPOSE,STANDARD", "those for composites"
    ),
    Variable("URL_LIFETIME", "8h", "how long a presigned URL holds, up to 7d"),
    Variable("ARCHIVE_TIMEOUT", "10", "seconds that one call of the archive may take"),
    Variable("ARCHIVE_CACHE_SECONDS", "5", "how long an answer holds for the same Authorization"),
    Variable("DOWNLOAD_TIMEOUT", "60", "seconds that one frame's file may take"),
    Variable("DOWNLOAD_MEMORY", "32MB", "larger files go to TMP_DIR, and are removed after use"),
)
_OF_THE_BATCH: Final = (
    *("WORKERS", "CONCURRENCY", "MEMORY_LIMIT", "MAX_PIXELS", "MAX_BYTES", "MAX_FRAMES"),
    *("ITEM_TIMEOUT", "RETRY_BUDGET", "S3_BACKEND", "GRACE"),
)
"""Variables that hold for frames as they do for the batch."""
_LONGEST_LIFETIME: Final = 7 * 86_400.0
"""What SigV4 can sign."""


@dataclass(frozen=True, slots=True)
class FrameSettings:
    """All that the frame endpoints need to be told. Times in seconds, sizes in bytes.

    ``archive`` ends in ``/``. ``bucket`` is a store's URL, ``endpoint`` its S3 endpoint where the
    SDK's own rules do not name it; ``tmp_dir`` of ``None``: the system's. ``task`` has the limits.
    """

    archive: str
    bucket: str
    endpoint: str | None
    tmp_dir: str | None
    rules: FrameRules
    url_lifetime: int
    archive_timeout: float
    archive_cache: float
    download_timeout: float
    download_memory: int
    task: TaskSettings

    @classmethod
    def parse(cls, env: Mapping[str, str]) -> FrameSettings | None:
        """Read the variables; ``None`` where ARCHIVE_API_URL is not set.

        Raises ``SettingError`` for the first that is missing or wrong.
        """
        read = Reader(env, FRAME_VARIABLES)
        archive = read.text("ARCHIVE_API_URL")
        if archive is None:
            return None
        bucket = _bucket(read.text("AWS_BUCKET"))
        limits = {name: env[name] for name in _OF_THE_BATCH if name in env}
        return cls(
            archive=_web_url(archive, "ARCHIVE_API_URL") + "/",
            bucket=bucket,
            endpoint=_endpoint(read.text("STORAGE_URL")),
            tmp_dir=read.text("TMP_DIR"),
            rules=FrameRules(
                required=_names(read, "REQUIRED_FRAME_VALIDATION_KEYS"),
                types=_types(read, "VALID_CONFIGURATION_TYPES"),
                colour_types=_types(read, "VALID_CONFIGURATION_TYPES_FOR_COLOR_THUMBS"),
            ),
            url_lifetime=_lifetime(read),
            archive_timeout=read.positive_seconds("ARCHIVE_TIMEOUT") or 10.0,
            archive_cache=read.seconds("ARCHIVE_CACHE_SECONDS") or 0.0,
            download_timeout=read.positive_seconds("DOWNLOAD_TIMEOUT") or 60.0,
            download_memory=read.size("DOWNLOAD_MEMORY") or 0,
            task=TaskSettings.parse({**limits, "INPUT_FOLDER": bucket, "OUTPUT_FOLDER": bucket}),
        )


def _web_url(text: str, variable: str) -> str:
    """Return the URL without slashes at its end."""
    accepted = "a URL, as https://archive.example.org/, without user, query or fragment"
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise SettingError(variable, text.rpartition("@")[2], accepted)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingError(variable, f"{parts.scheme}://{parts.hostname}/...", accepted)
    return text.rstrip("/")


def _bucket(text: str | None) -> str:
    if text is None:
        accepted = "the bucket that keeps pictures of frames (ARCHIVE_API_URL is set)"
        raise SettingError("AWS_BUCKET", None, accepted)
    if "://" in text:
        return parse_location(text, "AWS_BUCKET").url
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]+(/.*)?", text):
        raise SettingError("AWS_BUCKET", text, "a bucket's name, or a URL as gs://bucket/prefix")
    return parse_location(f"s3://{text}", "AWS_BUCKET").url


def _endpoint(text: str | None) -> str | None:
    return None if text is None else _web_url(text, "STORAGE_URL")


def _lifetime(read: Reader) -> int:
    seconds = read.positive_seconds("URL_LIFETIME") or 0.0
    if not 1 <= seconds <= _LONGEST_LIFETIME:
        raise SettingError("URL_LIFETIME", read.text("URL_LIFETIME"), "from 1s to 7d, as 8h")
    return int(seconds)


def _names(read: Reader, variable: str) -> tuple[str, ...]:
    text = read.text(variable) or ""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise SettingError(variable, text, "names, separated by commas")
    return names


def _types(read: Reader, variable: str) -> tuple[str, ...]:
    return tuple(name.upper() for name in _names(read, variable))
