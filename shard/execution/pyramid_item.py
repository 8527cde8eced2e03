"""One image, from the store to a verified pyramid in the store: the steps in a worker.

Sources and pyramids are large: they are files in the task's scratch folder, never bytes in memory.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from shard.errors import ContentChanged, ImageError, ObjectMissing
from shard.execution.item import fits
from shard.execution.job import Job, failure, outcome
from shard.execution.scratch import folder_of, free_bytes
from shard.model import Status
from shard.planning.markers import metadata
from shard.planning.pyramids import NAME
from shard.storage import requests

if TYPE_CHECKING:
    from pathlib import Path

    from shard.execution.work import Order, Pyramids, Recipe
    from shard.model import Outcome
    from shard.storage.base import Store

_CHUNK = 16 << 20
_UPLOADS = 8
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_TYPES: Final = {
    ".tif": "image/tiff",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".dzi": "application/xml",
    ".xml": "application/xml",
}


def read(job: Job, source: Store, recipe: Recipe) -> None:
    """Stream the item into a file of its own."""
    started = time.perf_counter()
    made = requests.made()
    try:
        _read(job, source, recipe)
    except Exception as error:  # noqa: BLE001 - the item's boundary: any failure is its outcome
        job.error = _disk_is_full() if getattr(error, "errno", 0) in _FULL else error
    job.reads = requests.made() - made
    job.ms["read"] = _ms_since(started)
    job.waiting_since = time.perf_counter()


def _read(job: Job, source: Store, recipe: Recipe) -> None:
    """Stream it, and make sure that it is one and the same object from the first byte to the last.

    The facts are those of now: it was listed perhaps hours ago.
    """
    key, most = job.work.item.key, recipe.limits.max_bytes
    place = f"{source.url.rstrip('/')}/{key}"
    item = source.stat(key)
    if item is None:
        raise ObjectMissing(place, "there is no such object")
    job.work = replace(job.work, item=replace(job.work.item, fingerprint=item.fingerprint))
    if item.size > most:
        raise ImageError("too_many_bytes", f"{item.size} bytes; accepted: up to {most}")
    job.folder = folder_of(_pyramids(recipe).scratch, key)
    shutil.rmtree(job.folder, ignore_errors=True)  # of an attempt whose worker died
    job.folder.mkdir()
    with (job.folder / "source").open("wb") as file:
        while job.bytes_read < item.size:
            data = source.read(key, job.bytes_read, min(item.size, job.bytes_read + _CHUNK))
            if not data:
                break
            file.write(data)
            job.bytes_read += len(data)
    now = source.stat(key)
    if now is None or now.fingerprint != item.fingerprint or job.bytes_read != item.size:
        raise ContentChanged(place, "the object changed while it was read", "run it again")


def _disk_is_full() -> ImageError:
    return ImageError("too_little_disk", "the temporary disk is full (TMPDIR)")


def compare(job: Job, output: Store, recipe: Recipe) -> None:
    """Have nothing to compare: what is fresh was not handed out."""


def render(job: Job, recipe: Recipe) -> None:
    """Make the pyramid and verify it, or find the reason why not; the source's file is let go."""
    job.ms["wait"] = _ms_since(job.waiting_since)
    if job.error is None:
        try:
            _render(job, recipe)
        except Exception as error:  # noqa: BLE001 - the item's boundary
            job.error = error
    if job.folder is None:
        return
    (job.folder / "source").unlink(missing_ok=True)
    if job.made is None:
        shutil.rmtree(job.folder, ignore_errors=True)


def _render(job: Job, recipe: Recipe) -> None:
    from shard.imaging import pyramid, pyramid_check, pyramid_source

    if job.folder is None:
        raise RuntimeError("nothing was read")
    # libvips lays down what it cannot stream: where it is bounded, and swept.
    os.environ["TMPDIR"] = _pyramids(recipe).scratch
    options, order, started = _pyramids(recipe).options, _order(job), time.perf_counter()
    opened = pyramid_source.open_source(job.folder / "source", options, recipe.limits, recipe.fits)
    job.pixels_in = opened.size
    job.ms["open"] = _ms_since(started)
    if not fits(job, pyramid.peak_memory(opened, order.box), recipe):
        return
    _require_disk(job.folder, pyramid.scratch_bytes(opened, order.box))
    started, target = time.perf_counter(), job.folder / _name(recipe)
    made = pyramid.write_pyramid(opened, target, order.box)
    job.ms["make"], started = _ms_since(started), time.perf_counter()
    pyramid_check.verify(target, made, options)
    job.ms["verify"] = _ms_since(started)
    job.made, job.notes = made, made.notes


