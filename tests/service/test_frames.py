"""Pictures of frames, asked of a real service with a real bucket and a real, small archive."""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image

from shard.planning.frames import PARAMETERS
from tests.service.archive_double import TOKEN
from tests.service.frames_service import FramesService, frames_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import S3Server

pytestmark = pytest.mark.xdist_group("frames")


@pytest.fixture(scope="module")
def running(seaweed: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FramesService]:
    """One service for all tests here; every file is larger than what stays in memory."""
    folder = tmp_path_factory.mktemp("frames")
    with frames_service(seaweed, folder, {"DOWNLOAD_MEMORY": "1kB", "MAX_BYTES": "2MB"}) as service:
        yield service


@pytest.fixture(scope="module")
def waiting_little(
    seaweed: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FramesService]:
    """One service that soon has had enough."""
    folder = tmp_path_factory.mktemp("hasty")
    hasty = {"ARCHIVE_TIMEOUT": "0.5", "DOWNLOAD_TIMEOUT": "0.5"}
    with frames_service(seaweed, folder, hasty) as service:
        yield service


@pytest.fixture
def hasty(waiting_little: FramesService) -> FramesService:
    """Give the impatient service, its archive calm."""
    waiting_little.calm()
    return waiting_little


@pytest.fixture
def frames(running: FramesService) -> FramesService:
    """Give the service, its archive calm."""
    running.calm()
    return running


def _picture(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_url_and_the_proposal_are_answered(frames: FramesService) -> None:
    """The presigned URL reads the picture without credentials."""
    answer = frames.get("/2/?width=100&height=100")
    fetched = httpx.get(answer.json()["url"])

    assert answer.status_code == 200
    assert answer.json()["propid"] == "TST2026A-001"
    assert set(answer.json()) == {"url", "propid"}
    assert fetched.headers["content-type"] == "image/jpeg"
    assert _picture(fetched.content).size == (100, 67)
    assert "X-Amz-Expires=28800" in answer.json()["url"]


def test_a_frame_is_found_by_its_name(frames: FramesService) -> None:
    """Both endpoints, with and without the last slash, lead to one object."""
    names = ("/3/", "/3", "/tst1m0-fa01-20260321-0003-e91/", "/tst1m0-fa01-20260321-0003-e91")
    urls = {frames.get(name).json()["url"].partition("?")[0] for name in names}

    assert len(urls) == 1


def test_image_redirects_to_the_picture(frames: FramesService) -> None:
    """302, followed to a picture."""
    answer = frames.get("/2/?image=True")

    assert answer.status_code == 302
    assert _picture(httpx.get(answer.headers["location"]).content).size == (200, 133)


def test_inline_answers_the_bytes_of_the_bucket(frames: FramesService) -> None:
    """The bytes are those behind the URL; a second request with the ETag gets 304."""
    answer = frames.get("/2/?image=inline")
    behind = httpx.get(frames.get("/2/").json()["url"])
    again = frames.get("/2/?image=inline", **{"If-None-Match": answer.headers["etag"]})

    assert answer.content == behind.content
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["vary"] == "Authorization"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]


def test_a_picture_is_made_once(frames: FramesService) -> None:
    """The second request asks the archive, and fetches no file."""
    frames.get("/2/?width=91")
    fetched = len(frames.archive.fetched)
    frames.get("/2/?width=91")

    assert fetched == 1
    assert len(frames.archive.fetched) == 1
    assert len(frames.archive.asked) == 2


def test_many_at_once_make_a_picture_once(frames: FramesService) -> None:
    """Thirty requests for three pictures fetch three files."""
    paths = [f"/2/?width={92 + number % 3}&image=inline" for number in range(30)]
    with ThreadPoolExecutor(30) as at_once:
        answers = list(at_once.map(frames.get, paths))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 3
    assert len(frames.archive.fetched) == 3


