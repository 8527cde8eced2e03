"""`GET /thumb`: the batch's bytes at the batch's keys, and a reason for everything else."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from PIL import Image

from tests.program import fill, lines, outputs, picture, shard
from tests.service.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.running import Running

RENDITIONS = (
    "small=40x40;wide=60x20,fit=cover,format=webp;flat=30x30,format=png;avif=32,format=avif"
)
NAMES = ("small", "wide", "flat", "avif")
SECRET = "sixteen-letters-at-least"


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (160, 120)) -> bytes:
    """Return a picture of a gradient as Pillow writes this kind."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(out, kind)
    return out.getvalue()


CORPUS = {
    "a.jpg": picture(160, 120),
    "deep/er/b.png": encoded("PNG", "RGBA"),
    "c.gif": encoded("GIF", "L"),
    "d.webp": encoded("WEBP"),
    "scan.tif": encoded("TIFF"),
    "clear.tif": encoded("TIFF", "RGBA"),
    "LOUD.JPEG": picture(90, 90),
    "liar.jpg": encoded("PNG"),
    "spaced out, 50% & more+.jpg": picture(80, 40),
    "été.bmp": encoded("BMP"),
}


def put(folder: Path, objects: dict[str, bytes]) -> None:
    """Write objects below a folder."""
    for key, data in objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)