def _require_disk(folder: Path, needs: int) -> None:
    free = free_bytes(folder)
    if needs > free:
        said = f"this pyramid may need {needs >> 20} MiB of temporary disk; {free >> 20} are free"
        raise ImageError("too_little_disk", said)


def write(job: Job, output: Store, recipe: Recipe) -> tuple[Outcome, ...]:
    """Upload the verified pyramid; return the item's one outcome. Its files are removed."""
    begun, started = requests.made(), time.perf_counter()
    key = _order(job).output
    try:
        result = _write(job, output, recipe)
    except Exception as error:  # noqa: BLE001 - the item's boundary
        result = failure(job, NAME, error, output=key)
    finally:
        if job.folder is not None:
            shutil.rmtree(job.folder, ignore_errors=True)
    ms = {**job.ms, "write": _ms_since(started)}
    made = requests.made() - begun
    rounded = {stage: round(value, 2) for stage, value in ms.items()}
    return (replace(result, ms=rounded, requests=made),)


def _write(job: Job, output: Store, recipe: Recipe) -> Outcome:
    if job.error is not None:
        raise job.error
    if job.made is None or job.folder is None:
        raise RuntimeError("no pyramid was made")
    key = _order(job).output
    if recipe.forbidden and key.startswith(recipe.forbidden):
        raise ImageError("would_overwrite_source", f"the output key {key!r} lies in the source")
    if _pyramids(recipe).options.format == "iiif3":
        _identify(job.folder / "made" / "info.json", recipe, key)
    facts = metadata(job.work.item.key, job.work.item.fingerprint, job.made.size)
    size = _upload(job.folder, output, (key, _pyramids(recipe).options.suffix), facts)
    done = outcome(job, NAME, Status.WRITTEN, None, output=key)
    return replace(done, bytes_out=size, pixels_out=job.made.size)


def _upload(folder: Path, output: Store, names: tuple[str, str], facts: dict[str, str]) -> int:
    """Upload the file, or all tiles and after them what describes them; return their bytes.

    So whatever reads the description finds every tile.
    """
    key, suffix = names
    stem = key.removesuffix(suffix)
    files = [path for path in folder.glob("made*") if path.is_file()]
    files += [path for path in folder.glob("made*/**/*") if path.is_file()]
    keys = {stem + str(path.relative_to(folder))[len("made") :]: path for path in files}

    def put(one: str) -> None:
        path = keys[one]
        kind = _TYPES.get(path.suffix, "application/octet-stream")
        output.write(one, path, content_type=kind, metadata=facts)

    others = [one for one in keys if one != key]
    if others:
        with ThreadPoolExecutor(_UPLOADS) as pool:
            list(pool.map(put, others))
    put(key)
    return sum(path.stat().st_size for path in files)


def _identify(description: Path, recipe: Recipe, key: str) -> None:
    """Say in the description where the tiles are served: image servers' clients go by it."""
    options = _pyramids(recipe).options
    info = json.loads(description.read_text())
    info["id"] = f"{options.base_url}/{quote(key.removesuffix(options.suffix))}"
    description.write_text(json.dumps(info, indent=2))


def _name(recipe: Recipe) -> str:
    """Return what the pyramid is called in its folder; libvips adds what tiles need."""
    return "made.tif" if _pyramids(recipe).options.format == "tif" else "made"


def _pyramids(recipe: Recipe) -> Pyramids:
    if recipe.pyramids is None:
        raise RuntimeError("this recipe makes no pyramids")
    return recipe.pyramids


def _order(job: Job) -> Order:
    if job.work.order is None:
        raise RuntimeError("no pyramid was ordered of this item")
    return job.work.order


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
