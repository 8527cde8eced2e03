"""A small archive of frames with real response shapes, and the servers its files lie on.

`python -m tests.service.archive_double [frame.fits ...]` runs it by hand, with those files as
frames 101, 102, ...: it prints what to tell `shard serve`.
Two ports, so that a test can prove that no credentials reach the second. Stars are drawn where the
WCS says, so that frames of one request fit together although each is shifted.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "Token of-the-proposals-owner"
REQUEST = 1_756_835
_PAGE = 2


@dataclass
class Seen:
    """One request that a server got."""

    path: str
    headers: dict[str, str]


@dataclass
class Archive:
    """The servers' state: change it while they run.

    ``fault`` and ``file_fault`` say how to fail (see ``_FAULTS``), ``countdown`` how often.
    """

    frames: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    private: set[int] = field(default_factory=set)
    fault: str = ""
    file_fault: str = ""
    countdown: int | None = None
    patience: float = 30.0
    asked: list[Seen] = field(default_factory=list)
    fetched: list[Seen] = field(default_factory=list)
    url: str = ""
    files_url: str = ""
    _servers: list[ThreadingHTTPServer] = field(default_factory=list)
    _closing: threading.Event = field(default_factory=threading.Event)

    def start(self, ports: tuple[int, int] = (0, 0)) -> Archive:
        """Serve the API and the files, each on a port of its own."""
        self.url = f"{self._serve(_api(self), ports[0])}/"
        self.files_url = self._serve(_files(self), ports[1])
        return self

    def close(self) -> None:
        """Stop both servers."""
        self._closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(self, number: int, element: str, data: bytes, **more: Any) -> dict[str, Any]:
        """Add a frame in one filter, with its file; ``more`` overrides the record's keys."""
        name = f"tst1m0-fa01-20260321-{number:04d}-e91"
        path = f"/{name}.fits"
        self.files[path] = data
        url = f"{self.files_url}{path}"
        version = {
            "id": number * 10,
            "created": "2026-03-22T05:40:00.000000Z",
            "key": f"versionkey{number}",
            "md5": hashlib.md5(data).hexdigest(),
            "extension": ".fits",
            "url": url,
        }
        record = {
            "id": number,
            "basename": name,
            "area": None,
            "related_frames": [],
            "version_set": [version],
            "filename": f"{name}.fits",
            "url": f"{url}?X-Amz-Signature=secret",
            "reduction_level": 91,
            "observation_day": "20260321",
            "observation_date": f"2026-03-22T05:{number % 60:02d}:00.000000Z",
            "proposal_id": "TST2026A-001",
            "instrument_id": "fa01",
            "target_name": "Test field",
            "site_id": "tst",
            "telescope_id": "1m0a",
            "exposure_time": "30.000000",
            "primary_optical_element": element,
            "public_date": "2026-03-22T05:40:00.000000Z",
            "configuration_type": "EXPOSE",
            "observation_id": 5,
            "request_id": REQUEST,
        }
        self.frames[number] = {**record, **more}
        return self.frames[number]

    def fails(self, fault: str) -> bool:
        """Tell whether this request fails; count it."""
        if not fault or self.countdown == 0:
            return False
        if self.countdown is not None:
            self.countdown -= 1
        return True

    def wait(self) -> None:
        """Be slow."""
        self._closing.wait(self.patience)

    def _serve(self, handler: type[BaseHTTPRequestHandler], port: int) -> str:
        server = _Server(("127.0.0.1", port), handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: object) -> None:
        """Say nothing of clients that hang up, as they should."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, status: int, body: object, **headers: str) -> None:
        self.send(status, json.dumps(body).encode(), Content_Type="application/json", **headers)

    def reset(self) -> None:
        """End the connection as a crashed server does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _api(archive: Archive) -> type[_Handler]:
    class Api(_Handler):
        def do_GET(self) -> None:
            archive.asked.append(Seen(self.path, dict(self.headers)))
            if archive.fails(archive.fault):
                _FAULTS[archive.fault](self, archive)
                return
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            parts = url.path.strip("/").split("/")
            shown = [f for f in archive.frames.values() if self._may_see(f)]
            if parts == ["frames"]:
                self._page(shown, query)
                return
            found = [f for f in shown if parts == ["frames", str(f["id"])]]
            if found:
                self.json(200, found[0])
            else:
                self.json(404, {"detail": "Not found."})

        def _may_see(self, frame: dict[str, Any]) -> bool:
            return frame["id"] not in archive.private or self.headers["Authorization"] == TOKEN

        def _page(self, shown: list[dict[str, Any]], query: dict[str, str]) -> None:
            keys = {"basename_exact": "basename"}
            offset = int(query.pop("offset", "0"))
            wanted = {keys.get(name, name): value for name, value in query.items()}
            found = [f for f in shown if all(str(f.get(k)) == v for k, v in wanted.items())]
            following = None
            if offset + _PAGE < len(found):
                more = urlencode({**query, "offset": offset + _PAGE})
                following = f"http://behind.a.proxy.example/frames/?{more}"
            page = found[offset : offset + _PAGE]
            answer = {"count": len(found), "next": following, "previous": None, "results": page}
            self.json(200, answer)

    return Api


