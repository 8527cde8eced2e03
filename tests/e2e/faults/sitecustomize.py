"""Put on PYTHONPATH by tests: decoders that crash, hang or grow when the bytes tell them to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from shard import imaging
from shard.imaging import pyramid_source

_open = imaging.open_image
_open_file = pyramid_source.open_source


def _faulty(data: bytes, *arguments: Any, **options: Any) -> Any:
    return _open(_met(data), *arguments, **options)


def _faulty_file(path: Path, *arguments: Any, **options: Any) -> Any:
    data = path.read_bytes()
    path.write_bytes(_met(data))
    return _open_file(path, *arguments, **options)


def _met(data: bytes) -> bytes:
    """Do what the first bytes say; return the others."""
    if data.startswith(b"SLOW"):
        time.sleep(0.4)
        data = data[4:]
    if data.startswith(b"CRASH"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if data.startswith(b"ONCE"):  # crashes a first time, then is an image like others
        mark = Path(os.environ["FAULTS_FOLDER"]) / "crashed-once"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        data = data[4:]
    if data.startswith(b"HANG"):
        time.sleep(3600)
    if data.startswith(b"GREEDY"):
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1 << 20) * 16))
            time.sleep(0.01)
    return data


imaging.open_image = _faulty
pyramid_source.open_source = _faulty_file
