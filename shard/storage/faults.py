"""What a client library's exception means: is it transient, and which of our errors is it.

The libraries are recognised by their shape (status, code, class names), never imported: a job on
local disk must not pay for three SDKs.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shard.errors import (
    AccessDenied,
    AlreadyExists,
    BucketMissing,
    ObjectMissing,
    StorageError,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSIENT_CODES = frozenset(
    {
        "BadDigest",  # damaged on its way
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""S3 error codes worth another try; some come with status 400 or 409, so the code decides."""

DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)

_DENIED_CLASSES = frozenset(
    {
        "botocore.NoCredentialsError",
        "botocore.PartialCredentialsError",
        "botocore.CredentialRetrievalError",
        "botocore.NoAuthTokenError",
        "botocore.ProfileNotFound",
        "botocore.SSOError",
        "botocore.TokenRetrievalError",
        "builtins.PermissionError",
        "google.DefaultCredentialsError",
        "google.RefreshError",
        "obstore.PermissionDeniedError",
        "obstore.UnauthenticatedError",
    }
)
_EXISTS_CLASSES = frozenset({"obstore.AlreadyExistsError", "builtins.FileExistsError"})
_MISSING_CLASSES = frozenset({"builtins.FileNotFoundError"})
_NETWORK_CLASSES = frozenset(
    {
        "aiohttp.ClientConnectionError",
        "aiohttp.ClientPayloadError",
        "asyncio.TimeoutError",
        "botocore.ConnectionError",
        "botocore.HTTPClientError",
        "botocore.IncompleteReadError",
        "botocore.ReadTimeoutError",
        "botocore.ResponseStreamingError",
        "builtins.ConnectionError",
        "builtins.TimeoutError",
        "fsspec.FSTimeoutError",
        "google.DataCorruption",
        "google.TransportError",
        "http.HTTPException",
        "requests.ChunkedEncodingError",
        "requests.ConnectionError",
        "requests.Timeout",
        "urllib3.HTTPError",
    }
)
_OBSTORE_NETWORK = ("HTTP error:", "error decoding response body", "kind: Interrupted")
_CERTIFICATE = (
    "certificate verify failed",
    "CERTIFICATE_VERIFY_FAILED",
    "invalid peer certificate",
)
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_QUERY = re.compile(r"\?\S+")
_BUCKET_MISSING = re.compile(
    r"bucket does not exist|no such bucket|bucket not found", re.IGNORECASE
)
_TRANSIENT_ERRNO = frozenset(
    {errno.EAGAIN, errno.ECONNABORTED, errno.ECONNRESET, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
)

_DENIED_STATUS = frozenset({401, 403})
_TRANSIENT_STATUS = frozenset({408, 429})
_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_RANGE_NOT_SATISFIABLE = 416
_SERVER_ERROR = range(500, 600)
_NOT_IMPLEMENTED = 501


@dataclass(frozen=True, slots=True)
class Fault:
    """What is known of a failure: HTTP status, the store's code, a message without secrets."""

    status: int | None
    code: str
    message: str
    kinds: frozenset[str]


def understand(error: BaseException) -> Fault:
    """Return the facts of a client library's exception, or of what caused it."""
    faults = []
    for link in _chain(error):
        faults.append(_facts(link))
        if "network" in faults[-1].kinds:
            break  # what lies below is how the library saw it: aiohttp calls a cut body "400"
    best = next((fault for fault in faults if fault.status or fault.code), faults[0])
    kinds = frozenset[str]().union(*(fault.kinds for fault in faults))
    return Fault(best.status, best.code, best.message, kinds)


def is_transient(error: BaseException) -> bool:
    """Tell whether another try could end better.

    | error | transient |
    | --- | --- |
    | time-out, reset, refused or broken connection, body cut short | yes |
    | 408, 429, 5xx but 501 | yes |
    | SlowDown, InternalError, RequestTimeout and the like, whatever the status | yes |
    | a certificate that does not verify | no |
    | anything else, known or not | no |
    """
    if isinstance(error, StorageError):
        return error.retryable
    fault = understand(error)
    if fault.code in TRANSIENT_CODES:
        return True
    if fault.status is not None:
        return fault.status in _TRANSIENT_STATUS or (
            fault.status in _SERVER_ERROR and fault.status != _NOT_IMPLEMENTED
        )
    return "network" in fault.kinds and "certificate" not in fault.kinds


def translate(error: BaseException, url: str, remedy: str) -> StorageError:
    """Return the error of ``shard.errors`` that says what happened at ``url``.

    ``remedy`` is the sentence for a user whose credentials were refused.
    """
    if isinstance(error, StorageError):
        return error
    fault = understand(error)
    said = _sentence(fault)
    told = StorageError(url, said)
    if is_transient(error):
        told = Unavailable(url, said, "the store cannot be reached, or did not answer in time")
    elif fault.status in _DENIED_STATUS or fault.code in DENIED_CODES or "denied" in fault.kinds:
        told = AccessDenied(url, said, remedy)
    elif fault.code == "NoSuchBucket" or _BUCKET_MISSING.search(fault.message):
        told = bucket_missing(url)
    elif fault.status == _PRECONDITION_FAILED or "exists" in fault.kinds:
        told = AlreadyExists(url, "the object exists already")
    elif fault.status == _NOT_FOUND or "missing" in fault.kinds:
        told = ObjectMissing(url, "there is no such object")
    return told


def bucket_missing(url: str) -> BucketMissing:
    """Return the error for a bucket, or a root, that certainly does not exist."""
    return BucketMissing(url, "the bucket or folder does not exist", "check its name and region")


def is_beyond_the_end(error: BaseException) -> bool:
    """Tell whether a range was refused because it begins at or after the object's end."""
    return understand(error).status == _RANGE_NOT_SATISFIABLE


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _facts(error: BaseException) -> Fault:
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    text = str(error)
    kinds: set[str] = set()
    if names & _DENIED_CLASSES or text.startswith("Forbidden: "):
        kinds.add("denied")
    if names & _EXISTS_CLASSES:
        kinds.add("exists")
    if names & _MISSING_CLASSES:
        kinds.add("missing")
    if _is_network(error, names, text):
        kinds.add("network")
    if any(word in text for word in _CERTIFICATE):
        kinds.add("certificate")
    status, code, message = (None, "", text) if "network" in kinds else _answer(error, text)
    return Fault(status, code, _harmless(message), frozenset(kinds))


def _is_network(error: BaseException, names: set[str], text: str) -> bool:
    if names & _NETWORK_CLASSES:
        return True
    if any(name.startswith("obstore.") for name in names):
        return any(word in text for word in _OBSTORE_NETWORK)
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO


def _answer(error: BaseException, text: str) -> tuple[int | None, str, str]:
    """Return the HTTP status, the code and the message, as each library keeps them."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's ClientError
        told = response.get("Error", {})
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return _number(status), str(told.get("Code", "")), str(told.get("Message", ""))
    found = _STATUS.search(text)
    if found:  # obstore keeps the answer in its text only
        code, message = _CODE.search(text), _MESSAGE.search(text)
        return int(found[1]), code[1] if code else "", message[1] if message else ""
    status = _number(getattr(error, "code", None)) or _number(getattr(error, "status", None))
    return status, "", str(getattr(error, "message", "") or text)


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _harmless(text: str) -> str:
    """Return the first line without query strings, where signatures and tokens travel."""
    first = text.strip().partition("\n")[0]
    return _QUERY.sub("?...", first)[:200]


def _sentence(fault: Fault) -> str:
    if "certificate" in fault.kinds:
        return "the server's certificate does not verify"
    parts = [str(fault.status) if fault.status else "", fault.code, fault.message]
    return " ".join(part for part in parts if part) or "an error without a message"
