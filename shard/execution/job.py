"""An item on its way through a worker, and how what becomes of it is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shard.errors import ImageError, ObjectMissing, StorageError
from shard.model import Outcome, Status

if TYPE_CHECKING:
    from pathlib import Path

    from shard.execution.work import Work
    from shard.imaging import Thumbnail
    from shard.imaging.pyramid import Made


@dataclass(slots=True)
class Original:
    """An item that is copied beside its renditions. ``md5`` of the bytes as they were read.

    ``content_type`` is what the name says, until the content is known.
    """

    key: str
    md5: str
    content_type: str


@dataclass(slots=True)
class Job:
    """An item on its way through a worker.

    ``ms`` are milliseconds by stage. ``needs`` is set to the bytes that decoding is predicted to
    take when they are more than this worker's share: then nothing was decoded. ``requests`` were
    made of stores so far. ``original`` is set where the item itself is to be copied, ``folder``
    and ``made`` where a pyramid is: its temporary files, and what was written there. ``files`` are
    a frame's, ``pixels_out`` its picture's size, whose bytes are then ``data``.
    """

    work: Work
    data: bytes = b""
    bytes_read: int = 0
    reads: int = 0
    cpu_ms: float = 0.0
    error: Exception | None = None
    pixels_in: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    ms: dict[str, float] = field(default_factory=dict)
    settled: dict[str, Outcome] = field(default_factory=dict)
    thumbnails: list[tuple[str, Thumbnail]] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    waiting_since: float = 0.0
    needs: int | None = None
    requests: int = 0
    original: Original | None = None
    folder: Path | None = None
    made: Made | None = None
    files: list[bytes | Path] = field(default_factory=list)
    pixels_out: tuple[int, int] | None = None


def failure(job: Job, rendition: str, error: Exception, output: str | None = None) -> Outcome:
    """Return the outcome of a rendition that an error prevented."""
    reason, retryable = "error", False
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, ImageError):
        reason, detail = error.reason, error.detail
    elif isinstance(error, StorageError):
        reason, detail, retryable = error.reason, str(error), error.retryable
        retryable = retryable or isinstance(error, ObjectMissing)
    elif isinstance(error, MemoryError):
        reason, detail = "too_much_memory", "the worker could not allocate the memory it needed"
    failed = outcome(job, rendition, Status.FAILED, reason, output=output, detail=detail)
    return replace(failed, retryable=retryable)


def outcome(
    job: Job,
    rendition: str,
    status: Status,
    reason: str | None,
    *,
    output: str | None = None,
    detail: str | None = None,
) -> Outcome:
    """Return an outcome with all that is known of the item."""
    item = job.work.item
    return Outcome(
        key=item.key,
        rendition=rendition,
        status=status,
        output=output,
        reason=reason,
        detail=detail,
        bytes_in=item.size,
        bytes_read=job.bytes_read,
        reads=job.reads,
        requests=job.requests,
        cpu_ms=round(job.cpu_ms, 2),
        pixels_in=job.pixels_in,
        attempts=job.work.attempt,
        fingerprint=item.fingerprint,
        notes=job.notes,
    )
