"""The settings of `shard pyramid run` and `mark`: the job's own, and what only pyramids have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning import markers
from shard.planning.location import below, parse_location
from shard.planning.settings import TaskSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.location import Location
    from shard.planning.pyramids import PyramidOptions

DEFAULTS: Final = {"MAX_PIXELS": "2000000000", "MAX_BYTES": "20GB", "ITEM_TIMEOUT": "1800"}
"""Where pyramids differ from the main job: their sources are files, and large."""


@dataclass(frozen=True, slots=True)
class PyramidSettings:
    """All that one task needs to be told. ``process`` holds the markers; ``None``: there are none.

    ``task`` is what it shares with the job; its source and output are the pyramids'.
    """

    task: TaskSettings
    options: PyramidOptions
    output: Location
    process: Location | None = None
    prefix: str = markers.PREFIX
    max_attempts: int = 3
    lists: tuple[str, ...] = field(default_factory=tuple)

    @classmethod
    def parse(
        cls,
        env: Mapping[str, str],
        options: PyramidOptions,
        process: str | None,
        prefix: str,
    ) -> PyramidSettings:
        """Read the job's variables; ``process`` is PROCESS_BUCKET. Raises ``SettingError``."""
        output = parse_location(env.get("OUTPUT_FOLDER", ""), "OUTPUT")
        task = TaskSettings.parse({**DEFAULTS, **{k: v for k, v in env.items() if v}})
        refuse_same(task.source, output)
        place = None if process is None else parse_location(process, "PROCESS_BUCKET")
        return cls(task, options, output, place, markers.check_prefix(prefix, "--marker-prefix"))


def refuse_same(source: Location, output: Location) -> None:
    """Raise ``SettingError`` where pyramids would lie among their sources."""
    if below(source, output) == "":
        accepted = "another place than the source, so that no original is overwritten"
        raise SettingError("IMAGE_BUCKET", output.url, accepted)


def bucket_url(text: str) -> str:
    """Return the URL of a bucket that may be named alone, as today's deployments do: S3's."""
    is_name = "://" not in text and "/" not in text and not text.startswith(".")
    return f"s3://{text}" if is_name else text
