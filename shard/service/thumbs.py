"""Thumbnails on request: what the batch made, or made now, at its key, with its bytes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from dataclasses import dataclass, replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from shard.errors import ObjectMissing, ShardError, StorageError
from shard.model import Status
from shard.planning import formats, freshness
from shard.service import conditions, thumb_errors
from shard.service.patience import while_wanted
from shard.service.refusal import Refusal
from shard.service.shelf import Lately, Picture, Shelf, etag_of
from shard.service.single_flight import SingleFlight
from shard.service.threads import Threads
from shard.service.wishes import Wish, Wishes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope

    from shard.execution.on_demand import Made, OnDemand
    from shard.execution.served import Seen, ServedSite
    from shard.execution.work import Work
    from shard.model import Item, Outcome
    from shard.planning.service_settings import ServiceSettings
    from shard.service.metrics import Metrics

_LONGEST_CHAIN: Final = 16
_FAILURES: Final = 10_000
_THREADS, _LOCAL_THREADS = 64, 4
"""Calls of stores at once. A disk answers at once: more threads would only contend."""


@dataclass(slots=True)
class _Failure:
    """``source`` is the fingerprint of the image that failed, "" where there is none."""

    status: int
    reason: str
    message: str
    source: str
    checked: float

    @property
    def refusal(self) -> Refusal:
        return Refusal(self.status, self.reason, self.message)


class Thumbs:
    """The thumbnails of one server process."""

    def __init__(
        self,
        settings: ServiceSettings,
        sites: Mapping[str, ServedSite],
        on_demand: OnDemand,
        metrics: Metrics,
    ) -> None:
        self._settings, self._seconds = settings.thumbs, settings.limits.seconds
        self._wishes = Wishes(sites, settings.thumbs.signing_key)
        self._on_demand, self._metrics = on_demand, metrics
        self._shelf = Shelf(settings.thumbs.cache_memory)
        self._failures = Lately[_Failure](settings.thumbs.failure, _FAILURES)
        self._flights = SingleFlight[tuple[Picture, str]]()
        is_remote = any(site.is_remote for site in sites.values())
        self._threads = Threads(_THREADS if is_remote else _LOCAL_THREADS, "store")
        self._checks = set[asyncio.Task[Any]]()

    def close(self) -> None:
        """Let the threads go."""
        self._threads.close()

    async def answer(self, scope: Scope, receive: Receive) -> Response:
        """Answer a request. Raises ``Refusal`` and ``StorageError``."""
        try:
            wish = self._wishes.read(scope)
            found = self._at_hand(wish)
            if found is None:
                flight = self._flights.share(wish.place, functools.partial(self._bring, wish))
                found = await while_wanted(receive, flight)
            picture, origin = found
        except Refusal as refusal:
            self._metrics.failed("thumb", refusal.reason)
            raise
        except StorageError as error:
            self._metrics.failed("thumb", error.reason)
            raise
        if conditions.is_current(scope["headers"], picture.etag, picture.modified):
            self._metrics.served("thumb", "unchanged")
            return conditions.Raw(304, conditions.kept(picture.headers), b"")
        self._metrics.served("thumb", origin)
        return conditions.Raw(200, picture.headers, picture.data)

    def _at_hand(self, wish: Wish) -> tuple[Picture, str] | None:
        """Return what needs no store. Raises the refusal that still holds."""
        now, place = time.monotonic(), wish.place
        picture = self._shelf.get(place)
        if picture is not None and now - picture.checked < self._settings.fresh:
            if now - picture.checked > self._settings.fresh / 2:
                self._check_ahead(wish)
            return picture, "memory"
        failure = self._failures.get(place, now)
        if failure is not None and now - failure.checked < self._settings.fresh:
            raise failure.refusal
        return None

    def _check_ahead(self, wish: Wish) -> None:
        """Ask the store beside the answer, so that of what is often asked for no answer waits."""
        if wish.place in self._flights:
            return
        flight = self._flights.share(wish.place, functools.partial(self._bring, wish))
        check = asyncio.create_task(flight)
        self._checks.add(check)
        check.add_done_callback(self._checked_ahead)

    def _checked_ahead(self, check: asyncio.Task[Any]) -> None:
        self._checks.discard(check)
        if not check.cancelled():
            check.exception()  # looked at: who asks next finds it out, and is told

    async def _bring(self, wish: Wish) -> tuple[Picture, str]:
        """Bring a picture from the store, or have it made; what fails lastingly is remembered."""
        source = ""
        try:
            known = self._shelf.get(wish.place), self._failures.get(wish.place, time.monotonic())
            seen, found = await self._threads.run(self._look, wish, known)
            source, origin = seen.item.fingerprint, "store"
            if found is None:
                outcome = await self._make(wish, seen)
                found = await self._threads.run(self._fetch, wish, outcome.output, seen.item)
                origin = "made"
        except Refusal as refusal:
            self._remember(wish, refusal, source)
            raise
        except StorageError:
            raise
        except ShardError as error:
            told = thumb_errors.of_error(error)
            self._remember(wish, told, source)
            raise told from None
        if isinstance(found, _Failure):
            raise found.refusal
        self._shelf.put(wish.place, found)
        return found, origin

    def _remember(self, wish: Wish, refusal: Refusal, source: str) -> None:
        self._shelf.drop(wish.place)
        if thumb_errors.is_lasting(refusal):
            now = time.monotonic()
            facts = (refusal.status, refusal.reason, refusal.message)
            self._failures.put(wish.place, _Failure(*facts, source, now), now)

    def _look(
        self, wish: Wish, known: tuple[Picture | None, _Failure | None]
    ) -> tuple[Seen, Picture | _Failure | None]:
        """Ask the stores; return the picture too, if there is a fresh one, or why there is none.

        Runs in a thread: ``known`` is what shelf and failures, which are the event loop's, hold.
        """
        now, (kept, failure) = time.monotonic(), known
        seen = wish.site.look(wish.key, wish.rendition)
        fingerprint = seen.item.fingerprint
        if failure is not None and failure.source and failure.source == fingerprint:
            failure.checked = now
            return seen, failure
        if seen.winner is not None:
            message = f"{seen.winner!r} has the same output key and comes first"
            raise Refusal(409, "collision", message)
        if kept is not None and kept.source == fingerprint and _has(seen.existing, kept.output):
            kept.checked = self._checked(now, kept.etag)
            return seen, kept
        if not seen.contested:
            decision = freshness.decide(seen.item, seen.existing)
            if not decision.needed:
                with contextlib.suppress(ObjectMissing):  # gone since: then it is to be made
                    return seen, self._fetch(wish, decision.output, seen.item)
        return seen, None

    def _fetch(self, wish: Wish, output: str | None, source: Item) -> Picture:
        """Return what lies at an output key."""
        if output is None:
            raise RuntimeError(f"{wish.key!r} was made, but nobody says where")
        item, data = wish.site.fetch(output)
        etag, modified = etag_of(data), item.modified
        fmt = formats.format_for_extension(formats.extension(output))
        kind = formats.content_type(fmt) if fmt else "application/octet-stream"
        said = {
            "content-type": kind,
            "content-length": str(len(data)),
            "etag": etag,
            "cache-control": self._settings.cache_control,
        }
        if modified is not None:
            said["last-modified"] = format_datetime(modified.replace(microsecond=0), usegmt=True)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
        facts = (data, etag, headers, modified, source.fingerprint, item)
        return Picture(*facts, self._checked(time.monotonic(), etag))

    def _checked(self, now: float, etag: str) -> float:
        """Return ``now``, or a little earlier: what was made together is not checked together."""
        spread = int(etag.strip('"')[:8], 16) / 0xFFFFFFFF
        return now - spread * self._settings.fresh / 4

    async def _make(self, wish: Wish, seen: Seen) -> Outcome:
        """Have a rendition made, after those images that could have its output key first."""
        if len(seen.works) > _LONGEST_CHAIN:
            message = f"{len(seen.works) - 1} images come first that could have its output key"
            raise Refusal(409, "collision", message)
        claimed: dict[str, str] = {}
        begun = time.perf_counter()
        outcomes: tuple[Outcome, ...] = ()
        for work in seen.works:
            made = await self._made(replace(work, claimed=dict(claimed)))
            outcomes = made.outcomes
            for key in made.claims or _predicted(wish, work):
                claimed.setdefault(key, work.item.key)
        self._metrics.rendered("thumb", time.perf_counter() - begun)
        (outcome,) = (one for one in outcomes if one.rendition == wish.rendition.name)
        if outcome.status is Status.FAILED:
            raise thumb_errors.of_outcome(outcome)
        return outcome

    async def _made(self, work: Work) -> Made:
        return await asyncio.wrap_future(self._on_demand.make(work, self._seconds))


def _has(existing: tuple[Item, ...], output: Item) -> bool:
    return any((one.key, one.fingerprint) == (output.key, output.fingerprint) for one in existing)


def _predicted(wish: Wish, work: Work) -> list[str]:
    """Return the output keys that an item's name suggests, where its content told nothing."""
    layout = wish.site.layout(wish.rendition)
    return [layout.candidates(work.item.key, r)[0] for r in layout.renditions]
