"""The parser of S3's listing pages, on answers that servers differ in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shard.storage.s3_listing import parse

ENTRY = (
    "<Contents><Key>{}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
    "<ETag>&quot;abc&quot;</ETag><Size>12</Size></Contents>"
)
XMLNS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def page(inside: str, space: str = XMLNS) -> bytes:
    """Return a ListObjectsV2 answer."""
    return f"<ListBucketResult{space}>{inside}</ListBucketResult>".encode()


@pytest.mark.parametrize("space", ["", XMLNS])
def test_an_entry_becomes_an_item(space: str) -> None:
    """Key, size, time and ETag are read, with or without S3's XML namespace."""
    (item,) = parse(page(ENTRY.format("in/a.jpg"), space), len("in/")).items

    assert (item.key, item.size, item.fingerprint) == ("a.jpg", 12, "abc")
    assert item.modified == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_keys_are_decoded_only_where_the_server_encoded_them() -> None:
    """A server that ignores ``encoding-type`` says no EncodingType: its keys are as they are."""
    plain = parse(page(ENTRY.format("a+b%20c")), 0)
    encoded = parse(page("<EncodingType>url</EncodingType>" + ENTRY.format("a+b%2Bc%0A")), 0)

    assert [item.key for item in plain.items] == ["a+b%20c"]
    assert [item.key for item in encoded.items] == ["a b+c\n"]


def test_the_token_counts_only_where_more_follows() -> None:
    """The last page has no token, whatever a server writes into it."""
    token = "<NextContinuationToken>t</NextContinuationToken>"

    assert parse(page("<IsTruncated>true</IsTruncated>" + token), 0).token == "t"
    assert parse(page("<IsTruncated>false</IsTruncated>" + token), 0).token is None


@pytest.mark.parametrize("body", [page("<IsTruncated>true</IsTruncated>"), page("")[:-5], b""])
def test_half_an_answer_is_never_the_end(body: bytes) -> None:
    """A cut answer, and "more" without a token, are errors worth a retry, not short listings."""
    with pytest.raises(ConnectionError):
        parse(body, 0)
