"""`GET /thumb` on real S3 and GCS servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.program import picture, shard
from tests.service.running import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import S3Server

RENDITIONS = "small=40x40;wide=60x20,fit=cover,format=webp"


@pytest.fixture(params=["seaweed", "moto_s3", "fake_gcs"])
def store(request: pytest.FixtureRequest) -> tuple[Any, str, Callable[[str, bytes], None]]:
    """Return a server, a new bucket's URL, and how to write an image into it by another client."""
    server = request.getfixturevalue(request.param)
    name, client = server.bucket(), server.client()

    def put(key: str, data: bytes) -> None:
        if request.param == "fake_gcs":
            client.bucket(name).blob(key).upload_from_string(data, content_type="image/jpeg")
        else:
            client.put_object(Bucket=name, Key=key, Body=data)

    return server, f"{'gs' if request.param == 'fake_gcs' else 's3'}://{name}", put


def test_key_and_bytes_are_the_batch_s(store: Any) -> None:
    """Made on request, then looked at by the batch: nothing is left to do, nothing differs."""
    server, url, put = store
    keys = ["a.jpg", "deep/b c.jpg", "scan.tif"]
    for key in keys:
        put(f"in/{key}", picture(160, 120))
    places = (f"{url}/in", f"{url}/out")
    said = {**server.env, "RENDITIONS": RENDITIONS, "WORKERS": "1"}
    with running(*places, variables={**said, "FRESH_SECONDS": "0"}) as service:
        paths = [
            f"/thumb/{name}/{key.replace(' ', '%20')}" for name in ("small", "wide") for key in keys
        ]
        made = [service.get(path) for path in paths]
        again = [service.get(path) for path in paths]
        renders = service.metric("shard_render_seconds_count")
        ready = service.get("/readyz")

    after = shard("run", *places, variables=said)
    shard("run", f"{url}/in", f"{url}/by-batch", variables=said)
    with running(f"{url}/in", f"{url}/by-batch", variables=said) as service:
        by_batch = [service.get(path) for path in paths]
        assert service.metric("shard_render_seconds_count") == 0
    assert {answer.status_code for answer in (*made, *again)} == {200}
    assert renders == len(paths)
    assert "fresh 6" in after.stdout
    assert [a.content for a in made] == [a.content for a in again] == [a.content for a in by_batch]
    assert [a.headers["etag"] for a in made] == [a.headers["etag"] for a in by_batch]
    assert ready.json()["parts"] == {"workers": "ok", "source": "ok", "output": "ok"}


def test_a_store_that_refuses_is_never_taken_for_an_absent_image(seaweed: S3Server) -> None:
    """502 with a word, for the source and for the output; nothing of credentials or places."""
    bucket = seaweed.bucket()
    seaweed.client().put_object(Bucket=bucket, Key="in/a.jpg", Body=picture(160, 120))
    url = f"s3://{bucket}"
    wrong = {**seaweed.env, "AWS_SECRET_ACCESS_KEY": "wrong-secret", "RETRY_BUDGET": "0"}
    with running(f"{url}/in", f"{url}/out", variables=wrong) as service:
        denied, ready = service.get("/thumb/100x100/a.jpg"), service.get("/readyz")
    with running(f"{url}-not/in", f"{url}/out", variables=dict(seaweed.env)) as service:
        missing = service.get("/thumb/100x100/a.jpg")
    with running(f"{url}/in", f"{url}/out", variables=dict(seaweed.readonly_env)) as service:
        unwritten = service.get("/thumb/100x100/a.jpg")

    assert [(a.status_code, a.json()["reason"]) for a in (denied, missing, unwritten)] == [
        (502, "access_denied"),
        (502, "bucket_missing"),
        (502, "access_denied"),
    ]
    assert (ready.status_code, ready.json()["parts"]["source"]) == (503, "access_denied")
    for answer in (denied, missing, unwritten, ready):
        assert bucket not in answer.text


def test_a_store_that_is_down_is_said_and_tried_again(seaweed: S3Server) -> None:
    """503 with Retry-After, and nothing is remembered of it."""
    down = {**seaweed.env, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "RETRY_BUDGET": "1"}
    with running("s3://photos/in", "s3://photos/out", variables=down) as service:
        answers = [service.get("/thumb/100x100/a.jpg") for _ in range(2)]

    assert {(a.status_code, a.json()["reason"]) for a in answers} == {(503, "unavailable")}
    assert {a.headers["retry-after"] for a in answers} == {"5"}
