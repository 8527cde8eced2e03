"""Where markers are written: S3 by boto3, GCS by google-cloud-storage, and nothing besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from shard.errors import AccessDenied, BucketMissing, MissingExtra, StorageError, Unavailable

if TYPE_CHECKING:
    from shard.planning.location import Location

_JSON: Final = "application/json"
_CONNECT: Final = 5
_READ: Final = 10
"""Seconds; a function has a minute for its whole event."""
_DENIED: Final = frozenset({"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_ABSENT: Final = frozenset({"NoSuchKey", "404"})
_OVERTAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class MarkerStore(Protocol):
    """The process bucket. Every method raises a ``StorageError`` for what a store can do wrong."""

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Return a marker and its version, or ``None`` if it certainly is not there."""

    def write(self, key: str, data: bytes, replaces: str | None) -> bool:
        """Write a marker in place of that version, or where none is; ``False``: overtaken."""


def open_markers(process: Location) -> MarkerStore:
    """Return the bucket that markers are written to; its library is imported here."""
    return S3Markers(process) if process.scheme == "s3" else GCSMarkers(process)


class S3Markers:
    """Markers on S3, written by conditional PUT. Credentials from boto3's chain."""

    def __init__(self, process: Location) -> None:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        self._url, self._bucket = process.url, process.bucket
        retries: Any = {"mode": "standard", "max_attempts": 4}
        config = Config(connect_timeout=_CONNECT, read_timeout=_READ, retries=retries)
        self._client = Session().client("s3", config=config)
        self._errors, self._answered = (BotoCoreError, OSError), ClientError

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Return a marker and its ETag, or ``None`` if it certainly is not there."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            return answer["Body"].read(), answer["ETag"]
        except self._answered as error:
            if _code(error) in _ABSENT:
                return None
            self._refuse(key, error)
        except self._errors as error:
            raise Unavailable(f"{self._url}/{key}", str(error)) from error

    def write(self, key: str, data: bytes, replaces: str | None) -> bool:
        """Write a marker in place of the one with that ETag, or where none is."""
        condition: Any = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=data, ContentType=_JSON, **condition
            )
        except self._answered as error:
            if _code(error) in _OVERTAKEN | _ABSENT:
                return False
            self._refuse(key, error)
        except self._errors as error:
            raise Unavailable(f"{self._url}/{key}", str(error)) from error
        return True

    def _refuse(self, key: str, error: Exception) -> NoReturn:
        code, url = _code(error), f"{self._url}/{key}"
        if code in _DENIED:
            remedy = "s3:GetObject and s3:PutObject on the markers, s3:ListBucket on their prefix"
            raise AccessDenied(url, code, f"needed: {remedy}") from error
        if code == "NoSuchBucket":
            raise BucketMissing(self._url, "the bucket does not exist") from error
        raise Unavailable(url, code) from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "no code"))


class GCSMarkers:
    """Markers on GCS, written under a generation's precondition. Default credentials."""

    def __init__(self, process: Location) -> None:
        try:
            from google.api_core import exceptions
            from google.auth.exceptions import GoogleAuthError
            from google.cloud import storage
        except ImportError as error:
            raise MissingExtra("gs:// without google-cloud-storage", "all") from error

        self._url = process.url
        self._bucket = storage.Client().bucket(process.bucket)
        self._exceptions = exceptions
        self._errors = (exceptions.GoogleAPIError, GoogleAuthError, OSError)

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Return a marker and its generation, or ``None`` if it certainly is not there."""
        try:
            blob = self._bucket.get_blob(key, timeout=_READ)
            if blob is None:
                return None
            data = blob.download_as_bytes(if_generation_match=blob.generation, timeout=_READ)
        except (self._exceptions.NotFound, self._exceptions.PreconditionFailed):
            return None  # it was there a moment ago; the next write tells
        except self._errors as error:
            raise self._refused(key, error) from error
        return data, str(blob.generation)

    def write(self, key: str, data: bytes, replaces: str | None) -> bool:
        """Write a marker in place of that generation, or where none is."""
        try:
            self._bucket.blob(key).upload_from_string(
                data, _JSON, if_generation_match=int(replaces or 0), timeout=_READ
            )
        except self._exceptions.PreconditionFailed:
            return False
        except self._errors as error:
            raise self._refused(key, error) from error
        return True

    def _refused(self, key: str, error: Exception) -> StorageError:
        url = f"{self._url}/{key}"
        if isinstance(error, self._exceptions.Forbidden | self._exceptions.Unauthorized):
            remedy = "needed: storage.objects.get, create and delete on the markers"
            return AccessDenied(url, type(error).__name__, remedy)
        if isinstance(error, self._exceptions.NotFound):
            return BucketMissing(self._url, "the bucket does not exist")
        return Unavailable(url, type(error).__name__)