def test_a_composite_is_aligned_and_coloured(frames: FramesService) -> None:
    """Three frames that are shifted against each other become one: its brightest star is white."""
    answer = frames.get("/2/?color=true&width=360&height=360")
    inline = frames.get("/2/?color=1&width=360&height=360&image=inline")
    image = _picture(inline.content)
    at = (image.width // 2, image.height // 2)
    centre = image.getpixel(at)

    assert answer.json()["aligned"] is True
    assert answer.json()["alignment"] == "wcs"
    assert inline.headers["x-shard-aligned"] == "wcs"
    assert image.mode == "RGB"
    assert centre == pytest.approx((255, 255, 255), abs=55)


def test_an_unaligned_composite_says_so_also_from_the_bucket(frames: FramesService) -> None:
    """Whether it was made just now or long ago."""
    first, second = (frames.get("/21/?color=true").json() for _ in range(2))

    assert first["aligned"] is False
    assert first["alignment"] is None
    assert first["notes"]
    assert second["notes"] == first["notes"]
    assert frames.get("/21/?color=true&image=inline").headers["x-shard-aligned"] == "no"


def test_a_label_is_drawn(frames: FramesService) -> None:
    """The lower left corner is another with a label."""
    plain = _picture(frames.get("/2/?image=inline").content)
    labelled = _picture(frames.get("/2/?image=inline&label=M%2051").content)
    corner = (0, plain.height - 25, 60, plain.height)

    assert plain.crop(corner).tobytes() != labelled.crop(corner).tobytes()
    assert max(labelled.crop(corner).tobytes()) > 240


def test_median_and_percentile_change_the_picture(frames: FramesService) -> None:
    """And percentile alone does not."""
    plain, percentile, median = (
        frames.get(f"/2/?image=inline{more}").content
        for more in ("", "&percentile=90", "&median=true&percentile=90")
    )

    assert plain == percentile
    assert plain != median


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/2/?width=abc", 400, "bad_parameter"),
        ("/2/?width=99999", 400, "bad_parameter"),
        ("/2/?color=perhaps", 400, "bad_parameter"),
        ("/2/?colour=true", 400, "bad_parameter"),
        ("/2/?width=1&width=2", 400, "bad_parameter"),
        ("/2/?hdu=7", 400, "not_fits"),
        ("/4/?color=true", 400, "no_request"),
        ("/6/", 400, "configuration_type"),
        ("/7/?color=true", 400, "configuration_type"),
        ("/8/", 400, "not_fits"),
        ("/9/", 400, "not_fits"),
        ("/10/", 400, "missing_keys"),
        ("/9/?color=true", 404, "no_colour_frames"),
        ("/5/", 404, "not_found"),
        ("/404/", 404, "not_found"),
        ("/no-such-frame/", 404, "not_found"),
        ("/%2e%2e%5c/", 404, "not_found"),
        ("/11/", 422, "truncated"),
        ("/12/", 502, "archive"),
        ("/13/", 502, "download_failed"),
    ],
)
def test_errors_are_json_with_a_reason(
    frames: FramesService, path: str, status: int, reason: str
) -> None:
    """Each with its status, a word and a sentence."""
    answer = frames.get(path)

    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.json()["message"]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("500", 502, "archive"),
        ("503", 502, "archive"),
        ("400", 502, "archive"),
        ("401", 401, "unauthorized"),
        ("403", 403, "forbidden"),
        ("429", 429, "archive_busy"),
        ("html", 502, "archive"),
        ("half_json", 502, "archive"),
        ("list", 502, "archive"),
        ("no_results", 502, "archive"),
        ("null", 502, "archive"),
        ("deep", 502, "archive"),
        ("reset", 502, "archive"),
        ("half", 502, "archive"),
        ("flood", 502, "archive"),
        ("not_gzip", 502, "archive"),
        ("half_a_letter", 502, "archive"),
        ("loop", 502, "archive"),
        ("to_file_scheme", 502, "archive"),
    ],
)
@pytest.mark.parametrize("path", ["/2/", "/tst1m0-fa01-20260321-0002-e91/"])
def test_the_archive_may_fail_in_every_way(
    frames: FramesService, path: str, fault: str, status: int, reason: str
) -> None:
    """What failed is told; nothing is served that is in the bucket."""
    frames.archive.fault = fault
    answer = frames.get(path)

    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("500", 502, "download_failed"),
        ("403", 502, "download_failed"),
        ("reset", 502, "download_failed"),
        ("half", 502, "download_failed"),
        ("loop", 502, "download_failed"),
        ("to_file_scheme", 502, "download_failed"),
        ("flood", 413, "too_many_bytes"),
        ("html", 400, "not_fits"),
    ],
)
def test_the_files_server_may_fail_in_every_way(
    frames: FramesService, fault: str, status: int, reason: str
) -> None:
    """And the same request succeeds once it works, unless the fault lay in the file."""
    frames.archive.file_fault = fault
    path = f"/2/?label={fault}"
    answer = frames.get(path)
    frames.calm()
    again = frames.get(path)

    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert again.status_code == (status if reason in ("too_many_bytes", "not_fits") else 200)
    assert "secret" not in answer.text