def _files(archive: Archive) -> type[_Handler]:
    class Files(_Handler):
        def do_GET(self) -> None:
            archive.fetched.append(Seen(self.path, dict(self.headers)))
            if archive.fails(archive.file_fault):
                _FAULTS[archive.file_fault](self, archive)
                return
            data = archive.files.get(urlsplit(self.path).path)
            if data is None:
                self.send(404, b"<html>no such file</html>", Content_Type="text/html")
            else:
                self.send(200, data, Content_Type="application/octet-stream")

    return Files


def _half(handler: _Handler, archive: Archive) -> None:
    """Announce more than is sent, then hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.wfile.flush()
    handler.reset()


def _trickle(handler: _Handler, archive: Archive) -> None:
    """Send a byte now and then, so that no single wait is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    end = time.monotonic() + archive.patience
    while time.monotonic() < end:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def _headers(handler: _Handler, archive: Archive) -> None:
    """Send a header now and then, without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    end = time.monotonic() + archive.patience
    while time.monotonic() < end:
        handler.wfile.write(b"X-More: yes\r\n")
        time.sleep(0.05)
    handler.reset()


def _slow(handler: _Handler, archive: Archive) -> None:
    archive.wait()
    handler.reset()


def _flood(handler: _Handler, archive: Archive) -> None:
    """Send without end, announcing nothing."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b"\0" * 65536)


_FAULTS: dict[str, Callable[[_Handler, Archive], None]] = {
    "500": lambda h, _: h.send(500, b"<html>Oops</html>", Content_Type="text/html"),
    "503": lambda h, _: h.json(503, {"detail": "down"}),
    "400": lambda h, _: h.json(400, {"detail": "bad"}),
    "401": lambda h, _: h.json(401, {"detail": "Invalid token."}, WWW_Authenticate="Token"),
    "403": lambda h, _: h.json(403, {"detail": "No."}),
    "429": lambda h, _: h.json(429, {"detail": "throttled"}, Retry_After="7"),
    "html": lambda h, _: h.send(200, b"<html>login</html>", Content_Type="text/html"),
    "half_json": lambda h, _: h.send(200, b'{"id": 1', Content_Type="application/json"),
    "list": lambda h, _: h.json(200, [1, 2]),
    "no_results": lambda h, _: h.json(200, {"detail": "hm"}),
    "null": lambda h, _: h.json(200, None),
    "deep": lambda h, _: h.send(200, b"[" * 100_000, Content_Type="application/json"),
    "reset": lambda h, _: h.reset(),
    "half": _half,
    "slow": _slow,
    "trickle": _trickle,
    "headers": _headers,
    "flood": _flood,
    "not_gzip": lambda h, _: h.send(200, b"{}", Content_Encoding="gzip"),
    "bad_next": lambda h, _: h.json(200, {"next": "http://a:b/", "results": []}),
    "half_a_letter": lambda h, a: h.json(
        200, {**a.frames[2], "proposal_id": "\ud800", "results": [{**a.frames[2], "url": "\ud800"}]}
    ),
    "loop": lambda h, _: h.send(302, b"", Location=h.path),
    "elsewhere": lambda h, a: h.send(302, b"", Location=f"{a.files_url}/frames/1/"),
    "to_file_scheme": lambda h, _: h.send(302, b"", Location="file:///etc/passwd"),
    "cookie": lambda h, _: h.json(404, {"detail": "Not found."}, Set_Cookie="session=owner"),
}


