"""Copying items beside their renditions: is it needed, is the file still the same, write it last.

The renditions are made before anything goes up and are written before the original: an original
in the bucket says that its renditions are there and are its own, also after an interruption.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shard.errors import ContentChanged, ImageError, ShardError
from shard.execution.job import Job, Original, failure, outcome
from shard.model import Outcome, Status
from shard.planning import freshness, upload
from shard.storage import open_store
from shard.storage.base import MD5_KEY

if TYPE_CHECKING:
    from shard.execution.work import Originals, Recipe, Work
    from shard.storage.base import Headers, Store

# Files up to this size stay in memory from the decoder to the store; larger ones are read again.
_SMALL = 8 << 20


class NotUploaded(ImageError):
    """An original that stays where it is because its renditions could not be made or written."""


def refresh(work: Work, source: Store) -> Work:
    """Return the work with the file's facts of now: it was listed perhaps hours ago."""
    now = source.stat(work.item.key)
    return work if now is None else replace(work, item=now)


def compare(job: Job, output: Store, recipe: Recipe) -> None:
    """Settle what is in the bucket already; remember the original if it has to go up.

    A listing that tells no MD5 where the size agrees (parts, SSE-KMS) costs one request.
    """
    if recipe.originals is None or not _is_wanted(job, recipe.originals):
        return
    try:
        _compare(job, output, recipe)
    except Exception as error:  # noqa: BLE001 - the item's boundary
        job.error = error


def _is_wanted(job: Job, originals: Originals) -> bool:
    """Tell whether the original may go up: read, or refused unread and asked for all the same."""
    return job.error is None or (originals.keep_corrupt and isinstance(job.error, ImageError))


def _compare(job: Job, output: Store, recipe: Recipe) -> None:
    item, source = job.work.item, open_store(recipe.source, recipe.storage)
    md5 = hashlib.md5(job.data, usedforsecurity=False).hexdigest() if job.data else None
    md5 = md5 or source.md5(item.key) or ""
    _require_unchanged(job, source)
    fresh = judge(job.work, md5, output, recipe)
    if upload.ORIGINAL not in fresh:
        key = upload.original_key(item.key)
        job.original = Original(key, md5, upload.content_type(item.key))
    for name, decision in fresh.items():
        job.settled[name] = settled(job.work, name, decision)


def judge(work: Work, md5: str, output: Store, recipe: Recipe) -> dict[str, freshness.Decision]:
    """Return what is in the bucket already, original and renditions by name, and why.

    Where the original has to go up, so have all its renditions: those that are there may be of
    what the file was before.
    """
    existing = work.existing.get(upload.original_key(work.item.key))
    decision = upload.judge_original(work.item, existing, md5, overwrite=recipe.overwrite)
    if decision is None and existing is not None:
        decision = upload.settle_original(existing, md5, output.md5(existing.key))
    if decision is None or decision.needed:
        return {}
    fresh = {upload.ORIGINAL: decision}
    for rendition in recipe.renditions:
        candidates = recipe.layout.candidates(work.item.key, rendition)
        found = [work.existing[key] for key in candidates if key in work.existing]
        judged = freshness.decide(work.item, found)
        if not judged.needed:
            fresh[rendition.name] = judged
    return fresh


def settled(work: Work, name: str, decision: freshness.Decision) -> Outcome:
    """Return the outcome of what is there already."""
    return outcome(Job(work), name, Status.SKIPPED, decision.reason, output=decision.output)


def _require_unchanged(job: Job, source: Store) -> None:
    now = source.stat(job.work.item.key)
    if now is None or now.fingerprint != job.work.item.fingerprint:
        place = f"{source.url.rstrip('/')}/{job.work.item.key}"
        raise ContentChanged(place, "the file changed while it was uploaded", "run it again")


def keeps_bytes(job: Job) -> bool:
    """Tell whether the bytes are still needed after rendering, and few enough to be kept."""
    return job.original is not None and len(job.data) <= _SMALL


def write(job: Job, output: Store, recipe: Recipe) -> None:
    """Write the original, if its renditions are all in place (or it is wanted all the same)."""
    if recipe.originals is None or upload.ORIGINAL in job.settled:
        return
    try:
        result = _write(job, output, recipe, recipe.originals)
    except Exception as error:  # noqa: BLE001 - the item's boundary
        key = job.original.key if job.original else None
        result = failure(job, upload.ORIGINAL, _blamed(job, error, recipe), output=key)
    job.settled[upload.ORIGINAL] = result
    job.data = b""


def _write(job: Job, output: Store, recipe: Recipe, originals: Originals) -> Outcome:
    hindrance = _hindrance(job)
    if hindrance is not None and not (originals.keep_corrupt and _is_the_image(hindrance)):
        raise hindrance
    if job.original is None:
        raise job.error or RuntimeError("the original was not looked at")
    started, original = time.perf_counter(), job.original
    source = open_store(recipe.source, recipe.storage)
    path = Path(recipe.source.removeprefix("file://"), job.work.item.key)
    headers, metadata = _said(job, path, recipe, originals)
    output.write(
        original.key,
        job.data or path,
        content_type=original.content_type,
        metadata=metadata,
        headers=headers,
    )
    _require_unchanged(job, source)
    done = outcome(job, upload.ORIGINAL, Status.WRITTEN, None, output=original.key)
    spent = (time.perf_counter() - started) * 1000.0
    return replace(done, bytes_out=job.work.item.size, ms={"write": spent})


def _said(
    job: Job, path: Path, recipe: Recipe, originals: Originals
) -> tuple[Headers, dict[str, str]]:
    """Return what is said of the original: headers with digests, and metadata."""
    md5 = job.original.md5 if job.original else ""
    metadata = {**recipe.metadata, MD5_KEY: md5}
    headers = replace(recipe.headers, md5=md5)
    if originals.sha256:
        if job.data:
            sha256 = hashlib.sha256(job.data).hexdigest()
        else:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        headers = replace(headers, sha256=sha256)
        metadata["shard-sha256"] = sha256
    return headers, metadata


def _hindrance(job: Job) -> Exception | None:
    """Return why the original should stay: what failed before it."""
    if job.error is not None:
        return job.error
    failed = [one for one in job.settled.values() if one.status is Status.FAILED]
    if not failed:
        return None
    return NotUploaded(failed[0].reason or "error", failed[0].detail or "a rendition failed")


def _is_the_image(error: Exception) -> bool:
    return isinstance(error, ImageError) and not isinstance(error, NotUploaded)


def _blamed(job: Job, error: Exception, recipe: Recipe) -> Exception:
    """Return the error to tell: a file that changed explains what its server said of it."""
    if not isinstance(error, ShardError) or isinstance(error, (ContentChanged, ImageError)):
        return error
    try:
        _require_unchanged(job, open_store(recipe.source, recipe.storage))
    except ShardError as changed:
        return changed if isinstance(changed, ContentChanged) else error
    return error
