"""Frames where the bucket fails, where files fit into memory, where several processes serve."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shard.planning.frame_settings import FrameSettings
from shard.service.archive import Archive
from shard.service.refusal import Refusal
from tests.program import shard
from tests.servers import free_ports
from tests.service.archive_double import TOKEN, fill
from tests.service.archive_double import Archive as Double
from tests.service.frames_service import frames_service
from tests.service.running import running
from tests.service.service_client import service

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.servers import S3Server

pytestmark = pytest.mark.xdist_group("frames")


def test_a_storage_error_is_never_taken_for_absent(seaweed: S3Server, tmp_path: Path) -> None:
    """Where the bucket cannot be asked, nothing is fetched or made; the answer is JSON."""
    (closed,) = free_ports(1)
    broken = {"STORAGE_URL": f"http://127.0.0.1:{closed}", "RETRY_BUDGET": "0.2"}
    with frames_service(seaweed, tmp_path, broken) as frames:
        answers = [frames.get(path) for path in ("/2/", "/2/?image=inline", "/2/?color=true")]
        ready = frames.get("/readyz")

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert {answer.json()["reason"] for answer in answers} == {"unavailable"}
    assert frames.archive.fetched == []
    assert ready.status_code == 503
    assert "frames bucket" in ready.json()["message"]


def test_what_may_not_be_written_is_said(seaweed: S3Server, tmp_path: Path) -> None:
    """Credentials that only read: a reason, and no picture promised."""
    with frames_service(seaweed, tmp_path, dict(seaweed.readonly_env)) as frames:
        answer = frames.get("/2/")

    assert (answer.status_code, answer.json()["reason"]) == (502, "access_denied")


def test_two_processes_make_one_object(seaweed: S3Server, tmp_path: Path) -> None:
    """Both may make the picture; what is there is whole, and both serve it."""
    with frames_service(seaweed, tmp_path, {"PROCESSES": "2"}) as frames:
        paths = [f"/2/?width={60 + number % 2}&image=inline" for number in range(16)]
        with ThreadPoolExecutor(16) as at_once:
            answers = list(at_once.map(frames.get, paths))
        listed = seaweed.client().list_objects_v2(Bucket=frames.bucket)["Contents"]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 2
    assert len(listed) == 2


def test_leftovers_of_dead_servers_are_swept_and_only_ours(
    seaweed: S3Server, tmp_path: Path
) -> None:
    """At the start; files in memory leave nothing."""
    temporary = tmp_path / "tmp"
    for name in ("shard-frames-dead", "shard-other-dead", "somebody"):
        (temporary / name).mkdir(parents=True)
        (temporary / name / ".lock").touch()
    with frames_service(seaweed, tmp_path) as frames:
        frames.get("/2/")
        inside = {path.name.partition("-dead")[0] for path in temporary.iterdir()}
        (ours,) = temporary.glob("shard-frames-*")
        files = [path.name for path in ours.iterdir()]

    assert {"shard-other", "somebody"} < inside
    assert "shard-frames" not in inside
    assert files == [".lock"]
    assert not ours.exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ARCHIVE_API_URL": "https://archive.example/"}, "AWS_BUCKET is not set"),
        (
            {"ARCHIVE_API_URL": "archive", "AWS_BUCKET": "pictures"},
            "ARCHIVE_API_URL is 'archive'; accepted: a URL",
        ),
        (
            {
                "ARCHIVE_API_URL": "https://archive.example/",
                "AWS_BUCKET": "pictures",
                "TMP_DIR": "/no/such/folder",
            },
            "TMP_DIR is '/no/such/folder'; accepted: a folder that may be written to",
        ),
        (
            {
                "ARCHIVE_API_URL": "https://archive.example/",
                "AWS_BUCKET": "pictures",
                "URL_LIFETIME": "30d",
            },
            "URL_LIFETIME is '30d'; accepted: from 1s to 7d, as 8h",
        ),
    ],
)
def test_wrong_settings_end_the_start(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    """In one sentence, with exit code 2."""
    ended = shard("serve", "--port", "0", variables=variables, cwd=tmp_path)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_an_archive_the_variable_is_named(tmp_path: Path) -> None:
    """A frame is asked of a service of thumbnails alone: 404, and what to set."""

    async def asked() -> httpx.Response:
        async with service(tmp_path, {"AWS_BUCKET": "pictures"}) as client:
            return await client.get("/2/")

    answer = asyncio.run(asked())

    assert (answer.status_code, answer.json()["reason"]) == (404, "not_configured")
    assert answer.json()["message"].endswith("ARCHIVE_API_URL is not set")


def test_answers_of_the_archive_are_kept_for_the_same_credentials_only() -> None:
    """Within ARCHIVE_CACHE_SECONDS; what one caller may see says nothing of another."""
    double = fill(Double().start())
    settings = FrameSettings.parse(
        {"ARCHIVE_API_URL": double.url, "AWS_BUCKET": "b-1", "ARCHIVE_CACHE_SECONDS": "60"}
    )

    async def ask() -> list[int]:
        assert settings is not None
        archive = Archive(settings)
        for authorization in (None, None, TOKEN, TOKEN, "other"):
            await archive.frame(2, authorization)
        await archive.close()
        return [len(double.asked)]

    asked = asyncio.run(ask())
    double.close()

    assert asked == [3]


def _archive_of(double: Double) -> Archive:
    settings = FrameSettings.parse(
        {"ARCHIVE_API_URL": double.url, "AWS_BUCKET": "b-1", "ARCHIVE_CACHE_SECONDS": "60"}
    )
    assert settings is not None
    return Archive(settings)


def test_a_next_page_that_is_no_url_is_the_archive_s_failure() -> None:
    """As every other answer that no archive should give."""
    double = Double().start()
    double.fault = "bad_next"

    async def ask() -> None:
        await _archive_of(double).frames_of("1", None)

    with pytest.raises(Refusal) as refused:
        asyncio.run(ask())
    double.close()

    assert (refused.value.status, refused.value.reason) == (502, "archive")


def test_answers_of_the_archive_are_kept_as_far_as_memory_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest are let go."""
    monkeypatch.setattr("shard.service.archive._REMEMBERED", 5_000)
    double = fill(Double().start())

    async def ask() -> None:
        archive = _archive_of(double)
        for number in (1, 2, 3, 4, 5, 6, 7, 8, 8, 1):
            with contextlib.suppress(Refusal):
                await archive.frame(number, TOKEN)

    asyncio.run(ask())
    double.close()

    assert [one.path for one in double.asked[-2:]] == ["/frames/8/", "/frames/1/"]