def star_field(
    shift: tuple[float, float] = (0.0, 0.0),
    size: tuple[int, int] = (360, 240),
    tint: int = 0,
    **cards: object,
) -> bytes:
    """Return a FITS file of stars on a sky; ``shift`` moves it, and its WCS along, by pixels."""
    from astropy.io import fits

    random = np.random.default_rng(7)
    width, height = size
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    pixels = np.full((height, width), 100.0, np.float32)
    for number in range(60):
        x, y = random.uniform(-20, width + 20), random.uniform(-20, height + 20)
        brightness, colour = random.uniform(200, 4000), random.uniform(0.3, 1.0, 3)[tint % 3]
        if number == 0:
            x, y, brightness, colour = width / 2, height / 2, 8000.0, 1.0
        far = (across - x - shift[0]) ** 2 + (down - y - shift[1]) ** 2
        pixels += brightness * colour * np.exp(-far / 4.5)
    noise = np.random.default_rng(tint).normal(0, 5, pixels.shape)
    header = fits.Header()
    header["CTYPE1"], header["CRVAL1"], header["CD1_1"] = "RA---TAN", 150.0, -1e-4
    header["CTYPE2"], header["CRVAL2"], header["CD2_2"] = "DEC--TAN", 2.0, 1e-4
    header["CRPIX1"] = width / 2 + 1 + shift[0]
    header["CRPIX2"] = height / 2 + 1 + shift[1]
    for name, card in cards.items():
        header[name] = card
    out = io.BytesIO()
    fits.PrimaryHDU((pixels + noise).astype(np.float32), header).writeto(out)
    return out.getvalue()


def noise(seed: int) -> bytes:
    """Return a FITS file without stars or WCS, which nothing can be aligned by."""
    from astropy.io import fits

    out = io.BytesIO()
    values = np.random.default_rng(seed).normal(100, 5, (120, 160)).astype(np.float32)
    fits.PrimaryHDU(values).writeto(out)
    return out.getvalue()


def fill(archive: Archive) -> Archive:
    """Add a request of red, visual and blue frames, one that is private, and odd ones."""
    archive.add(1, "rp", star_field((3, -4), tint=0))
    archive.add(2, "V", star_field(tint=1))
    archive.add(3, "B", star_field((-5, 2), tint=2))
    archive.add(4, "V", star_field(tint=1), request_id=None)
    archive.add(5, "V", star_field(tint=1), request_id=77)
    archive.private.add(5)
    archive.add(6, "V", b"", configuration_type="CATALOG")
    archive.add(7, "V", star_field(), configuration_type="SPECTRUM")
    archive.add(8, "V", b"", filename="calibration.tar.gz", configuration_type="SPECTRUM")
    archive.add(9, "V", b"GIF89a is no FITS file", request_id=78)
    del archive.add(10, "V", b"")["configuration_type"]
    archive.add(11, "V", star_field()[:100_000], request_id=None)
    archive.add(12, "V", b"", url="file:///etc/passwd")
    archive.add(13, "V", b"", url=f"{archive.files_url}/no-such-file.fits")
    for number, element in ((20, "R"), (21, "V"), (22, "B")):
        archive.add(number, element, noise(number), request_id=79)
    return archive


def main() -> None:
    """Serve until Ctrl-C; say what to tell `shard serve`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the API; files: the next one")
    parser.add_argument("files", nargs="*", type=Path, help="FITS files, as frames 101, 102, ...")
    told = parser.parse_args()
    archive = fill(Archive().start((told.port, told.port + 1) if told.port else (0, 0)))
    for number, path in enumerate(told.files, start=101):
        archive.add(number, "V", path.read_bytes(), request_id=None)
    print(f"ARCHIVE_API_URL={archive.url}", flush=True)  # noqa: T201  # a program's answer
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        archive.close()


if __name__ == "__main__":
    main()
