"""DigitalOcean Spaces by its own variables: what is missing, and what the S3 clients are told.

==================  ======================================================================
variable            meaning
==================  ======================================================================
SPACES_ACCESS_KEY   the key's id
SPACES_SECRET_KEY   its secret
SPACES_BUCKET       the Space's name
SPACES_REGION       its region's slug (nyc3, fra1, ...); not needed where the endpoint is set
SPACES_ENDPOINT     default: https://<region>.digitaloceanspaces.com
SPACES_ACL          default: public-read
==================  ======================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError, SettingsMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONSOLE: Final = "cloud.digitalocean.com"
_WHERE: Final = {
    "SPACES_ACCESS_KEY": f"{_CONSOLE}, Spaces Object Storage, Access Keys",
    "SPACES_SECRET_KEY": "shown once, when the access key is made",
    "SPACES_BUCKET": "the Space's name",
    "SPACES_REGION": "the slug in the Space's address, as nyc3 or fra1",
}
_ENDPOINT: Final = re.compile(r"https?://([a-z0-9.-]+)(:[0-9]+)?/?")
_HOST: Final = "digitaloceanspaces.com"

REMEDY: Final = (
    "check SPACES_ACCESS_KEY, SPACES_SECRET_KEY, SPACES_BUCKET and SPACES_REGION, and that this "
    "key has Read/Write/Delete on this Space (" + _WHERE["SPACES_ACCESS_KEY"] + ")"
)


@dataclass(frozen=True, slots=True)
class Spaces:
    """A Space as a destination. ``variables`` are what boto3's chain wants, the secret included."""

    url: str
    acl: str
    remedy: str
    variables: Mapping[str, str] = field(repr=False)


def spaces_from(env: Mapping[str, str]) -> Spaces:
    """Read the Space that the variables name.

    Raises ``SettingsMissing``, naming all that are missing at once, and ``SettingError``.
    """
    needed = [name for name in _WHERE if not (name == "SPACES_REGION" and _get(env, _END))]
    missing = {name: _WHERE[name] for name in needed if not _get(env, name)}
    if missing:
        raise SettingsMissing(
            "no destination: give DEST (s3://bucket, gs://bucket or a folder), or for "
            "DigitalOcean Spaces set in the environment or in .env (see .env.example)",
            missing,
        )
    bucket, region = _get(env, "SPACES_BUCKET"), _get(env, "SPACES_REGION")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,62}", bucket):
        accepted = "the Space's name alone: 3 to 63 of a-z, 0-9 and '-'"
        raise SettingError("SPACES_BUCKET", bucket, accepted)
    if region and not re.fullmatch(r"[a-z0-9-]+", region):
        raise SettingError("SPACES_REGION", region, "a region's slug, as nyc3 or fra1")
    endpoint = _get(env, _END) or f"https://{region}.{_HOST}"
    host = _host(endpoint, bucket)
    return Spaces(
        url=f"s3://{bucket}",
        acl=_get(env, "SPACES_ACL") or "public-read",
        remedy=REMEDY,
        variables={
            "AWS_ACCESS_KEY_ID": _get(env, "SPACES_ACCESS_KEY"),
            "AWS_SECRET_ACCESS_KEY": _get(env, "SPACES_SECRET_KEY"),
            "AWS_ENDPOINT_URL_S3": endpoint.rstrip("/"),
            "AWS_REGION": region or (host.partition(".")[0] if _HOST in host else "us-east-1"),
        },
    )


_END: Final = "SPACES_ENDPOINT"

OTHERS: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
)
"""Variables of another account that must not reach the clients beside those of a Space."""


def _get(env: Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip()


def _host(endpoint: str, bucket: str) -> str:
    found = _ENDPOINT.fullmatch(endpoint)
    accepted = f"an address without the Space's name, as https://nyc3.{_HOST}"
    if found is None or found[1].startswith(f"{bucket}."):
        raise SettingError(_END, endpoint, accepted)
    return found[1]
