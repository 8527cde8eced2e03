"""Frames' pictures made by the worker processes: each once, however many ask for it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shard.errors import MissingExtra, SettingError, ShardError
from shard.execution.frame_item import NAME
from shard.execution.scratch import scratch
from shard.execution.served import served_recipe
from shard.execution.work import DownloadBounds, Frames, Work
from shard.model import Item, Status
from shard.service import thumb_errors
from shard.service.refusal import Refusal
from shard.service.shelf import Lately
from shard.service.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.execution.on_demand import OnDemand
    from shard.execution.served import Share
    from shard.execution.work import Recipe
    from shard.model import Outcome
    from shard.planning.frame_settings import FrameSettings
    from shard.planning.frames import FrameOrder
    from shard.planning.service_settings import ServiceSettings
    from shard.service.metrics import Metrics

SITE: Final = "frames:"
"""The site's name beside those of sources, whose names have no colon."""
KIND: Final = "frame"
_DEPTH: Final = 4
"""Frames in a worker's hand: while one is drawn, others are on their way here."""
_FAILURES: Final = 10_000
_DOWNLOADS: Final = {"download_failed": 502, "download_timeout": 504}
_NOT_OURS: Final = 500


@contextlib.contextmanager
def frames_recipe(settings: FrameSettings, share: Share) -> Iterator[Recipe]:
    """Have a recipe for the workers, and a folder for files that are too large for memory.

    What dead servers left there is removed. Raises ``SettingError`` and ``MissingExtra``.
    """
    for name in ("astroalign", "astropy", "reproject"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtra(f"serving frames (there is no {name})", "fits")
    recipe = served_recipe(settings.task, share)
    download = DownloadBounds(
        settings.task.limits.max_bytes, settings.download_memory, settings.download_timeout
    )
    with contextlib.ExitStack() as opened:
        try:
            folder = opened.enter_context(scratch("frames", settings.tmp_dir))
        except OSError as error:
            accepted = f"a folder that may be written to ({error.strerror})"
            raise SettingError("TMP_DIR", settings.tmp_dir, accepted) from None
        yield replace(
            recipe,
            storage=replace(recipe.storage, s3_endpoint=settings.endpoint),
            ranged=False,
            depth=_DEPTH,
            frames=Frames(str(folder), download),
        )


class FrameMaker:
    """Has pictures made, and written to the bucket. What cannot be is remembered for a while."""

    def __init__(self, pool: OnDemand, settings: ServiceSettings, metrics: Metrics) -> None:
        if settings.frames is None:
            raise RuntimeError("frames are not set up")
        self._pool, self._metrics = pool, metrics
        self._seconds, self._memory = settings.limits.seconds, settings.frames.download_memory
        self._flights: SingleFlight[None] = SingleFlight()
        self._failed: Lately[Refusal] = Lately(settings.thumbs.failure, _FAILURES)

    async def make(self, order: FrameOrder) -> None:
        """Return when the picture is in the bucket. Raises ``Refusal``."""
        failed = self._failed.get(order.key, time.monotonic())
        if failed is not None:
            raise Refusal(failed.status, failed.reason, failed.message)
        await self._flights.share(order.key, lambda: self._make(order))

    async def _make(self, order: FrameOrder) -> None:
        started = time.perf_counter()
        # What a file will hold is known only when it is there: as much as may stay in memory.
        item = Item(order.key, len(order.urls) * self._memory)
        work = Work(0, item, (NAME,), frame=order, site=SITE)
        try:
            made = await asyncio.wrap_future(self._pool.make(work, self._seconds))
        except ShardError as error:
            raise thumb_errors.of_error(error) from None
        self._metrics.rendered(KIND, time.perf_counter() - started)
        outcome = made.outcomes[0]
        if outcome.status is Status.FAILED:
            refusal = _of_outcome(outcome)
            if thumb_errors.is_lasting(refusal):
                self._failed.put(order.key, refusal, time.monotonic())
            raise refusal


def _of_outcome(outcome: Outcome) -> Refusal:
    """Return the answer for a frame of which no picture could be made."""
    reason = outcome.reason or "error"
    message = outcome.detail or reason
    if reason in _DOWNLOADS:
        return Refusal(_DOWNLOADS[reason], reason, message)
    if reason == "not_an_image":
        return Refusal(400, "not_fits", message)
    status = thumb_errors.STATUSES.get(reason, _NOT_OURS)
    if status < _NOT_OURS:
        return Refusal(status, reason, message)
    return thumb_errors.of_outcome(outcome)
