"""Whose credentials: boto3's chain and Google's, and what to say when they are refused."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shard.storage.base import StorageOptions

S3_REMEDY = (
    "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (for manifests: S3_ACCESS_KEY and "
    "S3_SECRET_KEY; or AWS_PROFILE, or the task's role), AWS_ENDPOINT_URL (S3_ENDPOINT), and that "
    "they may list, read and write this bucket"
)
GCS_REMEDY = (
    "check the task's service account (or run `gcloud auth application-default login`), and that "
    "it has roles/storage.objectUser on this bucket"
)
CONNECT_TIMEOUT = 10.0
REFRESH_AFTER = timedelta(minutes=5)
"""How long obstore may keep what botocore gave it: less than the 10 minutes before their end when
botocore itself renews temporary credentials, so that none is used after it expired."""

_AWS = ".amazonaws.com"
_MAKING_CLIENTS = threading.Lock()
"""boto3 sessions are not thread-safe while they make a client."""


@dataclass(frozen=True)
class S3Access:
    """How one bucket is reached: an SDK session and client, and what other clients need to know.

    ``endpoint`` is ``None`` for AWS's own. ``anonymous``: the chain gave no credentials.
    """

    session: Any
    client: Any
    region: str
    endpoint: str | None
    anonymous: bool


def s3_access(bucket: str, options: StorageOptions) -> S3Access:
    """Find credentials, endpoint and region by boto3's own rules.

    The region is the session's, else the one that the bucket's HEAD names, else us-east-1.
    """
    import boto3

    with _MAKING_CLIENTS:
        session = boto3.Session()
        anonymous = session.get_credentials() is None
        region = session.region_name
        client = _s3_client(session, region or "us-east-1", anonymous, options)
        endpoint = str(client.meta.endpoint_url)
        custom = _AWS not in endpoint
        if region is None and not custom:
            region = _bucket_region(client, bucket)
            if region not in (None, "us-east-1"):
                client = _s3_client(session, region, anonymous, options)
    return S3Access(
        session=session,
        client=client,
        region=region or "us-east-1",
        endpoint=endpoint if custom else None,
        anonymous=anonymous,
    )


def _s3_client(session: Any, region: str | None, anonymous: bool, options: StorageOptions) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        signature_version=UNSIGNED if anonymous else "s3v4",
        s3={"addressing_style": "path"},  # what every S3-compatible server understands
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=options.request_timeout,
        max_pool_connections=options.concurrency,
        # Checksums that AWS added of late are refused by some S3-compatible stores: those that we
        # send are asked for by name.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
    )
    return session.client("s3", region_name=region, endpoint_url=options.s3_endpoint, config=config)


def _bucket_region(client: Any, bucket: str) -> str | None:
    """Return the region in the answer to HEAD, which S3 gives even to those it denies."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    except BotoCoreError:
        return None
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    found = headers.get("x-amz-bucket-region")
    return str(found) if found else None
