"""A gzipped FITS file read forwards: skipped only where read, refused where its headers say so."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING

from shard.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x1f\x8b\x08"
_CHUNK = 1 << 20
_PADDING = 2880
"""FITS's block: data are padded to a multiple of it, so one more read meets the file's end."""


def is_gzip(file: bytes | Path) -> bool:
    """Tell whether a file is gzipped, from its first bytes."""
    if isinstance(file, bytes):
        return file.startswith(MAGIC)
    with file.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def inflate(file: bytes | Path, size: int) -> bytes:
    """Return the first ``size`` bytes of what a gzip file holds; fewer if it ends before.

    The trailer's size, which anybody can write anything into, is never asked beforehand. Raises
    ``ImageError`` ``corrupt`` for data that do not inflate, or to another checksum.
    """
    with _opened(file) as stream:
        whole = _read(stream, size)  # at once: parts that are joined would be held twice
        if whole:
            _read(stream, _PADDING)  # where the file ends here its checksum is compared
    return whole or _as_far_as_it_goes(file)


def _as_far_as_it_goes(file: bytes | Path) -> bytes:
    """Inflate a file that is cut off: ``gzip`` gives nothing of the part that misses its end."""
    data = file if isinstance(file, bytes) else file.read_bytes()
    parts = []
    while data:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            parts.append(member.decompress(data))
        except zlib.error:
            break
        data = member.unused_data
    return b"".join(parts)


class Forward(io.RawIOBase):
    """The inflated bytes as a file that can be sought in; what is sought past is not inflated yet.

    So HDUs can be walked by their headers, and whatever a header says about its data is known
    before they are inflated. Raises ``ImageError`` ``too_many_bytes`` past ``limit``.
    """

    mode = "rb"

    def __init__(self, file: bytes | Path, limit: int) -> None:
        super().__init__()
        self._file, self._limit = file, limit
        self._stream, self._at, self._wanted = _opened(file), 0, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sought in."""
        return True

    def tell(self) -> int:
        """Return the place that the next ``read`` begins at."""
        return self._wanted

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Remember the place. The end counts as ``limit``: where it is, only inflating tells."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._wanted, io.SEEK_END: self._limit}[whence]
        self._wanted = base + offset
        return self._wanted

    def read(self, size: int = -1) -> bytes:
        """Inflate ``size`` bytes from the remembered place on."""
        if size < 0 or self._wanted + size > self._limit:
            raise ImageError(
                "too_many_bytes",
                f"inflated, this gzipped FITS file has {self._wanted} bytes or more, as its "
                f"headers say; accepted: up to {self._limit}",
            )
        if self._wanted < self._at:
            self._stream.close()
            self._stream, self._at = _opened(self._file), 0
        while self._at < self._wanted:
            skipped = len(_read(self._stream, min(_CHUNK, self._wanted - self._at)))
            if not skipped:
                return b""
            self._at += skipped
        data = _read(self._stream, size)
        self._at += len(data)
        self._wanted = self._at
        return data


def _opened(file: bytes | Path) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=io.BytesIO(file)) if isinstance(file, bytes) else gzip.open(file)


def _read(stream: gzip.GzipFile, size: int) -> bytes:
    """Read what is there: a file that is cut off ends where its data end."""
    try:
        return stream.read(size)
    except EOFError:
        return b""
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ImageError("corrupt", f"the gzip data do not inflate: {error}") from error