@pytest.mark.parametrize("fault", ["slow", "trickle", "headers"])
def test_who_is_too_slow_is_not_waited_for(hasty: FramesService, fault: str) -> None:
    """Neither the archive nor the files, also where a byte comes now and then."""
    hasty.archive.fault = fault
    asked = hasty.get("/2/")
    named = hasty.get("/tst1m0-fa01-20260321-0002-e91/")
    hasty.calm()
    hasty.archive.file_fault = fault
    fetched = hasty.get("/2/")

    for answer in (asked, named):
        assert (answer.status_code, answer.json()["reason"]) == (504, "archive_timeout")
    assert (fetched.status_code, fetched.json()["reason"]) == (504, "download_timeout")


@pytest.mark.parametrize("fault", ["reset", "half"])
def test_a_broken_connection_is_tried_once_more(frames: FramesService, fault: str) -> None:
    """To the archive and to the files."""
    frames.archive.fault = frames.archive.file_fault = fault
    frames.archive.countdown = 1
    answered = frames.get(f"/2/?label=once-{fault}")
    frames.archive.fault, frames.archive.countdown = "", 1

    assert answered.status_code == 200
    assert frames.get(f"/2/?label=twice-{fault}").status_code == 200


def test_what_the_archive_wants_of_the_caller_is_passed_on(frames: FramesService) -> None:
    """Which credentials, and how long to wait."""
    frames.archive.fault = "401"
    wanted = frames.get("/2/").headers["www-authenticate"]
    frames.archive.fault = "429"

    assert wanted == "Token"
    assert frames.get("/2/").headers["retry-after"] == "7"


def test_credentials_go_to_the_archive_and_nowhere_else(frames: FramesService) -> None:
    """Not to the files, not to where a redirect leads, not into the log."""
    made = frames.get("/5/?width=77", Authorization=TOKEN)
    asked, fetched = list(frames.archive.asked), list(frames.archive.fetched)
    frames.archive.fault = "elsewhere"
    frames.get("/5/", Authorization=TOKEN)

    assert made.status_code == 200
    assert [one.headers.get("authorization") for one in asked] == [TOKEN]
    assert len(fetched) == 1
    for one in frames.archive.fetched:
        assert "authorization" not in {name.lower() for name in one.headers}
        assert TOKEN not in json.dumps(one.headers)
    assert TOKEN not in frames.log.read_text()


@pytest.mark.parametrize("said", [b"Token \xe9\xff", b"Token x\ty", b"", b"x" * 30_000])
def test_odd_credentials_are_the_archive_s_to_judge(frames: FramesService, said: bytes) -> None:
    """They are passed on as they came."""
    headers = {b"Authorization": said}
    answer = frames.client.get(f"{frames.url}/2/?width=79", headers=headers)

    assert answer.status_code == 200
    (asked,) = frames.archive.asked
    assert asked.headers.get("authorization", "").encode("latin-1") == said.strip(b" \t")