def variables(folder: Path, **more: str) -> dict[str, str]:
    """Return what serves ``folder/in`` into ``folder/out``."""
    (folder / "in").mkdir(parents=True, exist_ok=True)
    places = {"INPUT_FOLDER": str(folder / "in"), "OUTPUT_FOLDER": str(folder / "out")}
    return {**places, "RENDITIONS": RENDITIONS, "WORKERS": "1", "FRESH_SECONDS": "0", **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the service that most tests share."""
    return tmp_path_factory.mktemp("thumb")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Running]:
    """Serve the corpus, and files that cannot be served."""
    put(folder / "in", CORPUS)
    others = {
        "cut.jpg": picture(300, 200)[:3000],
        "text.jpg": b"no image at all",
        "empty.png": b"",
        "huge.png": encoded("PNG", "L", (3000, 3000)),
        "heavy.jpg": b"\xff\xd8" + bytes(300_000),
        "notes.txt": b"hello",
        ".shard/runs/x.jpg": picture(9, 9),
        ".hidden.jpg": picture(50, 50),
    }
    put(folder / "in", others)
    limits = {"MAX_PIXELS": "1000000", "MAX_BYTES": "200kB", "SIGNING_KEY": SECRET}
    with running(variables=variables(folder, **limits)) as service:
        yield service


@pytest.fixture(scope="module")
def batch(folder: Path, served: Running) -> Path:
    """Run the batch over the same source, to another output; return that."""
    shard(
        *("run", str(folder / "in"), str(folder / "by-batch"), "--renditions", RENDITIONS),
        *("--max-pixels", "1000000", "--max-bytes", "200kB", "--max-failures", "100%"),
    )
    return folder / "by-batch"


@pytest.mark.parametrize("key", [*CORPUS, ".hidden.jpg"])
def test_key_and_bytes_are_the_batch_s(
    key: str, folder: Path, served: Running, batch: Path
) -> None:
    """For each kind and rendition: answered, stored and made by the batch are one and the same."""
    made = outputs(batch)
    of_key = {
        (line["key"], line["rendition"]): line["output"]
        for line in lines(batch)
        if line["status"] == "written"
    }

    answers = {name: served.get(f"/thumb/{name}/{quote(key)}") for name in NAMES}

    for name, answer in answers.items():
        output = of_key[key, name]
        assert answer.content == made[output] == (folder / "out" / output).read_bytes()


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("small/nope.jpg", 404, "not_found"),
        ("small/notes.txt", 404, "not_found"),
        ("small/deep", 404, "not_found"),
        ("small/.shard/runs/x.jpg", 404, "not_found"),
        ("large/a.jpg", 404, "no_rendition"),
        ("small/", 404, "no_key"),
        ("small/../a.jpg", 400, "key_refused"),
        ("small/%2e%2e/a.jpg", 400, "key_refused"),
        ("small/..%2fa.jpg", 400, "key_refused"),
        ("small/%252e%252e/a.jpg", 404, "not_found"),
        ("small//etc/passwd", 400, "key_refused"),
        ("small/%2fetc%2fpasswd", 400, "key_refused"),
        ("small/a.jpg/", 400, "key_refused"),
        ("small/./a.jpg", 400, "key_refused"),
        ("small/a%5cb.jpg", 400, "key_refused"),
        ("small/a%00.jpg", 400, "key_refused"),
        ("small/a%7f.jpg", 400, "key_refused"),
        ("small/%ff%fe.jpg", 404, "not_found"),
        ("small/" + "x" * 1025, 400, "key_too_long"),
        ("small/" + "x" * 300 + ".jpg", 404, "not_found"),
        ("small%2Fa.jpg/x", 404, "no_rendition"),
        ("small/cut.jpg", 422, "truncated"),
        ("small/empty.png", 422, "empty"),
        ("small/text.jpg", 415, "not_an_image"),
        ("small/huge.png", 413, "too_many_pixels"),
        ("small/heavy.jpg", 413, "too_many_bytes"),
        ("small/http://example.org/a.jpg", 400, "key_refused"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_reason(
    path: str, status: int, reason: str, served: Running
) -> None:
    """A status and a word for programs, a sentence for people; nothing of this machine in it."""
    with httpx_raw(served, f"/thumb/{path}") as (found, body):
        said = (found, body["reason"])

    assert said == (status, reason)
    assert "/in/" not in body["message"]


class httpx_raw:  # noqa: N801 - used as a function
    """Ask for a path exactly as it is written: clients tidy up dots and slashes."""

    def __init__(self, served: Running, path: str) -> None:
        self._served, self._path = served, path

    def __enter__(self) -> tuple[int, dict[str, str]]:
        import http.client
        import json

        host = self._served.url.removeprefix("http://")
        self._connection = http.client.HTTPConnection(host, timeout=60)
        self._connection.putrequest("GET", self._path, skip_accept_encoding=True)
        self._connection.endheaders()
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def test_names_that_are_no_text_are_served_too(folder: Path, served: Running) -> None:
    """A byte that is no UTF-8 in a local name is what it is in the URL."""
    with open(os.fsencode(folder / "in") + b"/\xff.jpg", "wb") as file:  # noqa: PTH123 - bytes
        file.write(picture(160, 120))

    assert served.get("/thumb/small/%FF.jpg").status_code == 200


def test_unknown_rendition_names_those_there_are(served: Running) -> None:
    """The names, and nothing else."""
    message = served.get("/thumb/large/a.jpg").json()["message"]

    assert message == "no such rendition; there are: small, wide, flat, avif"


def test_an_answer_says_all_that_caches_need(served: Running) -> None:
    """Type, length, strong validator, date, and for how long."""
    answer = served.get("/thumb/wide/a.jpg")

    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["etag"].startswith('"')
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["last-modified"].endswith("GMT")


def test_who_has_it_already_gets_304(served: Running) -> None:
    """By the tag, among others and weak; by the date only where no tag is given."""
    first = served.get("/thumb/small/a.jpg").headers
    etag, date = first["etag"], first["last-modified"]
    asked = {
        "tag": {"If-None-Match": etag},
        "among others": {"If-None-Match": f'"x", W/{etag}'},
        "any": {"If-None-Match": "*"},
        "date": {"If-Modified-Since": date},
        "other tag": {"If-None-Match": '"x"', "If-Modified-Since": date},
        "long ago": {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        "no date": {"If-Modified-Since": "yesterday"},
        "no year": {"If-Modified-Since": "Sun, 06 Nov 99999999999 08:49:37 GMT"},
    }

    got = {what: served.get("/thumb/small/a.jpg", **said) for what, said in asked.items()}

    assert {what: answer.status_code for what, answer in got.items()} == {
        "tag": 304,
        "among others": 304,
        "any": 304,
        "date": 304,
        "other tag": 200,
        "long ago": 200,
        "no date": 200,
        "no year": 200,
    }
    assert (got["tag"].content, got["tag"].headers["etag"]) == (b"", etag)


def test_head_has_no_body(served: Running) -> None:
    """The same headers as GET."""
    import httpx

    head = httpx.head(f"{served.url}/thumb/small/a.jpg", timeout=60)

    assert (head.status_code, head.content) == (200, b"")
    assert (
        head.headers["content-length"] == served.get("/thumb/small/a.jpg").headers["content-length"]
    )


def test_what_the_batch_made_is_served_not_made(tmp_path: Path) -> None:
    """A fresh output is read as it is; the source is not even decoded."""
    put(tmp_path / "in", {"a.jpg": b"never looked at"})
    put(tmp_path / "out", {"a_small.jpg": b"made by the batch"})

    with running(variables=variables(tmp_path)) as served:
        answer = served.get("/thumb/small/a.jpg")
        renders = served.metric("shard_render_seconds_count")

    assert (answer.content, renders) == (b"made by the batch", 0)


def test_a_newer_image_is_made_again(tmp_path: Path) -> None:
    """Stale is what the batch calls stale; a source that is gone is gone."""
    put(tmp_path / "in", {"a.jpg": picture(160, 120)})
    with running(variables=variables(tmp_path)) as served:
        first = served.get("/thumb/small/a.jpg")
        put(tmp_path / "in", {"a.jpg": picture(160, 120, (200, 30, 30))})
        later = time.time() + 5
        os.utime(tmp_path / "in/a.jpg", (later, later))

        second = served.get("/thumb/small/a.jpg")
        renders = served.metric("shard_render_seconds_count")
        again = served.get("/thumb/small/a.jpg")
        (tmp_path / "in/a.jpg").unlink()
        gone = served.get("/thumb/small/a.jpg")

        assert first.content != second.content == again.content
        # Its time lies ahead of the output's for ever; that it is current is known all the same.
        assert served.metric("shard_render_seconds_count") == renders == 2
        assert gone.status_code == 404


def test_a_thumbnail_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """Memory answers for FRESH_SECONDS, not for ever."""
    put(tmp_path / "in", {"a.jpg": picture(160, 120)})
    with running(variables=variables(tmp_path)) as served:
        served.get("/thumb/small/a.jpg")
        (tmp_path / "out/a_small.jpg").unlink()

        assert served.get("/thumb/small/a.jpg").status_code == 200
        assert (tmp_path / "out/a_small.jpg").exists()


def test_memory_answers_while_it_is_fresh(tmp_path: Path) -> None:
    """Within FRESH_SECONDS no store is asked."""
    put(tmp_path / "in", {"a.jpg": picture(160, 120)})
    with running(variables=variables(tmp_path, FRESH_SECONDS="1h")) as served:
        first = served.get("/thumb/small/a.jpg")
        (tmp_path / "in/a.jpg").unlink()
        (tmp_path / "out/a_small.jpg").unlink()

        assert served.get("/thumb/small/a.jpg").content == first.content


def test_a_corrupt_image_is_decoded_once(tmp_path: Path) -> None:
    """Until it changes, or FAILURE_SECONDS are over."""
    put(tmp_path / "in", {"cut.jpg": picture(300, 200)[:3000]})
    with running(variables=variables(tmp_path)) as served:
        answers = [served.get("/thumb/small/cut.jpg") for _ in range(20)]
        renders = served.metric("shard_render_seconds_count")
        put(tmp_path / "in", {"cut.jpg": picture(300, 200)})

        mended = served.get("/thumb/small/cut.jpg")

    assert ({a.status_code for a in answers}, renders, mended.status_code) == ({422}, 1, 200)


@pytest.mark.parametrize("rendition", ["40x40", "40x40,format=jpeg"], ids=["keep", "jpeg"])
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
def test_of_two_that_share_an_output_the_batch_s_first_wins(
    tmp_path: Path, rendition: str, alpha: bool
) -> None:
    """The later one gets a 409 that names the winner, and only where the batch says collision."""
    put(tmp_path / "in", {"s.tif": encoded("TIFF", "RGBA" if alpha else "RGB")})
    put(tmp_path / "in", {"s.tif.jpg": picture(90, 90), "s.tif.jpg.jpg": picture(80, 80)})
    shard("run", str(tmp_path / "in"), str(tmp_path / "by-batch"), "--renditions", rendition)
    name = "40x40"
    expected = {
        line["key"]: 200 if line["status"] == "written" else 409
        for line in lines(tmp_path / "by-batch")
    }

    with running(variables=variables(tmp_path, RENDITIONS=rendition)) as served:
        keys = ("s.tif.jpg.jpg", "s.tif.jpg", "s.tif")
        answers = {key: served.get(f"/thumb/{name}/{key}") for key in keys}

    assert {key: answer.status_code for key, answer in answers.items()} == expected
    assert outputs(tmp_path / "out") == outputs(tmp_path / "by-batch")
    if answers["s.tif.jpg"].status_code == 409:
        assert "'s.tif' has the same output key" in answers["s.tif.jpg"].json()["message"]


def test_outputs_within_the_source_are_no_images_of_it(tmp_path: Path) -> None:
    """As for the batch; so no thumbnail is made of a thumbnail."""
    put(tmp_path / "in", {"a.jpg": picture(160, 120)})
    within = variables(tmp_path, OUTPUT_FOLDER=str(tmp_path / "in/thumbs"), RENDITIONS="40x40")
    with running(variables=within) as served:
        first = served.get("/thumb/40x40/a.jpg")

        second = served.get("/thumb/40x40/thumbs/a.jpg")

    assert (first.status_code, second.status_code) == (200, 404)


def test_several_sources_are_told_apart_by_the_first_segment(tmp_path: Path) -> None:
    """Each with its own output; another name is refused with those there are."""
    for name, colour in (("cats", (200, 0, 0)), ("dogs", (0, 0, 200))):
        put(tmp_path / name, {"a.jpg": picture(160, 120, colour)})
    sources = ";".join(f"{n}={tmp_path}/{n}>{tmp_path}/out-{n}" for n in ("cats", "dogs"))
    said = {"THUMB_SOURCES": sources, "RENDITIONS": "small=40x40", "SIGNING_KEY": SECRET}
    with running(variables=said) as served:
        answers = [served.get(f"/thumb/small/{name}/a.jpg") for name in ("cats", "dogs")]
        refused = [served.get(f"/thumb/small/{n}/a.jpg") for n in ("birds", "signed%3Acats")]
        parts = served.get("/readyz").json()["parts"]

    assert [a.content for a in answers] == [
        (tmp_path / f"out-{name}/a.jpg").read_bytes() for name in ("cats", "dogs")
    ]
    assert {r.json()["message"] for r in refused} == {
        "no such source; a key begins with one of: cats, dogs"
    }
    assert {"source cats", "output dogs", "workers"} <= set(parts)


def signed(rendition: str, key: str, expires: str = "", secret: str = SECRET) -> str:
    """Return a signed path, by the formula of docs/serve.md."""
    text = f"{rendition}\n{key}\n{expires}".encode()
    signature = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    query = f"signature={signature}" + (f"&expires={expires}" if expires else "")
    return f"/thumb/{quote(rendition)}/{quote(key)}?{query}"


def test_who_signs_gets_any_rendition(folder: Path, served: Running) -> None:
    """It lies in the output's state folder, where it meets nothing of the batch's."""
    answer = served.get(signed("50x10,fit=cover,format=png", "deep/er/b.png"))

    image = Image.open(io.BytesIO(answer.content))
    (stored,) = (folder / "out/.shard/signed").rglob("b.png")
    assert (image.format, image.size) == ("PNG", (50, 10))
    assert stored.read_bytes() == answer.content


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        (signed("20x20", "a.jpg", secret="another secret, as long"), 403, "bad_signature"),
        (signed("20x20", "a.jpg").replace("20x20", "21x21"), 403, "bad_signature"),
        (signed("20x20", "a.jpg").replace("a.jpg", "LOUD.JPEG"), 403, "bad_signature"),
        (signed("20x20", "a.jpg", "1000000000"), 403, "expired"),
        (
            signed("20x20", "a.jpg", "4000000000").replace("4000000000", "5000000000"),
            403,
            "bad_signature",
        ),
        (signed("20x20", "a.jpg", "soon"), 400, "bad_expiry"),
        (signed("20by20", "a.jpg"), 400, "bad_rendition"),
        (signed("20x20;30x30", "a.jpg"), 400, "bad_rendition"),
        (signed("20x20", "a.jpg").replace("signature=", "signature=%C3%A9"), 403, "bad_signature"),
    ],
    ids=["secret", "rendition", "key", "expired", "expiry", "soon", "grammar", "two", "accent"],
)
def test_a_signature_holds_for_what_was_signed(
    path: str, status: int, reason: str, served: Running
) -> None:
    """Rendition, key and expiry are all part of it."""
    answer = served.get(path)

    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


def test_a_signed_url_works_until_it_expires(served: Running) -> None:
    """An expiry that lies ahead is no obstacle."""
    assert served.get(signed("20x20", "a.jpg", str(int(time.time()) + 600))).status_code == 200


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    """The answer names the variable."""
    fill(tmp_path / "in", ["a.jpg"])
    with running(variables=variables(tmp_path)) as served:
        answer = served.get(signed("20x20", "a.jpg"))

    assert (answer.status_code, answer.json()["reason"]) == (404, "no_signatures")


def test_a_layout_without_folders_is_served_by_the_same_rule(tmp_path: Path) -> None:
    """Of images of one name the first by key has the thumbnail; the others name it."""
    fill(tmp_path / "in", ["x/a.jpg", "y/a.jpg"])
    said = {"LAYOUT": "flat", "RENDITIONS": "40x40,format=jpeg"}
    with running(variables=variables(tmp_path, **said)) as served:
        second = served.get("/thumb/40x40/y/a.jpg")
        first = served.get("/thumb/40x40/x/a.jpg")

    assert (first.status_code, second.status_code) == (200, 409)
    assert "'x/a.jpg'" in second.json()["message"]


def test_collections_are_served_beside_their_originals(tmp_path: Path) -> None:
    """LAYOUT=collections needs no output of its own; what is no original is not found."""
    fill(tmp_path / "in", ["birds/originals/ab/x.jpg"])
    said = {"LAYOUT": "collections", "SIZES": "40", "RENDITIONS": "", "OUTPUT_FOLDER": ""}
    with running(variables=variables(tmp_path, **said)) as served:
        answer = served.get("/thumb/40x40/birds/originals/ab/x.jpg")
        thumbnail = served.get("/thumb/40x40/birds/thumbnails/ab/x_40.jpg")

    assert answer.content == (tmp_path / "in/birds/thumbnails/ab/x_40.jpg").read_bytes()
    assert thumbnail.status_code == 404


def test_a_layout_of_run_times_is_refused() -> None:
    """A service has no run."""
    said = {"INPUT_FOLDER": "in", "OUTPUT_FOLDER": "out", "LAYOUT": "{run}/{dir}/{name}"}
    done = shard("serve", variables={**said, "PORT": "0"})

    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("shard: error: LAYOUT is '{run}/")
