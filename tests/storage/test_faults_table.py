"""What each library's exception means: the table of transient errors, row by row."""

from __future__ import annotations

import errno
import http.client
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from google.api_core import exceptions as google

from shard.errors import (
    AccessDenied,
    AlreadyExists,
    BucketMissing,
    ObjectMissing,
    StorageError,
    Unavailable,
)
from shard.storage.faults import is_transient, translate


def s3(status: int, code: str, message: str = "") -> ClientError:
    """Return botocore's error for an S3 answer."""
    told: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(told, "GetObject")


def caused(outer: Exception, inner: Exception) -> Exception:
    """Return ``outer`` raised from ``inner``, as s3fs does."""
    outer.__cause__ = inner
    return outer


def google_error(kind: Any, message: str) -> Exception:
    """Return google-api-core's error; its classes have no types."""
    made: Exception = kind(message)
    return made


class FakeObstoreError(Exception):
    """An error as obstore words it."""


FakeObstoreError.__module__ = "obstore.exceptions"

ROWS = [
    (s3(503, "SlowDown"), True, Unavailable),
    (s3(500, "InternalError"), True, Unavailable),
    (s3(400, "RequestTimeout"), True, Unavailable),
    (s3(409, "ConditionalRequestConflict"), True, Unavailable),
    (s3(429, "TooManyRequests"), True, Unavailable),
    (s3(408, ""), True, Unavailable),
    (s3(501, "NotImplemented"), False, StorageError),
    (s3(400, "InvalidArgument"), False, StorageError),
    (s3(400, "ExpiredToken"), False, AccessDenied),
    (s3(403, "AccessDenied"), False, AccessDenied),
    (s3(403, "SignatureDoesNotMatch"), False, AccessDenied),
    (s3(401, ""), False, AccessDenied),
    (s3(404, "NoSuchBucket"), False, BucketMissing),
    (s3(404, "NoSuchKey"), False, ObjectMissing),
    (s3(404, "404"), False, ObjectMissing),
    (s3(412, "PreconditionFailed"), False, AlreadyExists),
    (caused(OSError(errno.EINVAL, "Precondition"), s3(412, "x")), False, AlreadyExists),
    (caused(FileNotFoundError("k"), s3(404, "NoSuchBucket")), False, BucketMissing),
    (caused(OSError(errno.EBUSY, "slow"), s3(503, "SlowDown")), True, Unavailable),
    (boto.NoCredentialsError(), False, AccessDenied),
    (boto.ReadTimeoutError(endpoint_url="http://x"), True, Unavailable),
    (boto.EndpointConnectionError(endpoint_url="http://x"), True, Unavailable),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), True, Unavailable),
    (ConnectionResetError(errno.ECONNRESET, "reset"), True, Unavailable),
    (http.client.IncompleteRead(b"half"), True, Unavailable),
    (TimeoutError(), True, Unavailable),
    (google_error(google.TooManyRequests, "slow"), True, Unavailable),
    (google_error(google.Forbidden, "no"), False, AccessDenied),
    (google_error(google.NotFound, "The specified bucket does not exist."), False, BucketMissing),
    (google_error(google.NotFound, "No such object: b/k"), False, ObjectMissing),
    (FakeObstoreError("Generic S3 error: HTTP error: error sending request"), True, Unavailable),
    (
        FakeObstoreError("HTTP error: sending: invalid peer certificate: UnknownIssuer"),
        False,
        StorageError,
    ),
    (FakeObstoreError("Generic S3 error: something new"), False, StorageError),
    (ValueError("a bug"), False, StorageError),
    (PermissionError(errno.EACCES, "Permission denied"), False, AccessDenied),
    (OSError(errno.ENOSPC, "No space left on device"), False, StorageError),
]


@pytest.mark.parametrize(("error", "transient", "told"), ROWS)
def test_each_error_means_one_thing(
    error: Exception, transient: bool, told: type[StorageError]
) -> None:
    """Each row: whether another try could help, and which error the job sees."""
    assert is_transient(error) is transient
    assert type(translate(error, "s3://b/k", "check")) is told


def test_messages_lose_query_strings() -> None:
    """What a library quotes of a signed URL does not reach our message."""
    error = s3(400, "Odd", "GET http://h/k?X-Amz-Signature=abc&X-Amz-Credential=AKIA failed")

    assert "abc" not in str(translate(error, "s3://b/k", ""))
