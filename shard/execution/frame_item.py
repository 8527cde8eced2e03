"""One frame from an archive to a picture in the bucket: the steps that a worker goes through.

Its files come over HTTP, one, or three for a composite; what is made of them is written once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from shard.errors import AlreadyExists, ImageError
from shard.execution.download import download
from shard.execution.item import fits
from shard.execution.job import failure, outcome
from shard.model import Format, Rendition, Status
from shard.planning.composites import Remark, to_comment
from shard.storage import requests

if TYPE_CHECKING:
    from PIL import Image

    from shard.execution.job import Job
    from shard.execution.work import Frames, Recipe
    from shard.model import Outcome
    from shard.planning.frames import FrameOrder, Picture
    from shard.storage.base import Store

NAME = "frame"
"""What a frame's picture is called where batches name a rendition."""
_CONTENT_TYPE = "image/jpeg"
_BEGINNINGS = (b"SIMPLE", b"\x1f\x8b")
_HEAD = 8
_ALIGNED = 40
"""Bytes that aligning takes for each pixel of each plane; as measured."""

__all__ = ["NAME", "compare", "read", "render", "warm", "write"]


def warm() -> None:
    """Import what frames need, some seconds' worth; what is missing is told of the first frame."""
    with contextlib.suppress(ImageError, ImportError):
        import httpx

        from shard.imaging.fits import library

        del httpx
        library.fits()


def read(job: Job, source: Store, recipe: Recipe) -> None:
    """Fetch the frame's files, beside other frames' rendering."""
    del source  # frames lie wherever the archive says
    order, frames = _order(job), _frames(recipe)
    job.folder = Path(frames.scratch) / f"{os.getpid()}-{job.work.number}"
    started = time.perf_counter()
    try:
        _sweep(Path(frames.scratch))
        paths = [job.folder / f"{number}.fits" for number in range(len(order.urls))]
        with ThreadPoolExecutor(len(paths)) as at_once:
            files = at_once.map(download, order.urls, paths, repeat(frames.download))
            job.files.extend(files)
        job.reads = len(job.files)
        job.bytes_read = sum(_size(file) for file in job.files)
    except Exception as error:  # noqa: BLE001 - the item's boundary: any failure is its outcome
        job.error = error
    job.ms["read"] = _ms_since(started)
    job.waiting_since = time.perf_counter()


def _sweep(scratch: Path) -> None:
    """Remove what workers left that were killed: each folder begins with its worker's number."""
    for folder in scratch.glob("[0-9]*-*"):
        if not psutil.pid_exists(int(folder.name.partition("-")[0])):
            shutil.rmtree(folder, ignore_errors=True)


def compare(job: Job, output: Store, recipe: Recipe) -> None:
    """Nothing to settle: the service asked for what is not there."""


def render(job: Job, recipe: Recipe) -> None:
    """Draw the picture, or say why not; the files are let go either way."""
    job.ms["wait"] = _ms_since(job.waiting_since)
    try:
        if job.error is None:
            _render(job, recipe)
    except Exception as error:  # noqa: BLE001 - the item's boundary
        job.error = error
    finally:
        job.files.clear()
        if job.folder is not None:
            shutil.rmtree(job.folder, ignore_errors=True)


def _render(job: Job, recipe: Recipe) -> None:
    from shard.imaging import boundary

    with boundary.only_image_errors("FITS", complete=True):
        made = _draw(job, recipe)
        if made is None:
            return
        image, remark = made
        started = time.perf_counter()
        job.data = _encode(image, _order(job).picture, remark)
        job.pixels_out = image.size
        job.ms["encode"] = _ms_since(started)


def write(job: Job, output: Store, recipe: Recipe) -> tuple[Outcome, ...]:
    """Write the picture unless another process was first; return the item's one outcome."""
    made, started = requests.made(), time.perf_counter()
    key = _order(job).key
    try:
        result = _write(job, output, recipe)
    except Exception as error:  # noqa: BLE001 - the item's boundary
        result = failure(job, NAME, error, output=key)
    job.data = b""
    ms = {**job.ms, "write": _ms_since(started)}
    rounded = {stage: round(value, 2) for stage, value in ms.items()}
    return (replace(result, ms=rounded, requests=requests.made() - made),)


