"""The values that travel between the rooms of Shard: frozen, plain, free of I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a store: a source to render, or an output that exists.

    ``key`` is the name below the store's root, ``/``-separated. ``size`` is in bytes.
    ``modified`` is timezone-aware (UTC), ``None`` where the store does not tell.
    ``fingerprint`` is whatever changes with the content: ETag, generation, or mtime and size.
    ``md5`` is the content's MD5 in hexadecimal where the store's listing tells it (S3: an ETag that
    has the form of one; it is another digest under SSE-KMS), else empty.
    """

    key: str
    size: int
    modified: datetime | None = None
    fingerprint: str = ""
    content_type: str | None = None
    md5: str = ""


class Fit(StrEnum):
    """How an image meets its box."""

    INSIDE = "inside"
    COVER = "cover"
    PAD = "pad"


class Format(StrEnum):
    """An output's encoding; ``KEEP`` follows the source (see ``planning.formats``)."""

    KEEP = "keep"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    GIF = "gif"
    JXL = "jxl"


@dataclass(frozen=True, slots=True)
class Rendition:
    """One wanted derivative of an image. ``width`` and ``height`` are the box, in pixels.

    ``otherwise`` is what format ``KEEP`` makes of a source that it does not keep, on the
    background's colour; ``None``: JPEG, or PNG where there is alpha.
    """

    name: str
    width: int
    height: int
    fit: Fit = Fit.INSIDE
    format: Format = Format.KEEP
    quality: int = 85
    background: str = "#ffffff"
    gravity: str = "centre"
    enlarge: bool = False
    sharpen: float = 0.0
    lossless: bool = False
    progressive: bool = False
    animate: bool = False
    keep: frozenset[str] = frozenset()
    placeholder: str | None = None
    otherwise: Format | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One container's share of the job, and the engine that said so.

    ``index`` is in ``0 .. count - 1``; ``attempt`` counts from 0. ``run_id`` is the id that the
    engine or RUN_ID gives to all tasks of a run, ``None`` where nobody gave one.
    """

    index: int = 0
    count: int = 1
    attempt: int = 0
    engine: str = "local"
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may cost; on by default.

    ``max_pixels`` is checked against the header before decoding, ``max_bytes`` before reading,
    ``max_frames`` against animations, ``item_timeout`` is in seconds of rendering.
    """

    max_pixels: int = 268_000_000
    max_bytes: int = 512_000_000
    max_frames: int = 1_000
    item_timeout: float = 60.0
    accept_truncated: bool = False


class Status(StrEnum):
    """What became of one rendition of one item."""

    WRITTEN = "written"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rendition of one item: a line of the ledger.

    ``reason`` is a word from a closed list (``fresh``, ``truncated``, ``collision``, ...);
    ``detail`` is the sentence for a person. ``pixels_in`` and ``pixels_out`` are (width, height).
    ``bytes_in`` is the source's size; ``bytes_read`` were really read, by ``reads`` requests.
    ``requests`` are all that the item's outcomes together made of the output, tries included.
    ``ms`` holds milliseconds by stage; ``cpu_ms`` are those of a processor that the worker
    took for it, in all its threads. ``retryable`` tells that another attempt could end better.
    """

    key: str
    rendition: str
    status: Status
    output: str | None = None
    reason: str | None = None
    detail: str | None = None
    bytes_in: int = 0
    bytes_read: int = 0
    reads: int = 0
    requests: int = 0
    bytes_out: int = 0
    pixels_in: tuple[int, int] | None = None
    pixels_out: tuple[int, int] | None = None
    ms: Mapping[str, float] = field(default_factory=dict)
    cpu_ms: float = 0.0
    attempts: int = 1
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    placeholder: str | None = None
    retryable: bool = False
