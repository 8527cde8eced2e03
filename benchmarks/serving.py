"""Servers to put under load: `shard serve` and thumbor, each as a real process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.measuring import SHARD, clean_environment
from tests.servers import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BOX, QUALITY = 200, 85
_PINNED = Path(__file__).parent / "peers" / "thumbor.txt"
_EVERY = 0.1
_PATIENCE = 30.0
# Nothing but what is needed to compare: the same quality, no source kept twice, results on disk;
# baseline JPEGs, as Shard's; what is not set here is as thumbor comes.
_CONFIGURATION = """\
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {source!r}
STORAGE = "thumbor.storages.no_storage"
RESULT_STORAGE = "thumbor.result_storages.file_storage"
RESULT_STORAGE_FILE_STORAGE_ROOT_PATH = {output!r}
RESULT_STORAGE_STORES_UNSAFE = True
ENGINE_THREADPOOL_SIZE = {threads}
QUALITY = {quality}
PROGRESSIVE_JPEG = False
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A server. ``command`` takes its output folder and port, and returns the argv.

    ``path`` turns a key into the path of its thumbnail; ``ready`` answers 200 as soon as it serves.
    """

    name: str
    command: Callable[[Path, int], Sequence[str]]
    path: Callable[[str], str]
    ready: str


@dataclass(slots=True)
class Running:
    """A server that runs. ``peak`` is its memory with all its processes, in bytes, so far."""

    url: str
    process: subprocess.Popen[bytes]
    peak: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Follow its memory until it is over: resident set sizes, shared pages in each."""
        while not self.over.wait(_EVERY):
            self.peak = max(self.peak, sum(one.memory_info().rss for one in self._processes()))

    @property
    def cpu(self) -> float:
        """The CPU seconds that its living processes have used."""
        times = [one.cpu_times() for one in self._processes()]
        return float(sum(time.user + time.system for time in times))

    def _processes(self) -> Iterator[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(self.process.pid)
            for one in (server, *server.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess), one.oneshot():
                    yield one


def shard(source: Path, processes: int, *more: str, name: str = "shard") -> Program:
    """Return `shard serve`; render processes: one a core."""

    def command(output: Path, port: int) -> list[str]:
        start = [SHARD, "serve", str(source), str(output), "--renditions"]
        start += [f"{BOX}x{BOX},quality={QUALITY}", "--port", str(port)]
        return [*start, "--processes", str(processes), *more]

    return Program(name, command, lambda key: f"/thumb/{BOX}x{BOX}/{key}", "/readyz")


def thumbor(
    environment: Path, source: Path, processes: int, threads: int = 0, name: str = "thumbor"
) -> Program:
    """Return thumbor; ``threads`` a process render, 0: its event loop does, as it comes."""

    def command(output: Path, port: int) -> list[str]:
        written = output.with_suffix(".conf")
        facts = {"source": str(source), "output": str(output), "quality": QUALITY}
        written.write_text(_CONFIGURATION.format(**facts, threads=threads))
        start = [str(environment / "bin" / "thumbor"), "--ip", "127.0.0.1", "--port", str(port)]
        return [*start, "--processes", str(processes), "--conf", str(written)]

    return Program(name, command, lambda key: f"/unsafe/fit-in/{BOX}x{BOX}/{key}", "/healthcheck")


def install_thumbor(folder: Path) -> Path:
    """Return an environment below ``folder`` with the pinned thumbor; made where it is not yet."""
    environment = folder / f"thumbor-{sha256(_PINNED.read_bytes()).hexdigest()[:12]}"
    complete = environment / "complete"
    if not complete.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--require-hashes", "-r", str(_PINNED)]
        subprocess.run(pip, check=True)
        complete.touch()
    return environment


def pinned(package: str) -> str:
    """Return the version of a package in thumbor's environment."""
    lines = (line.partition(" ")[0] for line in _PINNED.read_text().splitlines())
    return next(line for line in lines if line.startswith(f"{package}==")).partition("==")[2]


@contextlib.contextmanager
def running(program: Program, output: Path) -> Iterator[Running]:
    """Run a server with its results in ``output``, from when it is ready to the end."""
    (port,) = free_ports(1)
    output.mkdir(parents=True, exist_ok=True)
    log = output.with_suffix(".log")
    with log.open("wb") as said:
        process = subprocess.Popen(
            program.command(output, port),
            env=clean_environment(),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    server = Running(f"http://127.0.0.1:{port}", process)
    watcher = threading.Thread(target=server.watch)
    watcher.start()
    try:
        _await(server, program.ready, log)
        yield server
    finally:
        server.over.set()
        watcher.join()
        process.terminate()
        try:
            process.wait(_PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):  # its own children, if it left some
                os.killpg(process.pid, signal.SIGKILL)


def _await(server: Running, ready: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            urllib.request.urlopen(server.url + ready, timeout=2).close()  # noqa: S310  # our own
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{server.process.args!r} does not serve: {log.read_text()[-2000:]}")
