"""What the batch calls a failure, in HTTP's words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from shard.execution.on_demand import Closed, Full, TooLate
from shard.execution.served import NotServed, TooManyNeighbours
from shard.service.refusal import Refusal

if TYPE_CHECKING:
    from shard.errors import ShardError
    from shard.model import Outcome

_log = logging.getLogger("shard")

STATUSES: Final = {
    **dict.fromkeys(("not_an_image", "unsupported", "missing_extra"), 415),
    **dict.fromkeys(("truncated", "corrupt", "empty", "crashed", "timeout", "error"), 422),
    **dict.fromkeys(("too_many_pixels", "too_many_bytes", "too_many_frames"), 413),
    "too_much_memory": 413,
    **dict.fromkeys(("collision", "would_overwrite_source"), 409),
    "vanished": 404,
    "key_refused": 400,
    "unavailable": 503,
}
"""A ledger's reasons; any other is a store's (502)."""
_STORE: Final = 502
_ITSELF: Final = 500
"""From here on it is not the image's fault, so that nothing of it is remembered."""
_BUSY: Final = 429


def of_outcome(outcome: Outcome) -> Refusal:
    """Return the answer for a rendition that the batch would record as failed."""
    reason = outcome.reason or "error"
    status = STATUSES.get(reason, _STORE)
    if status < _ITSELF and reason != "key_refused":
        return Refusal(status, reason, f"{outcome.key!r}: {outcome.detail}")
    _log.warning("%r: %s", outcome.key, outcome.detail)
    if reason == "key_refused":
        return Refusal(status, reason, "the output's key has no safe name in the store")
    headers = {"retry-after": "5"} if outcome.retryable else None
    return Refusal(status, reason, f"the store could not be asked ({reason})", headers)


def of_error(error: ShardError) -> Refusal:
    """Return the answer for what came instead of an outcome."""
    if isinstance(error, NotServed):
        return Refusal(404, error.reason, str(error))
    if isinstance(error, TooManyNeighbours):
        return Refusal(409, "too_many_neighbours", str(error))
    if isinstance(error, Full):
        return Refusal(429, "busy", str(error), {"retry-after": "1"})
    if isinstance(error, TooLate):
        message = "not made in time; try again, it may be ready then"
        return Refusal(504, "timeout", message)
    if isinstance(error, Closed):
        return Refusal(503, "stopping", str(error), {"retry-after": "1"})
    _log.warning("%s", error)
    message = "there are no render processes at the moment; the log says why"
    return Refusal(503, "no_workers", message, {"retry-after": "5"})


def is_lasting(refusal: Refusal) -> bool:
    """Tell whether the same request would end in the same way, were it made at once again."""
    return refusal.status < _ITSELF and refusal.status != _BUSY
