"""One policy of retries for every store: what is transient, full jitter, a budget in seconds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shard.errors import ObjectMissing
from shard.storage import requests
from shard.storage.faults import bucket_missing, is_transient, translate, understand

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

LOG = logging.getLogger("shard.storage")
T = TypeVar("T")

FIRST_WAIT = 0.2
LONGEST_WAIT = 20.0


@dataclass(frozen=True, slots=True)
class Guard:
    """Runs a store's operations: retries what is transient, then speaks in our own errors.

    ``url`` is the store's, ``budget`` the seconds one operation may spend on transient errors
    (0: none), ``remedy`` the sentence for refused credentials.
    """

    url: str
    budget: float
    remedy: str

    def call(self, key: str, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns; raise a ``StorageError`` that names ``key``.

        Without a key the store as a whole is asked: not finding it is ``BucketMissing``. Each try
        counts as a request.
        """

        def request() -> T:
            requests.note()
            return attempt()

        return self.open(request, key)

    def open(self, attempt: Callable[[], T], key: str = "") -> T:
        """Do as ``call``, for what is no request: making a client."""
        try:
            return attempt() if self.budget <= 0 else self._persist(attempt)
        except Exception as error:  # noqa: BLE001  # whatever a library raises: told as ours
            place = f"{self.url.rstrip('/')}/{key}" if key else self.url
            told = translate(error, place, self.remedy)
            if not key and isinstance(told, ObjectMissing):
                told = bucket_missing(self.url)
            # The library's own text may hold a signed URL: the cause is left out on purpose.
            raise told from None

    def _persist(self, attempt: Callable[[], T]) -> T:
        from tenacity import (
            Retrying,
            retry_if_exception,
            stop_before_delay,
            wait_random_exponential,
        )

        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
            stop=stop_before_delay(self.budget),
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(attempt)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is None:
            return
        fault = understand(error)
        said = " ".join(str(part) for part in (fault.status, fault.code) if part)
        LOG.log(
            logging.DEBUG if state.attempt_number == 1 else logging.INFO,
            "%s: try %d failed (%s), trying again",
            self.url,
            state.attempt_number,
            said or type(error).__name__,
        )
