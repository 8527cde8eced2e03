"""Pages of a bucket's listing, by boto3 with a parser made for a million keys.

obstore's own listing fails as a whole at the first key it cannot express (``a//b``, control
characters) and drops slashes at the ends; boto3's spends ten times as long in its generic parser.
Here boto3 signs, sends and follows regions, and the page is read with the standard C parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET  # nosec B405  # see parse

from shard.model import Item
from shard.storage.s3_facts import etag_md5

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.storage.retry import Guard

_EVENT = "before-parse.s3.ListObjectsV2"
_EMPTY = b"<ListBucketResult/>"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which keys, below the root: how they begin, and which they come after.

    ``one_level``: of what lies deeper only the folders.
    """

    prefix: str
    start_after: str | None = None
    one_level: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: items and folders below the root, and the token of the next page, if any."""

    items: list[Item]
    token: str | None
    folders: list[str]


def teach(client: Any) -> None:
    """Make ``client`` answer ListObjectsV2 with the body as it came, under ``ShardBody``."""
    client.meta.events.register(_EVENT, _parse_instead)


def pages(client: Any, guard: Guard, folder: tuple[str, str], wanted: Wanted) -> Iterator[Page]:
    """Yield every page of ``folder`` (bucket, root).

    A page that fails is asked for again by its own token, so that whatever order the server lists
    in, nothing is lost or doubled.
    """
    bucket, root = folder
    request: dict[str, Any] = {
        "Bucket": bucket,
        "Prefix": root + wanted.prefix,
        "MaxKeys": _PAGE,
        "EncodingType": "url",
    }
    if wanted.start_after:
        request["StartAfter"] = root + wanted.start_after
    if wanted.one_level:
        request["Delimiter"] = "/"

    def ask() -> Page:
        return parse(client.list_objects_v2(**request)["ShardBody"], len(root))

    while True:
        page = guard.call("", ask)
        yield page
        if page.token is None:
            return
        request["ContinuationToken"] = page.token


def parse(body: bytes, cut: int) -> Page:
    """Return the page that a ListObjectsV2 answer holds, its keys without ``cut`` characters.

    Raises ``ConnectionError``, which is transient, if the answer is not whole.
    """
    try:
        root = ET.fromstring(body)  # noqa: S314  # nosec B314  # expat itself stops entity bombs since 2.4.1
    except ET.ParseError as error:
        raise ConnectionError("a listing that is not well-formed") from error
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    quoted = root.findtext(space + "EncodingType") == "url"
    names = tuple(space + name for name in ("Key", "Size", "LastModified", "ETag"))
    items = [_item(entry, names, quoted, cut) for entry in root.iterfind(space + "Contents")]
    prefixes = root.iterfind(f"{space}CommonPrefixes/{space}Prefix")
    folders = [_plain(entry.text or "", quoted)[cut:] for entry in prefixes]
    more = root.findtext(space + "IsTruncated") == "true"
    token = root.findtext(space + "NextContinuationToken")
    if more and not token:
        raise ConnectionError("a truncated listing without a continuation token")
    return Page(items, token if more else None, folders)


def _item(entry: ET.Element, names: tuple[str, ...], quoted: bool, cut: int) -> Item:
    facts = {child.tag: child.text or "" for child in entry}
    key, size, modified, etag = (facts.get(name, "") for name in names)
    key = _plain(key, quoted)
    etag = etag.strip('"')
    return Item(key[cut:], int(size or 0), _time(modified), etag, md5=etag_md5(etag))


def _plain(key: str, quoted: bool) -> str:
    return unquote_plus(key) if quoted and ("%" in key or "+" in key) else key


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _parse_instead(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Take the body of a good answer away before boto3's parser sees it."""
    if response_dict["status_code"] == 200:  # noqa: PLR2004  # HTTP OK
        customized_response_dict["ShardBody"] = response_dict["body"]
        response_dict["body"] = _EMPTY
