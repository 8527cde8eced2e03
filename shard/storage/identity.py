"""Who a store takes this process for, and what time the store thinks it is: for `doctor`.

Names of kinds and places only; never a key, a token or an account's secret.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from shard.storage.credentials import GCS_REMEDY, S3_REMEDY, s3_access
from shard.storage.retry import Guard
from shard.storage.roots import split_bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shard.storage.base import StorageOptions

_S3_KINDS: Final = {
    "env": "access key, from AWS_ACCESS_KEY_ID",
    "shared-credentials-file": "access key, from the shared credentials file",
    "config-file": "access key, from the AWS config file",
    "assume-role": "assumed role, from the AWS config file",
    "assume-role-with-web-identity": "role by web identity, from AWS_WEB_IDENTITY_TOKEN_FILE",
    "custom-process": "credential_process, from the AWS config file",
    "iam-role": "role of the instance, from its metadata server",
    "container-role": "role of the container or task, from AWS_CONTAINER_CREDENTIALS_*",
    "sso": "single sign-on, from the AWS config file",
}
_GCS_KINDS: Final = {
    "external_account": "workload identity federation",
    "identity_pool": "workload identity federation",
    "impersonated": "impersonated service account",
    "service_account": "service account's key",
    "oauth2.credentials": "a person's login",
}
"""What a credentials class is called -> what it stands for; the first that fits counts."""
_PROFILED: Final = frozenset(
    {"shared-credentials-file", "config-file", "assume-role", "custom-process", "sso"}
)


@dataclass(frozen=True, slots=True)
class Identity:
    """``credentials``: which kind, and where they come from. ``endpoint``: who is asked.

    ``skew`` is the seconds by which the store's clock is ahead of ours, to about a second;
    ``None`` where the store does not tell.
    """

    credentials: str
    endpoint: str | None = None
    skew: float | None = None


def identify(url: str, options: StorageOptions, env: Mapping[str, str]) -> Identity:
    """Return how the store of ``url`` would be spoken to; it is asked the time, if it has one.

    ``env`` says where Google's credentials come from; their libraries do not tell.

    Raises ``StorageError``.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else "file"
    if scheme in ("s3", "s3a"):
        return Guard(url, 0, S3_REMEDY).call("", lambda: _s3(url, options))
    if scheme in ("gs", "gcs"):
        return Guard(url, 0, GCS_REMEDY).call("", lambda: _gcs(url, options, env))
    if scheme == "file":
        user = f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"
        return Identity(f"none needed: files, as {user}")
    return Identity(f"as fsspec's {scheme} finds them")


def _s3(url: str, options: StorageOptions) -> Identity:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _ = split_bucket(url)
    access = s3_access(bucket, options)

    def ask() -> Mapping[str, str]:
        try:
            answer: Any = access.client.head_bucket(Bucket=bucket)
        except ClientError as error:
            answer = error.response
        except BotoCoreError:
            return {}
        headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return headers

    endpoint = _harmless(str(access.client.meta.endpoint_url))
    return Identity(_s3_credentials(access.session), endpoint, _skew(ask))


def _s3_credentials(session: Any) -> str:
    found = session.get_credentials()
    if found is None:
        return "none found: requests are anonymous"
    told = _S3_KINDS.get(found.method, f"found by boto3's {found.method}")
    return told + (f", profile {session.profile_name!r}" if found.method in _PROFILED else "")


def _gcs(url: str, options: StorageOptions, env: Mapping[str, str]) -> Identity:
    from requests.exceptions import RequestException

    from shard.storage.gcs_clients import storage_client

    client: Any = storage_client(options)
    bucket, _ = split_bucket(url)
    base = str(client._connection.API_BASE_URL)  # noqa: SLF001  # the client has no word for it

    def ask() -> Mapping[str, str]:
        # Without credentials: an answer that refuses tells the time as well.
        import requests

        try:
            answer = requests.head(f"{base}/storage/v1/b/{bucket}", timeout=options.request_timeout)
        except RequestException:
            return {}
        return {name.lower(): text for name, text in answer.headers.items()}

    credentials = _gcs_credentials(client._credentials, env)  # noqa: SLF001  # as above
    return Identity(credentials, _harmless(base), _skew(ask))


def _gcs_credentials(credentials: Any, env: Mapping[str, str]) -> str:
    kind = f"{type(credentials).__module__}.{type(credentials).__name__}".lower()
    if "anonymous" in kind:
        emulated = bool(env.get("STORAGE_EMULATOR_HOST"))
        why = "STORAGE_EMULATOR_HOST is set" if emulated else "none found"
        return f"{why}: requests are anonymous"
    if "compute_engine" in kind:
        return "service account of the machine or task, from its metadata server"
    file = env.get("GOOGLE_APPLICATION_CREDENTIALS")
    where = "GOOGLE_APPLICATION_CREDENTIALS" if file else "gcloud's application default file"
    told = next((name for part, name in _GCS_KINDS.items() if part in kind), None)
    return f"{told or 'application default credentials'}, from {where}"


def _skew(ask: Callable[[], Mapping[str, str]]) -> float | None:
    """Return how far the Date of an answer is ahead of the middle of asking."""
    before, started = datetime.now(UTC), time.monotonic()
    date = ask().get("date")
    took = time.monotonic() - started
    if date is None:
        return None
    # A Date is cut to whole seconds: half a second is what it lost on average.
    there = parsedate_to_datetime(date).timestamp() + 0.5
    return there - (before.timestamp() + took / 2)


def _harmless(url: str) -> str:
    """Return an endpoint without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
