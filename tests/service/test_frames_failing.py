"""Frames where the bucket fails, where files fit into memory, where several processes serve."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shard.planning.frame_settings import FrameSettings
from shard.service.archive import Archive
from tests.program import shard
from tests.servers import free_ports
from tests.service.archive_double import TOKEN, fill
from tests.service.archive_double import Archive as Double
from tests.service.frames_service import frames_service

if TYPE_CHECKING:
    from pathlib import Path

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
