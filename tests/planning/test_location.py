"""Locations: parsing, nesting and the default output."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shard.errors import SettingError
from shard.planning.location import (
    Location,
    below,
    default_output,
    output_base,
    parse_location,
    run_stamp,
)

NINE = datetime(2026, 11, 21, 9, 5, 59, tzinfo=UTC)


def at(text: str) -> Location:
    """Parse a location of a test."""
    return parse_location(text, "INPUT_FOLDER")


@pytest.mark.parametrize(
    ("text", "scheme", "bucket", "prefix", "url"),
    [
        ("gs://b/cats/", "gs", "b", "cats", "gs://b/cats"),
        ("gcs://b", "gs", "b", "", "gs://b"),
        ("GS://b/", "gs", "b", "", "gs://b"),
        ("s3a://b/x//y", "s3", "b", "x//y", "s3://b/x//y"),
        ("s3://b//x", "s3", "b", "/x", "s3://b//x"),
        ("s3://b/what?/me@home:1", "s3", "b", "what?/me@home:1", "s3://b/what?/me@home:1"),
        ("file:///data/in/", "file", "", "/data/in", "/data/in"),
        ("data/in//", "file", "", "data/in", "data/in"),
        ("/", "file", "", "/", "/"),
        ("file:///", "file", "", "/", "/"),
        ("~/x", "file", "", "~/x", "~/x"),
        ("../a b", "file", "", "../a b", "../a b"),
        ("memory://t/in", "memory", "t", "in", "memory://t/in"),
        ("hdfs:///in", "hdfs", "", "in", "hdfs:///in"),
        ("sftp://host:22/in", "sftp", "host:22", "in", "sftp://host:22/in"),
        ("abfs://c@acc.host/in", "abfs", "c@acc.host", "in", "abfs://c@acc.host/in"),
    ],
)
def test_parsed(text: str, scheme: str, bucket: str, prefix: str, url: str) -> None:
    """A location has one canonical form, which reads back as itself."""
    location = at(text)

    assert location == Location(scheme, bucket, prefix)
    assert location.url == url
    assert at(location.url) == location


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:sesame@b/x",
        "s3://AKIA:sesame/with/slash@b/x",
        "gs://sesame@b/x",
        "https://me:sesame@host/x",
        "https://sesame@host/x",
        "ftp://me:sesame/x@host/",
        "https://host/x?X-Amz-Signature=sesame",
        "s3://b/x?token=sesame&a=b",
    ],
)
def test_secrets_are_refused_and_not_repeated(text: str) -> None:
    """A URL that carries credentials is refused, and the error does not show them."""
    with pytest.raises(SettingError, match="INPUT_FOLDER") as raised:
        at(text)

    assert "sesame" not in str(raised.value)
    assert "AKIA" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    ["", "s3://", "s3:/b", "gs:b/x", "gs:///x", "file://", "s3://b/a/../c", "gs://b/.", "a\0"],
)
def test_refused(text: str) -> None:
    """A location without a bucket, or with segments that would climb, is refused by name."""
    with pytest.raises(SettingError, match="INPUT_FOLDER"):
        at(text)


@pytest.mark.parametrize(
    ("outer", "inner", "answer"),
    [
        ("gs://b", "gs://b/a/t", "a/t"),
        ("gs://b/a", "gs://b/a/t", "t"),
        ("gs://b/a", "gs://b/a/", ""),
        ("gs://b/a", "gs://b/ab", None),
        ("gs://b/a/t", "gs://b/a", None),
        ("gs://b/a", "s3://b/a/t", None),
        ("gs://b/a", "gs://c/a/t", None),
        ("/data", "/data/out", "out"),
        ("/data", "/database", None),
        ("/", "/data/out", "data/out"),
        ("/data", "gs://b/data", None),
    ],
)
def test_below(outer: str, inner: str, answer: str | None) -> None:
    """A location is below another by whole segments of one bucket."""
    assert below(at(outer), at(inner)) == answer


@pytest.mark.parametrize(
    ("start", "url"),
    [
        ("gs://b", "gs://b/x/y"),
        ("gs://b/a", "gs://b/a/x/y"),
        ("/", "/x/y"),
        ("/d", "/d/x/y"),
        ("d", "d/x/y"),
    ],
)
def test_join(start: str, url: str) -> None:
    """Joining goes down, whatever the store; empty parts do not count."""
    assert at(start).join("x", "", "y").url == url


def test_run_stamp_is_utc() -> None:
    """A run's stamp is in UTC and cut to the minute, wherever the task runs."""
    tokyo = NINE.astimezone(timezone(timedelta(hours=9)))

    assert run_stamp(tokyo) == run_stamp(NINE) == "20261121T0905Z"


@pytest.mark.parametrize(
    ("source", "bucket", "url"),
    [
        ("gs://b/cats", None, "gs://b/20261121T0905Z"),
        ("s3://b", "", "s3://b/20261121T0905Z"),
        ("s3://b/x", "other", "s3://other/20261121T0905Z"),
        ("s3://b/x", "gs://other/", "gs://other/20261121T0905Z"),
        ("memory://b/x", None, "memory://b/20261121T0905Z"),
    ],
)
def test_default_output(source: str, bucket: str | None, url: str) -> None:
    """By default the output is a folder named by the run's time at the bucket's root."""
    assert default_output(at(source), NINE, bucket).url == url


@pytest.mark.parametrize("source", ["/data/in", "data", "sftp://host/in", "hdfs:///in"])
def test_output_is_required_without_a_bucket(source: str) -> None:
    """A source without a bucket has no default output."""
    with pytest.raises(SettingError, match="OUTPUT_FOLDER is not set") as raised:
        default_output(at(source), NINE, None)

    assert "required" in raised.value.accepted


@pytest.mark.parametrize("bucket", ["b/prefix", "gs://b/prefix", "/data", "file:///data", "gs://"])
def test_output_bucket_is_only_a_bucket(bucket: str) -> None:
    """OUTPUT_BUCKET with a prefix, or without a bucket, is refused."""
    with pytest.raises(SettingError, match="OUTPUT_BUCKET"):
        default_output(at("gs://a/x"), NINE, bucket)


@pytest.mark.parametrize(
    ("source", "output", "bucket", "url"),
    [
        ("gs://b/cats", "s3://o/p", None, "s3://o/p"),
        ("/data", "/out", None, "/out"),
        ("gs://b/cats", None, None, "gs://b"),
        ("gs://b/cats", None, "other", "gs://other"),
    ],
)
def test_output_base(source: str, output: str | None, bucket: str | None, url: str) -> None:
    """A run's state lies in OUTPUT_FOLDER, or at the root of the default output's bucket."""
    given = None if output is None else at(output)

    assert output_base(at(source), given, bucket).url == url