def _write(job: Job, output: Store, recipe: Recipe) -> Outcome:
    if job.error is not None:
        raise job.error
    if not job.data:
        raise RuntimeError("no picture was drawn")
    order = _order(job)
    status, reason = Status.WRITTEN, None
    try:
        output.write(
            order.key,
            job.data,
            content_type=_CONTENT_TYPE,
            metadata=recipe.metadata,
            headers=recipe.headers,
            create_only=not order.replaces,
        )
    except AlreadyExists:
        status, reason = Status.SKIPPED, "fresh"
    done = outcome(job, NAME, status, reason, output=order.key)
    return replace(done, bytes_out=len(job.data), pixels_out=job.pixels_out)


def _check(file: bytes | Path) -> None:
    """Raise ``ImageError`` for what does not begin as FITS files do, gzipped ones included."""
    if isinstance(file, bytes):
        head = file[:_HEAD]
    else:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    if not head:
        raise ImageError("empty", "the frame's file has no bytes")
    if not head.startswith(_BEGINNINGS):
        raise ImageError("not_an_image", f"no FITS file begins with {head!r}")


def _draw(job: Job, recipe: Recipe) -> tuple[Image.Image, Remark | None] | None:
    """Return the picture and, of a composite, what is to be known of it; ``None``: too heavy."""
    from PIL import Image

    from shard.imaging import fits as frames
    from shard.imaging import geometry
    from shard.imaging.fits import compose
    from shard.imaging.fits.label import label

    order, started = _order(job), time.perf_counter()
    picture = order.picture
    box = (picture.width, picture.height)
    want = compose.want(*box) if picture.color else box
    for file in job.files:
        _check(file)
    if not fits(job, _peak_memory(job, want, recipe), recipe):
        return None
    planes = [frames.read_plane(file, picture.fits, recipe.limits, want) for file in job.files]
    job.ms["decode"], started = _ms_since(started), time.perf_counter()
    remark = None
    if picture.color:
        composite = compose.compose(planes[0], planes[1], planes[2], picture.fits)
        image, remark = composite.image, Remark(composite.aligned, tuple(composite.notes))
    else:
        image = frames.picture(planes[0], picture.fits)
    image = image.resize(geometry.inside(image.size, box), Image.Resampling.LANCZOS)
    if picture.label is not None:
        image = label(image, picture.label)
    job.ms["resize"] = _ms_since(started)
    return image, remark


def _peak_memory(job: Job, want: tuple[int, int], recipe: Recipe) -> int:
    """Return the bytes that reading all planes and laying them on one another takes at most."""
    from shard.imaging.decoders.base import Want
    from shard.imaging.decoders.fits import FitsDecoder

    picture = _order(job).picture
    decoder, wanted = FitsDecoder(picture.fits, recipe.limits), Want(*want)
    needs = sum(len(file) for file in job.files if isinstance(file, bytes))
    for file in job.files:
        header = decoder.header(file)
        needs += decoder.memory(header, wanted)
        if picture.color:
            factor = wanted.factor(header.width, header.height)
            needs += _ALIGNED * header.width * header.height // factor**2
    return needs


def _encode(image: Image.Image, picture: Picture, remark: Remark | None) -> bytes:
    from shard.imaging import encode

    rendition = Rendition(NAME, *image.size, format=Format.JPEG, quality=picture.quality)
    metadata = {} if remark is None else {"comment": to_comment(remark)}
    return encode.encode(image, Format.JPEG, rendition, metadata)


def _size(file: bytes | Path) -> int:
    return len(file) if isinstance(file, bytes) else file.stat().st_size


def _frames(recipe: Recipe) -> Frames:
    if recipe.frames is None:
        raise RuntimeError("this recipe makes no pictures of frames")
    return recipe.frames


def _order(job: Job) -> FrameOrder:
    if job.work.frame is None:
        raise RuntimeError("no picture was ordered of this item")
    return job.work.frame


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
