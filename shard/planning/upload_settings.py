"""An upload's settings: the job's own where they are the same, and what only an upload has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.location import below, parse_location
from shard.planning.settings import TaskSettings
from shard.planning.upload import ORIGINAL, THUMBNAIL, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.location import Location

ACLS: Final = (
    *("private", "public-read", "authenticated-read", "aws-exec-read", "bucket-owner-read"),
    *("bucket-owner-full-control", "project-private", "none"),
)
DEFAULT_RENDITION: Final = "thumbnail=200x300,fit=cover,format=jpeg,quality=85,enlarge=yes"
CHECKSUMS: Final = ("md5", "sha256")
_STORES: Final = ("s3", "gs")
_PRINTABLE: Final = re.compile(r"[ -~]+")
_METADATA: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)=([ -~]*)")


@dataclass(frozen=True, slots=True)
class Options:
    """An upload's own flags, as given; ``check`` says what is wrong with them.

    ``acl`` of ``None`` or ``none``: none is sent, and the bucket's default holds (private).
    ``sha256``: it is sent and stored beside the MD5.
    """

    selection: Selection = field(default_factory=Selection)
    acl: str | None = None
    cache_control: str | None = None
    storage_class: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    sha256: bool = False
    keep_corrupt: bool = False
    concurrency: int = 10
    ahead: int = 100

    def check(self, output: Location) -> None:
        """Raise ``SettingError`` for what is wrong, or has no place at the destination."""
        if self.acl is not None and self.acl not in ACLS:
            raise SettingError("--acl", self.acl, ", ".join(ACLS))
        given = {
            "--acl": self.acl,
            "--cache-control": self.cache_control,
            "--storage-class": self.storage_class,
            "--metadata": ",".join(self.metadata) or None,
        }
        for flag, value in given.items():
            if value is not None and output.scheme not in _STORES:
                accepted = f"only with a destination at {' or '.join(_STORES)}://"
                raise SettingError(flag, value, f"{accepted}; {output.url!r} keeps no headers")
            if value is not None and not _PRINTABLE.fullmatch(value):
                raise SettingError(flag, value, "printable ASCII, not empty")


def join(destination: str, prefix: str) -> str:
    """Return the URL of the folder ``prefix`` at the destination; an empty one is no folder.

    Raises ``SettingError`` for a destination that is none (``s3://``, or an empty text, as a
    variable that is not set leaves it) and for a prefix that could lead elsewhere.
    """
    url = parse_location(destination, "DEST").url
    segments = prefix.strip("/").split("/") if prefix else []
    if prefix.startswith("/") or any(part in ("", ".", "..", ".shard") for part in segments):
        accepted = "a relative folder, as avatar or web/2026, without '.', '..' or .shard segments"
        raise SettingError("--prefix", prefix, accepted)
    return "/".join([url.rstrip("/"), *segments]) if segments else url


def parse_metadata(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read ``key=value`` pairs; raise ``SettingError`` for what no store could keep."""
    found: dict[str, str] = {}
    for pair in pairs:
        match = _METADATA.fullmatch(pair)
        if match is None or match[1].lower().startswith("shard-"):
            accepted = "key=value in printable ASCII, the key of letters, digits, '-', '_' and '.'"
            raise SettingError("--metadata", pair, f"{accepted}, not beginning with 'shard-'")
        found[match[1].lower()] = match[2]
    return found


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """All that one task of an upload needs to be told. ``task`` is what it shares with the job."""

    task: TaskSettings
    options: Options
    output: Location
    remedy: str | None = None

    @classmethod
    def parse(
        cls, env: Mapping[str, str], options: Options, remedy: str | None = None
    ) -> UploadSettings:
        """Read the job's variables, which name the folder and the destination, and add the rest.

        ``remedy`` is what to check where credentials are refused, if not the store's own sentence.
        Raises ``SettingError`` for the first that is missing or wrong.
        """
        output = parse_location(env.get("OUTPUT_FOLDER", ""), "DEST")
        options.check(output)
        task = TaskSettings.parse({**env, "LAYOUT": _layout(env.get("RENDITIONS", ""))})
        for rendition in task.renditions:
            if rendition.name == ORIGINAL:
                accepted = "another name: so the file itself is called"
                raise SettingError("--rendition", rendition.name, accepted)
        if task.source.scheme != "file":
            accepted = "a folder of this machine (shard run reads buckets)"
            raise SettingError("DIRECTORY", task.source.url, accepted)
        if below(task.source, output) is not None or below(output, task.source) is not None:
            accepted = "a folder beside DIRECTORY, neither in it nor around it"
            raise SettingError("DEST", output.url, accepted)
        return cls(task, options, output, remedy)


def _layout(renditions: str) -> str:
    """Return what the run's record calls the layout; it is ``UploadLayout``'s rule in short."""
    mark = "_{rendition}" if ";" in renditions else ""
    return f"{THUMBNAIL}/{{dir}}/{{stem}}{mark}"
