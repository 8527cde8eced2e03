"""The flags by which the commands around manifests name a store, and who wins among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shard.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shard.manifest import Header

    Function = Callable[..., Any]

# Who wins comes first.
_ENDPOINTS = ("S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
SECRETS = ("s3_access_key", "s3_secret_key")
"""Parameters whose values are never shown."""

_OPTIONS = (
    ("--local-root", "FOLDER", "a local folder that holds the files"),
    ("--local-prefix", "PREFIX", "the folder in it that holds the collections, as attachments"),
    ("--s3-endpoint", "URL", "of a store that is not Amazon's  [S3_ENDPOINT]"),
    ("--s3-bucket", "NAME", "the bucket  [S3_BUCKET]"),
    ("--s3-prefix", "PREFIX", "the folder in it that holds the collections  [S3_PREFIX]"),
    ("--s3-access-key", "KEY", "better set as a variable  [S3_ACCESS_KEY]"),
    ("--s3-secret-key", "KEY", "better set as a variable  [S3_SECRET_KEY]"),
)


def store_options(function: Function) -> Function:
    """Decorate a command with the flags."""
    for flag, metavar, text in reversed(_OPTIONS):
        function = click.option(flag, metavar=metavar, help=text)(function)
    return function


def sdk_variables(flags: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which the SDKs get endpoint and keys, as far as they are given.

    A flag wins over S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY, these over AWS_*. Raises
    ``SettingError`` for one key without the other.
    """

    def said(name: str) -> str | None:
        return flags.get(name) or env.get(name.upper()) or None

    access, secret = said("s3_access_key"), said("s3_secret_key")
    if (access is None) != (secret is None):
        missing = "S3_SECRET_KEY" if secret is None else "S3_ACCESS_KEY"
        raise SettingError(missing, None, "both S3_ACCESS_KEY and S3_SECRET_KEY, or neither")
    found: dict[str, str] = {}
    if endpoint := said("s3_endpoint"):
        found |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_S3": ""}  # the latter would win
    if access and secret:
        found |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        found["AWS_SESSION_TOKEN"] = ""  # another key's
    return found


def manifest_variables(header: Header, env: Mapping[str, str]) -> dict[str, str]:
    """Return the endpoint as the SDKs get it: a manifest's, where the environment says none."""
    told = any(env.get(name) for name in _ENDPOINTS)
    return {} if told or not header.s3_endpoint else {"AWS_ENDPOINT_URL": header.s3_endpoint}


def endpoint(flags: Mapping[str, Any], env: Mapping[str, str]) -> str | None:
    """Return the S3 endpoint that holds: the flag's, else a variable's."""
    said = (flags.get("s3_endpoint"), *(env.get(name) for name in _ENDPOINTS))
    return next((text for text in said if text), None)
