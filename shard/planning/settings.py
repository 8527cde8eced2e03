"""The job's settings: one table of variables, one frozen dataclass that checks itself.

Flags, environment, `.env` and the README's table all follow ``VARIABLES``; who wins among them
is decided above (``shard.cli``), here arrives one mapping from variable to text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.errors import SettingError
from shard.model import Limits, Rendition, Task
from shard.planning import collections
from shard.planning.engine import task_from
from shard.planning.fits import FitsOptions, parse_fits
from shard.planning.limits import Allowance, parse_count_or_percent
from shard.planning.location import Location, parse_location
from shard.planning.renditions import parse_renditions, parse_sizes
from shard.planning.variables import Reader, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping


VARIABLES = (
    Variable("INPUT_FOLDER", None, "source prefix: gs://, s3://, a local path, any fsspec URL"),
    Variable("OUTPUT_FOLDER", None, "output prefix; default: <bucket root>/<run time>/"),
    Variable("OUTPUT_BUCKET", None, "another bucket for the default output"),
    Variable("TASK_INDEX", None, "this task's index, from 0 (engines set their own)"),
    Variable("TASK_COUNT", None, "number of tasks (engines set their own)"),
    Variable("TASK_ATTEMPT", None, "attempt of this task, from 0"),
    Variable("RUN_ID", None, "one id for all tasks and retries of a run"),
    Variable("RENDITIONS", "100x100", "what to make: [name=]WxH[,fit=...][,format=...]; ..."),
    Variable("SIZES", None, "shorthand for square boxes: 200,400"),
    Variable(
        "LAYOUT",
        "mirror",
        "mirror, flat, collections, or a template of {dir} {stem} {ext} ...",
    ),
    Variable("SLICE", "hash", "hash, stride, contiguous or balanced"),
    Variable("EXISTING", "skip", "skip what is fresh, or overwrite"),
    Variable("WORKERS", None, "render processes; default: usable cores"),
    Variable("CONCURRENCY", "32", "reads and writes in flight"),
    Variable("MEMORY_LIMIT", None, "as 512MiB or 2GiB; default: the cgroup's limit"),
    Variable("CADENCE", "0", "least seconds between two images"),
    Variable("LIMIT", None, "at most so many items that need work, for each task"),
    Variable("DRY_RUN", "no", "say what would be done, write nothing", is_switch=True),
    Variable("MAX_FAILURES", "0", "failed items that still count as success: 5 or 2%"),
    Variable("TASK_TIMEOUT", None, "the engine's limit (600, 10m): drain 30 s before"),
    Variable("ITEM_TIMEOUT", "60", "seconds of rendering after which an item is hung"),
    Variable("MAX_PIXELS", "268000000", "largest image, from its header"),
    Variable("MAX_BYTES", "512MB", "largest source object"),
    Variable("MAX_FRAMES", "1000", "most frames of an animation"),
    Variable("ON_TRUNCATED", "fail", "fail, or accept truncated images as far as they go"),
    Variable("FITS", None, "how FITS frames are drawn: stretch=asinh,hdu=SCI,... (docs/fits.md)"),
    Variable("GRACE", "8", "seconds that a drain may take after a signal"),
    Variable("RETRY_BUDGET", "90", "seconds of retries for one transient storage error"),
    Variable("S3_BACKEND", "obstore", "obstore or s3fs"),
    Variable("LOG_FORMAT", "text", "text, or json for cloud logging"),
    Variable("LOG_LEVEL", "info", "debug, info, warning or error"),
)

SLICES = ("hash", "stride", "contiguous", "balanced")


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """All that one task of the main job needs to be told. Times in seconds, sizes in bytes."""

    source: Location
    output: Location | None
    output_bucket: str | None
    task: Task
    renditions: tuple[Rendition, ...]
    layout: str
    slice: str
    overwrite: bool
    workers: int | None
    concurrency: int
    memory_limit: int | None
    cadence: float
    limit: int | None
    dry_run: bool
    max_failures: Allowance
    task_timeout: float | None
    limits: Limits
    fits: FitsOptions
    grace: float
    retry_budget: float
    s3_backend: str
    texts: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, env: Mapping[str, str]) -> TaskSettings:
        """Read settings from variables; engines' own variables are looked for in ``env`` too.

        Raises ``SettingError`` for the first that is missing or wrong.
        """
        read = _Reader(env)
        source = read.text("INPUT_FOLDER")
        if source is None:
            accepted = "gs://bucket/prefix, s3://bucket/prefix, a local folder, any fsspec URL"
            raise SettingError("INPUT_FOLDER", None, accepted)
        return cls(
            source=parse_location(source, "INPUT_FOLDER"),
            output=read.output(source),
            output_bucket=read.text("OUTPUT_BUCKET"),
            task=task_from(env),
            renditions=read.renditions(),
            layout=read.text("LAYOUT") or "mirror",
            slice=read.choice("SLICE", SLICES),
            overwrite=read.choice("EXISTING", ("skip", "overwrite")) == "overwrite",
            workers=read.whole("WORKERS", 1, 1024),
            concurrency=read.whole("CONCURRENCY", 1, 4096) or 32,
            memory_limit=read.size("MEMORY_LIMIT"),
            cadence=read.seconds("CADENCE") or 0.0,
            limit=read.whole("LIMIT", 1, None),
            dry_run=read.switch("DRY_RUN"),
            max_failures=parse_count_or_percent(read.text("MAX_FAILURES") or "0", "MAX_FAILURES"),
            task_timeout=read.positive_seconds("TASK_TIMEOUT"),
            limits=read.limits(),
            fits=parse_fits(read.text("FITS") or ""),
            grace=read.seconds("GRACE") or 0.0,
            retry_budget=read.seconds("RETRY_BUDGET") or 0.0,
            s3_backend=read.choice("S3_BACKEND", ("obstore", "s3fs")),
            texts=read.all(),
        )


class _Reader(Reader):
    """The job's variables, those included that take more than one to read."""

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__(env, VARIABLES)

    def output(self, source: str) -> Location | None:
        """Return the output that is named, or that the layout implies."""
        output = self.text("OUTPUT_FOLDER")
        if output is not None:
            return parse_location(output, "OUTPUT_FOLDER")
        if self.text("LAYOUT") != collections.NAME:
            return None
        if bucket := self.text("OUTPUT_BUCKET"):
            accepted = "OUTPUT_FOLDER instead, with LAYOUT=collections"
            raise SettingError("OUTPUT_BUCKET", bucket, accepted)
        return parse_location(source, "INPUT_FOLDER")

    def renditions(self) -> tuple[Rendition, ...]:
        found = self._renditions()
        if self.text("LAYOUT") == collections.NAME:
            return tuple(collections.served(rendition) for rendition in found)
        return found

    def _renditions(self) -> tuple[Rendition, ...]:
        sizes = self._env.get("SIZES")
        if not sizes:
            return parse_renditions(self.text("RENDITIONS") or "")
        if self._env.get("RENDITIONS"):
            accepted = "either SIZES or RENDITIONS (which says all that SIZES can), not both"
            raise SettingError("SIZES", sizes, accepted)
        return parse_sizes(sizes)

    def limits(self) -> Limits:
        item_timeout = self.positive_seconds("ITEM_TIMEOUT")
        return Limits(
            max_pixels=self.whole("MAX_PIXELS", 1, None) or 0,
            max_bytes=self.size("MAX_BYTES") or 0,
            max_frames=self.whole("MAX_FRAMES", 1, None) or 0,
            item_timeout=item_timeout or 60.0,
            accept_truncated=self.choice("ON_TRUNCATED", ("fail", "accept")) == "accept",
        )
