"""One item from bytes to outcomes: the visible list of steps that a worker goes through.

An exception inside an item becomes an outcome once, here, at the item's boundary.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from shard import imaging
from shard.errors import ImageError
from shard.execution import originals
from shard.execution.fetch import Metered, fetch
from shard.execution.job import Job, failure, outcome
from shard.model import Format, Status
from shard.planning import formats, freshness
from shard.storage import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.execution.work import Recipe
    from shard.model import Outcome, Rendition
    from shard.storage.base import Store


__all__ = ["Job", "compare", "fits", "read", "render", "write"]


def read(job: Job, source: Store, recipe: Recipe) -> None:
    """Fetch the item's bytes, unless its size alone refuses it."""
    metered = Metered(source)
    started = time.perf_counter()
    try:
        if recipe.originals is not None:
            job.work = originals.refresh(job.work, source)
        job.data = fetch(job.work.item, metered, recipe)
    except Exception as error:  # noqa: BLE001 - the item's boundary: any failure is its outcome
        job.error = error
    job.bytes_read, job.reads = metered.bytes_read, metered.reads
    job.ms["read"] = _ms_since(started)
    job.waiting_since = time.perf_counter()


def compare(job: Job, output: Store, recipe: Recipe) -> None:
    """Where items are copied themselves: find out whether this one is there already."""
    made = requests.made()
    originals.compare(job, output, recipe)
    job.requests += requests.made() - made


def render(job: Job, recipe: Recipe) -> None:
    """Turn the bytes into thumbnails, or into the reason why not; the bytes are let go."""
    job.ms["wait"] = _ms_since(job.waiting_since)
    if job.error is not None:
        return
    try:
        if any(name not in job.settled for name in job.work.renditions):
            _render(job, recipe)
    except Exception as error:  # noqa: BLE001 - the item's boundary
        job.error = error
    finally:
        if not originals.keeps_bytes(job):
            job.data = b""


def _render(job: Job, recipe: Recipe) -> None:
    started = time.perf_counter()
    source = imaging.open_image(job.data, recipe.limits, job.work.item.key, recipe.fits)
    job.pixels_in = (source.width, source.height)
    job.notes = tuple(source.notes)
    job.ms["open"] = _ms_since(started)
    if job.original is not None and source.format in formats.OUTPUT_FORMATS:
        job.original.content_type = formats.content_type(Format(source.format))
    unsettled = set(job.work.renditions) - set(job.settled)
    wanted = [r for r in (*recipe.renditions, *job.work.also) if r.name in unsettled]
    keys = {
        r.name: recipe.layout.output_key(job.work.item.key, r, imaging.output_format(source, r))
        for r in wanted
    }
    if job.work.contested:
        wanted = list(_uncontested(job, wanted, keys, overwrite=recipe.overwrite))
    family = job.work.also or recipe.renditions
    if not wanted or not fits(job, source.peak_memory(family), recipe):
        return
    job.claims.extend(keys[r.name] for r in wanted)
    thumbnails = imaging.render(source, wanted, recipe.limits, family)
    for thumbnail in thumbnails:
        job.thumbnails.append((keys[thumbnail.rendition.name], thumbnail))
        for stage in ("resize", "encode"):
            job.ms[stage] = job.ms.get(stage, 0.0) + thumbnail.ms[stage]
    job.ms["decode"] = thumbnails[0].ms["decode"]  # one decode for all


def fits(job: Job, needs: int, recipe: Recipe) -> bool:
    """Tell whether ``needs`` bytes can be had here and now; ``ImageError`` if nowhere."""
    if recipe.memory is None or needs <= recipe.memory.share:
        return True
    if needs > recipe.memory.alone:
        detail = (
            f"decoding takes about {needs >> 20} MiB; this task has "
            f"{recipe.memory.alone >> 20} MiB for one image (MEMORY_LIMIT)"
        )
        raise ImageError("too_much_memory", detail)
    if not job.work.alone:
        job.needs = needs
    return job.work.alone


def _uncontested(
    job: Job, wanted: list[Rendition], keys: dict[str, str], *, overwrite: bool
) -> Iterator[Rendition]:
    """Settle what an earlier key owns and what is fresh already; yield what is to be made."""
    for rendition in wanted:
        key = keys[rendition.name]
        if winner := job.work.claimed.get(key):
            detail = f"{winner!r} has the same output key and comes first"
            job.settled[rendition.name] = outcome(
                job, rendition.name, Status.FAILED, "collision", output=key, detail=detail
            )
            continue
        job.claims.append(key)
        existing = job.work.existing.get(key)
        decision = freshness.decide(
            job.work.item, [existing] if existing else [], overwrite=overwrite
        )
        if decision.needed:
            yield rendition
        else:
            job.settled[rendition.name] = outcome(
                job, rendition.name, Status.SKIPPED, decision.reason, output=key
            )


def write(job: Job, output: Store, recipe: Recipe) -> tuple[Outcome, ...]:
    """Write every thumbnail and return the item's outcomes, one a rendition, in their order."""
    made = requests.made()
    for key, thumbnail in job.thumbnails:
        name = thumbnail.rendition.name
        try:
            job.settled[name] = _write_one(job, output, recipe, (key, thumbnail))
        except Exception as error:  # noqa: BLE001 - the item's boundary
            job.settled[name] = failure(job, name, error, output=key)
    job.thumbnails.clear()
    originals.write(job, output, recipe)
    job.requests += requests.made() - made
    for name in job.work.renditions:
        if name not in job.settled:
            cause = job.error or RuntimeError("the renderer returned no image")
            job.settled[name] = failure(job, name, cause)
    return tuple(
        replace(
            one,
            ms={k: round(v, 2) for k, v in {**job.ms, **one.ms}.items()},
            requests=job.requests,
        )
        for one in (job.settled[name] for name in job.work.renditions)
    )


def _write_one(
    job: Job, output: Store, recipe: Recipe, made: tuple[str, imaging.Thumbnail]
) -> Outcome:
    key, thumbnail = made
    if recipe.forbidden and key.startswith(recipe.forbidden):
        raise ImageError("would_overwrite_source", f"the output key {key!r} lies in the source")
    started = time.perf_counter()
    output.write(
        key,
        thumbnail.data,
        content_type=thumbnail.content_type,
        metadata=recipe.metadata,
        headers=recipe.headers,
    )
    done = outcome(job, thumbnail.rendition.name, Status.WRITTEN, None, output=key)
    return replace(
        done,
        bytes_out=len(thumbnail.data),
        pixels_out=(thumbnail.width, thumbnail.height),
        notes=thumbnail.notes,
        placeholder=thumbnail.placeholder,
        ms={"write": _ms_since(started)},
    )


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