def test_a_bucket_that_is_a_folder_has_no_urls(tmp_path: Path) -> None:
    """Nobody is told where files lie on this machine; the picture itself is to be had."""
    double = fill(Double().start())
    variables = {"ARCHIVE_API_URL": double.url, "AWS_BUCKET": f"file://{tmp_path}/pictures"}
    with running(variables={**variables, "WORKERS": "1"}) as service:
        refused = [service.get("/2/"), service.get("/2/?image=true")]
        inline = service.get("/2/?image=inline")
        thumb = service.get("/thumb/small/a.jpg")
    double.close()

    assert {(one.status_code, one.json()["reason"]) for one in refused} == {(400, "no_urls")}
    assert str(tmp_path) not in refused[0].text
    assert inline.headers["content-type"] == "image/jpeg"
    assert (thumb.status_code, thumb.json()["reason"]) == (404, "not_configured")
    assert "INPUT_FOLDER" in thumb.json()["message"]


def test_who_goes_away_takes_no_place(seaweed: S3Server, tmp_path: Path) -> None:
    """Frames that nobody waits for any more are not made, however slow the files are."""
    with frames_service(seaweed, tmp_path) as frames:
        frames.get("/2/")
        frames.archive.file_fault, frames.archive.patience = "slow", 1.0
        host, _, port = frames.url.removeprefix("http://").partition(":")
        for number in range(30):
            with socket.create_connection((host, int(port))) as line:
                line.sendall(f"GET /2/?width={number + 1} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                time.sleep(0.05)  # it is read, and then nobody is there any more
        frames.archive.file_fault = ""
        answer = frames.get("/3/")

    assert answer.status_code == 200
    assert len(frames.archive.fetched) < 20
