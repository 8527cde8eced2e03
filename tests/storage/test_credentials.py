"""Whose credentials are used, and what happens without any."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from shard.errors import AccessDenied, SettingError, StorageError
from shard.storage import open_store
from shard.storage.base import StorageOptions
from shard.storage.once import Once
from shard.storage.roots import split_bucket

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import GCSServer, S3Server

OPTIONS = StorageOptions(retry_budget=0)
BACKENDS = pytest.mark.parametrize("backend", ["obstore", "s3fs"])


@BACKENDS
def test_a_public_bucket_needs_no_credentials(
    moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """Without any credentials requests go unsigned: a public bucket can be listed and read."""
    bucket = moto_s3.bucket()
    moto_s3.client().put_object(Bucket=bucket, Key="k", Body=b"public", ACL="public-read")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_s3.url)
    store = open_store(f"s3://{bucket}", StorageOptions(s3_backend=backend, retry_budget=0))

    assert [item.key for item in store.list()] == ["k"]
    assert store.read("k") == b"public"
    with pytest.raises(StorageError, match="no credentials to sign with"):
        store.sign("k", 60)


@BACKENDS
def test_a_private_bucket_without_credentials_is_denied(
    seaweed: S3Server, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """Without any credentials a private bucket is AccessDenied, with the remedy."""
    bucket = seaweed.bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.url)
    store = open_store(f"s3://{bucket}", StorageOptions(s3_backend=backend, retry_budget=0))
    with pytest.raises(AccessDenied, match="AWS_PROFILE"):
        list(store.list())
    with pytest.raises(AccessDenied, match="AWS_PROFILE"):
        store.read("k")


@BACKENDS
def test_a_profile_names_credentials_and_endpoint(
    seaweed: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str
) -> None:
    """AWS_PROFILE alone is enough: keys, region and endpoint come from the profile's files."""
    bucket = seaweed.bucket()
    key, secret = (seaweed.env[f"AWS_{n}"] for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    (tmp_path / "config").write_text(
        f"[profile there]\nregion = us-east-1\nendpoint_url = {seaweed.url}\n"
    )
    (tmp_path / "credentials").write_text(
        f"[there]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "there")
    store = open_store(f"s3://{bucket}", StorageOptions(s3_backend=backend, retry_budget=0))
    store.write("k", b"x", content_type="text/plain")

    assert store.read("k") == b"x"
    assert [item.key for item in store.list()] == ["k"]


def test_an_unknown_profile_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that does not exist is AccessDenied, naming the profile."""
    monkeypatch.setenv("AWS_PROFILE", "nobody-here")
    with pytest.raises(AccessDenied, match="nobody-here"):
        open_store("s3://bucket", OPTIONS).stat("k")


def service_account(path: Path) -> None:
    """Write a service account's key file with a fresh RSA key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    facts = {
        "type": "service_account",
        "client_email": "task@project.example",
        "private_key": pem.decode(),
        "token_uri": "http://127.0.0.1:9/token",
    }
    path.write_text(json.dumps(facts))


def test_a_service_account_signs_v4(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a service account's key a V4 URL is made offline, for the life that was asked."""
    service_account(tmp_path / "key.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    url = urlsplit(open_store("gs://bucket/in", OPTIONS).sign("a b.jpg", 90))
    asked = parse_qs(url.query)

    assert url.path == "/bucket/in/a%20b.jpg"
    assert asked["X-Goog-Expires"] == ["90"]
    assert asked["X-Goog-Credential"][0].startswith("task@project.example/")


def test_anonymous_gcs_cannot_sign(fake_gcs: GCSServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing without credentials is a StorageError that says so."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake_gcs.url)
    with pytest.raises(StorageError, match="cannot sign"):
        open_store("gs://bucket", OPTIONS).sign("k", 60)


def test_an_emulator_never_sees_real_credentials(
    fake_gcs: GCSServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With STORAGE_EMULATOR_HOST set, application default credentials stay at home."""
    service_account(tmp_path / "key.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake_gcs.url)
    store = open_store(f"gs://{fake_gcs.bucket()}", OPTIONS)
    store.write("k", b"x", content_type="text/plain")  # a token would be fetched from port 9

    assert store.read("k") == b"x"


@pytest.mark.parametrize(
    ("url", "split"),
    [
        ("gs://b", ("b", "")),
        ("gs://b/", ("b", "")),
        ("gs://b/cats", ("b", "cats/")),
        ("gs://b/cats/", ("b", "cats/")),
        ("s3://b/a//c", ("b", "a//c/")),
    ],
)
def test_a_url_names_bucket_and_folder(url: str, split: tuple[str, str]) -> None:
    """The rows of ``split_bucket``'s table."""
    assert split_bucket(url) == split


@pytest.mark.parametrize("url", ["s3://", "gs:///x", "", "nosuchscheme://x/y"])
def test_a_url_that_names_nothing_is_refused(url: str) -> None:
    """A URL without bucket or folder, or of a scheme that nobody knows, is a StorageError."""
    with pytest.raises(StorageError):
        open_store(url, OPTIONS)


def test_an_unknown_backend_is_refused() -> None:
    """S3_BACKEND accepts obstore and s3fs."""
    with pytest.raises(SettingError, match="obstore or s3fs"):
        open_store("s3://b", StorageOptions(s3_backend="boto"))


def test_once_makes_once() -> None:
    """Many threads asking for a value at once get the one that was made once."""
    made: list[object] = []
    gate = threading.Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    once = Once(make)

    def ask() -> None:
        gate.wait()
        once()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
