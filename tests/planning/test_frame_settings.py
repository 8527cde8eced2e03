"""The variables of frames: those of the older service with its defaults, and the new ones."""

from __future__ import annotations

import pytest

from shard.errors import SettingError
from shard.planning.frame_settings import FrameSettings

NEEDED = {"ARCHIVE_API_URL": "https://archive.example", "AWS_BUCKET": "pictures"}


def _parsed(**variables: str) -> FrameSettings:
    settings = FrameSettings.parse({**NEEDED, **variables})
    assert settings is not None
    return settings


def test_without_an_archive_there_are_no_frames() -> None:
    """A bucket alone, which may be set for other reasons, asks for nothing."""
    assert FrameSettings.parse({"AWS_BUCKET": "pictures"}) is None


def test_the_defaults_are_those_of_the_older_service() -> None:
    """Keys, types, types for composites, and eight hours."""
    settings = _parsed()

    assert settings.archive == "https://archive.example/"
    assert settings.bucket == "s3://pictures"
    assert settings.rules.required == ("configuration_type", "request_id", "filename")
    assert ",".join(settings.rules.types) == (
        "ARC,BIAS,BPM,DARK,DOUBLE,EXPERIMENTAL,EXPOSE,GUIDE,LAMPFLAT,SKYFLAT,SPECTRUM,STANDARD,"
        "TARGET,TRAILED"
    )
    assert settings.rules.colour_types == ("EXPOSE", "STANDARD")
    assert settings.url_lifetime == 8 * 3600


def test_the_limits_are_the_batchs() -> None:
    """MAX_BYTES and the like mean what they mean there."""
    assert _parsed(MAX_BYTES="5MB").task.limits.max_bytes == 5_000_000


def test_a_bucket_may_be_any_stores_url() -> None:
    """A name is S3's."""
    assert _parsed(AWS_BUCKET="gs://b/previews/").bucket == "gs://b/previews"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ARCHIVE_API_URL", "archive.example", "ARCHIVE_API_URL is 'archive.example'"),
        ("ARCHIVE_API_URL", "ftp://archive.example", "ARCHIVE_API_URL is 'ftp://archive"),
        ("ARCHIVE_API_URL", "https://a.example/?x=1", "without user, query or fragment"),
        ("ARCHIVE_API_URL", "https://a.example:x/", "ARCHIVE_API_URL is 'https://a.example:x/'"),
        ("AWS_BUCKET", "", "AWS_BUCKET is not set"),
        ("AWS_BUCKET", "/etc", "AWS_BUCKET is '/etc'"),
        ("STORAGE_URL", "minio:9000", "STORAGE_URL is 'minio:9000'"),
        ("URL_LIFETIME", "8d", "URL_LIFETIME is '8d'; accepted: from 1s to 7d"),
        ("URL_LIFETIME", "0", "URL_LIFETIME is '0'"),
        ("VALID_CONFIGURATION_TYPES", " , ", "VALID_CONFIGURATION_TYPES is ' , '"),
        ("DOWNLOAD_TIMEOUT", "soon", "DOWNLOAD_TIMEOUT is 'soon'"),
        ("MAX_PIXELS", "many", "MAX_PIXELS is 'many'"),
    ],
)
def test_wrong_settings_are_named(variable: str, value: str, said: str) -> None:
    """Each by variable, value and what is accepted."""
    with pytest.raises(SettingError) as caught:
        _parsed(**{variable: value})

    assert said in str(caught.value)


def test_a_password_in_a_url_is_not_repeated() -> None:
    """Settings' errors end in logs."""
    with pytest.raises(SettingError) as caught:
        _parsed(ARCHIVE_API_URL="https://user:hunter2@archive.example/")

    assert "hunter2" not in str(caught.value)


def test_seven_days_are_the_longest() -> None:
    """As long as a SigV4 signature can hold."""
    assert _parsed(URL_LIFETIME="7d").url_lifetime == 7 * 86_400
