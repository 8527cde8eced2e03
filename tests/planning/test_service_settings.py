"""The service's own variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from shard.errors import SettingError
from shard.planning.service_settings import SERVICE_VARIABLES, ServiceSettings

_ONE = {"INPUT_FOLDER": "s3://photos/in", "OUTPUT_FOLDER": "s3://photos/out"}


def test_a_source_is_enough() -> None:
    """Source and output alone make a service, at this machine's own address."""
    settings = ServiceSettings.parse(_ONE)

    assert (settings.host, settings.port, settings.processes) == ("127.0.0.1", 8080, 1)
    assert [source.task.source.url for source in settings.sources] == ["s3://photos/in"]


def test_several_sources_share_the_rest() -> None:
    """THUMB_SOURCES names sources and outputs; renditions hold for all of them."""
    sources = "cats = s3://a/in > s3://a/out; dogs=/srv/in>gs://b/out;"
    settings = ServiceSettings.parse({"THUMB_SOURCES": sources, "RENDITIONS": "s=9x9"})

    found = [(one.name, one.task.source.url, str(one.task.output)) for one in settings.sources]
    assert found == [("cats", "s3://a/in", "s3://a/out"), ("dogs", "/srv/in", "gs://b/out")]
    assert {one.task.renditions[0].name for one in settings.sources} == {"s"}


def test_events_alone_are_a_service() -> None:
    """PROCESS_BUCKET alone is enough: markers are written, no thumbnails served."""
    settings = ServiceSettings.parse({"PROCESS_BUCKET": "gs://markers"})

    assert settings.sources == ()
    assert settings.events is not None


def test_secrets_are_not_shown() -> None:
    """The settings' own text holds no token."""
    token = "a-token-of-some-length"
    assert token not in repr(ServiceSettings.parse({**_ONE, "EVENTS_TOKEN": token}))


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "INPUT_FOLDER is not set"),
        ({"INPUT_FOLDER": "s3://a"}, "OUTPUT_FOLDER is not set"),
        ({**_ONE, "PORT": "80800"}, "PORT is '80800'"),
        ({**_ONE, "PORT": "http"}, "PORT is 'http'"),
        ({**_ONE, "PROCESSES": "0"}, "PROCESSES is '0'"),
        ({**_ONE, "REQUEST_TIMEOUT": "0"}, "REQUEST_TIMEOUT is '0'"),
        ({**_ONE, "MAX_BODY": "much"}, "MAX_BODY is 'much'"),
        ({**_ONE, "ROOT_PATH": "thumbs"}, "ROOT_PATH is 'thumbs'"),
        ({**_ONE, "ACCESS_LOG": "perhaps"}, "ACCESS_LOG is 'perhaps'"),
        ({**_ONE, "EVENTS_TOKEN": "short"}, "EVENTS_TOKEN is '...'"),
        ({**_ONE, "THUMB_SOURCES": "a=s3://x>s3://y"}, "THUMB_SOURCES is"),
        ({"THUMB_SOURCES": ";"}, "THUMB_SOURCES is ';'"),
        ({"THUMB_SOURCES": "s3://x>s3://y"}, "THUMB_SOURCES is 's3://x>s3://y'"),
        ({"THUMB_SOURCES": "a b=s3://x>s3://y"}, "THUMB_SOURCES is 'a b=s3://x>s3://y'"),
        ({"THUMB_SOURCES": "a=s3://x"}, "THUMB_SOURCES is 's3://x'"),
        ({"THUMB_SOURCES": "a=s3://x>s3://y;a=s3://z>s3://y"}, "THUMB_SOURCES is 'a=s3://z"),
    ],
    ids=range(16),
)
def test_wrong_settings_are_named(variables: dict[str, str], named: str) -> None:
    """A wrong setting's sentence begins with its name and its value."""
    with pytest.raises(SettingError) as caught:
        ServiceSettings.parse(variables)

    assert str(caught.value).startswith(named)
    assert "accepted: " in str(caught.value)


def test_the_page_lists_every_variable() -> None:
    """docs/serve.md's table is the table of variables, defaults and meanings included."""
    page = Path(__file__).parents[2] / "docs" / "serve.md"
    rows = {
        line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    }
    wanted = {
        f"| `{v.name}` | {f'`{v.default}`' if v.default else ''} | {v.help} |"
        for v in SERVICE_VARIABLES
    }

    assert wanted <= rows
