"""A line for each request: enough to follow it, and nothing that opens a door."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("shard.access")

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that machines ask every few seconds: told only in debug logs."""

_SECRET: Final = re.compile(
    r"sig|token|secret|passw|auth|cred|key|hmac|session|x-amz-|x-goog-", re.IGNORECASE
)
_LONGEST: Final = 512
_WELL: Final = 500


def shown(path: bytes, query: bytes) -> str:
    """Return a URL's path and query as they may be logged, still percent-encoded.

    Values of parameters whose names sound like a secret are left out.
    """
    text = path.decode("ascii", "backslashreplace")
    if query:
        parts = query.decode("ascii", "backslashreplace").split("&")
        text += "?" + "&".join(_redacted(part) for part in parts)
    text = text.replace("\r", "%0D").replace("\n", "%0A")
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _redacted(part: str) -> str:
    name, is_pair, _ = part.partition("=")
    return f"{name}=..." if is_pair and _SECRET.search(name) else part


def log(scope: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Write the line; ``facts``: method, route, status, ms, bytes and request_id."""
    status = facts["status"]
    level = logging.WARNING if status >= _WELL else logging.INFO
    if facts["route"] in QUIET:  # what is not ready is told by who looked
        level = logging.DEBUG
    if not _log.isEnabledFor(level):
        return
    client = scope.get("client")
    facts["path"] = shown(scope.get("raw_path") or b"", scope.get("query_string") or b"")
    facts["client"] = client[0] if client else None
    _log.log(
        level,
        "%s %s %s %.1f ms %s bytes %s",
        facts["method"],
        facts["path"],
        status,
        facts["ms"],
        f"{facts['bytes']:,}",
        facts["request_id"],
        extra={"facts": facts},
    )