def test_failures_are_counted_by_reason(frames: FramesService) -> None:
    """Whoever is to blame: the request, the frame, the archive, its files."""

    def counted() -> dict[str, float]:
        found = re.findall(
            r'^shard_failures_total\{kind="frame",reason="(\w+)"\} (\S+)$',
            frames.get("/metrics").text,
            re.MULTILINE,
        )
        return {reason: float(number) for reason, number in found}

    before = counted()
    for path in ("/2/?width=x", "/6/", "/404/", "/12/", "/13/?width=31", "/9/?width=31"):
        frames.get(path)
    frames.get("/9/?width=31")
    more = {reason: number - before.get(reason, 0) for reason, number in counted().items()}

    assert {reason: number for reason, number in more.items() if number} == {
        "bad_parameter": 1,
        "configuration_type": 1,
        "not_found": 1,
        "archive": 1,
        "download_failed": 1,
        "not_fits": 2,
    }


def test_a_private_frame_does_not_leak_from_the_bucket(frames: FramesService) -> None:
    """Whoever asks, the archive is asked whether it shows the frame; the bucket has it already."""
    path = "/5/?width=78&image=inline"
    owner = frames.get(path, Authorization=TOKEN)
    strangers = [frames.get(path), frames.get(path, Authorization="Token guessed")]

    assert owner.status_code == 200
    assert owner.headers["cache-control"] == "private, no-cache"
    assert [one.status_code for one in strangers] == [404, 404]


def test_cookies_of_the_archive_are_not_kept(frames: FramesService) -> None:
    """A session that one caller was given is not sent for the next."""
    frames.archive.fault, frames.archive.countdown = "cookie", 1
    frames.get("/404/", Authorization=TOKEN)
    frames.get("/2/")

    assert len(frames.archive.asked) == 2
    assert "cookie" not in {name.lower() for name in frames.archive.asked[1].headers}


def test_composites_need_every_frame_to_be_shown(frames: FramesService) -> None:
    """A frame of the request that is not shown to the caller is no part of what they get."""
    frames.get("/2/?color=true", Authorization=TOKEN)
    frames.archive.private.add(3)
    try:
        stranger = frames.get("/2/?color=true")
    finally:
        frames.archive.private.discard(3)

    assert stranger.status_code == 404
    assert "blue (B)" in stranger.json()["message"]


def test_nothing_is_left_in_the_temporary_folder(frames: FramesService) -> None:
    """Files were too large for memory here; they are gone, whatever became of them."""
    frames.get("/2/?label=left")
    frames.get("/9/?label=left")
    left = [path for path in frames.temporary.rglob("*") if path.name != ".lock"]

    assert [path.name.startswith("shard-frames-") for path in left] == [True]


def test_the_bucket_holds_one_object_a_picture(frames: FramesService, seaweed: S3Server) -> None:
    """Under the documented key, with its content type."""
    url = frames.get("/2/?width=55").json()["url"]
    key = url.partition("?")[0].rpartition("/")[2]
    head = seaweed.client().head_object(Bucket=frames.bucket, Key=key)

    assert key.startswith("2.")
    assert len(key) == len("2.") + 40 + len(".jpg")
    assert head["ContentType"] == "image/jpeg"


def test_an_empty_object_is_replaced(frames: FramesService, seaweed: S3Server) -> None:
    """Something else's unfinished upload is no picture."""
    key = frames.get("/2/?width=56").json()["url"].partition("?")[0].rpartition("/")[2]
    seaweed.client().put_object(Bucket=frames.bucket, Key=key, Body=b"")
    answer = frames.get("/2/?width=56&image=inline")

    assert _picture(answer.content).width == 56


def test_the_openapi_document_tells_the_parameters(frames: FramesService) -> None:
    """Each once, and the frame in the path."""
    document = frames.get("/openapi.json").json()
    parameters = document["paths"]["/{frame}/"]["get"]["parameters"]
    names = [parameter["name"] for parameter in parameters]

    assert len(names) == len(set(names))
    assert set(names) == {"frame", *PARAMETERS}
