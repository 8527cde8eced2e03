"""Pages of a bucket's listing, by boto3 with a parser made for a million keys.

obstore's own listing fails as a whole at the first key it cannot express (``a//b``, control
characters) and drops slashes at the ends; boto3's spends ten times as long in its generic parser.
Here boto3 signs, sends and follows regions, and the page is read with the standard C parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from shard.model import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.storage.retry import Guard

_EVENT = "before-parse.s3.ListObjectsV2"
_EMPTY = b"<ListBucketResult/>"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: full keys with their facts, and the token of the next page, if any."""

    items: list[Item]
    token: str | None


def teach(client: Any) -> None:
    """Make ``client`` answer ListObjectsV2 with a ``Page`` under the name ``ShardPage``."""
    client.meta.events.register(_EVENT, _parse_instead)


def pages(
    client: Any, guard: Guard, bucket: str, prefix: str, start_after: str | None
) -> Iterator[Page]:
    """Yield every page below ``prefix``. A page that fails is asked for again by its own token."""
    request: dict[str, Any] = {
        "Bucket": bucket,
        "Prefix": prefix,
        "MaxKeys": _PAGE,
        "EncodingType": "url",
    }
    if start_after:
        request["StartAfter"] = start_after
    while True:
        page: Page = guard.call("", lambda: client.list_objects_v2(**request)["ShardPage"])
        yield page
        if page.token is None:
            return
        request["ContinuationToken"] = page.token


def parse(body: bytes) -> Page:
    """Return the page that a ListObjectsV2 answer holds."""
    root = ET.fromstring(body)  # noqa: S314  # a store's answer; expat >= 2.4.1 stops bombs itself
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    quoted = root.findtext(space + "EncodingType") == "url"
    names = tuple(space + name for name in ("Key", "Size", "LastModified", "ETag"))
    items = [_item(entry, names, quoted) for entry in root.iterfind(space + "Contents")]
    more = root.findtext(space + "IsTruncated") == "true"
    token = root.findtext(space + "NextContinuationToken")
    if more and not token:
        raise ConnectionError("a truncated listing without a continuation token")
    return Page(items, token if more else None)


def _item(entry: ET.Element, names: tuple[str, ...], quoted: bool) -> Item:
    facts = {child.tag: child.text or "" for child in entry}
    key, size, modified, etag = (facts.get(name, "") for name in names)
    return Item(
        key=unquote_plus(key) if quoted and ("%" in key or "+" in key) else key,
        size=int(size or 0),
        modified=_time(modified),
        fingerprint=etag.strip('"'),
    )


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _parse_instead(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Take the keys out of a good answer before boto3's parser sees them."""
    if response_dict["status_code"] == 200:  # noqa: PLR2004  # HTTP OK
        customized_response_dict["ShardPage"] = parse(response_dict["body"])
        response_dict["body"] = _EMPTY
