"""Google's client and gcsfs's filesystem, with one and the same credentials."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shard.storage.base import StorageOptions

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_NO_PROJECT = "unused"
"""google-cloud-storage insists on a project, though only making buckets needs one."""


def storage_client(options: StorageOptions) -> Any:
    """Return a google-cloud-storage client whose pool fits ``options.concurrency``."""
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import storage
    from requests.adapters import HTTPAdapter

    credentials = _credentials()
    http: Any = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # no types
    for scheme in ("https://", "http://"):
        http.mount(scheme, HTTPAdapter(pool_maxsize=options.concurrency))
    return storage.Client(project=_NO_PROJECT, credentials=credentials, _http=http)


def filesystem(options: StorageOptions) -> Any:
    """Return a gcsfs filesystem that tries once: retries are ``Guard``'s."""
    core = _gcsfs()
    from aiohttp import ClientTimeout
    from google.auth.credentials import AnonymousCredentials

    class OneTry(core.GCSFileSystem):  # type: ignore[misc,name-defined]  # gcsfs has no types
        # The decorator that gcsfs puts on _request tries six times, for half a minute.
        _request = core.GCSFileSystem._request.__wrapped__  # noqa: SLF001  # no public switch

    credentials = _credentials()
    return OneTry(
        token="anon" if isinstance(credentials, AnonymousCredentials) else credentials,
        project=_NO_PROJECT,
        requests_timeout=ClientTimeout(
            sock_connect=10.0, sock_read=options.request_timeout, total=None
        ),
        use_listings_cache=False,
        skip_instance_cache=True,
    )


def signing_facts(client: Any) -> dict[str, str]:
    """Return what ``generate_signed_url`` needs beyond the client's own credentials.

    A service account's key signs by itself. The credentials of a running container have no key:
    with its e-mail and token, IAM signs (needs roles/iam.serviceAccountTokenCreator on itself).
    """
    from google.auth.credentials import Signing
    from google.auth.transport.requests import Request

    credentials: Any = client._credentials  # noqa: SLF001  # the client has no public word for them
    if isinstance(credentials, Signing) or not hasattr(credentials, "service_account_email"):
        return {}
    if not credentials.valid:
        credentials.refresh(Request())
    return {
        "service_account_email": str(credentials.service_account_email),
        "access_token": str(credentials.token),
    }


def _gcsfs() -> Any:
    # gcsfs asks every bucket over gRPC whether it is zonal, and waits a minute for that on servers
    # that speak HTTP only; it reads its switch from the environment while it is imported.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import gcsfs.core

    return gcsfs.core


def _credentials() -> Any:
    """Return application default credentials; anonymous ones for an emulator or without any."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    if not _gcsfs().GCSFileSystem(token="anon", skip_instance_cache=True).on_google:  # noqa: S106  # a mode
        return AnonymousCredentials()  # type: ignore[no-untyped-call]  # no types
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except DefaultCredentialsError:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]  # no types
    return credentials
