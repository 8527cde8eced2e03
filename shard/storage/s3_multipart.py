"""Large files to S3 in parts: each with its MD5, each retried alone, nothing left behind."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shard.errors import ObjectMissing, StorageError
from shard.storage.digests import Announced, base64_of, md5

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shard.storage.base import Headers
    from shard.storage.retry import Guard

PART = 8 << 20
"""Bytes of a part, and of the largest file that goes up in one request."""

_MOST_PARTS = 10_000


@dataclass(slots=True)
class Multipart:
    """One object on its way up. ``key`` is its name below the store's root, ``full`` the bucket's.

    The object appears only when its last part was checked, so that a file which changes meanwhile
    leaves no trace. A process that is killed leaves parts that nobody sees but the bill: let the
    bucket abort incomplete uploads after a day.
    """

    client: Any
    guard: Guard
    bucket: str
    full: str
    key: str
    _parts: list[dict[str, Any]] = field(default_factory=list)
    _digests: bytes = b""

    def upload(self, path: Path, facts: Mapping[str, Any], headers: Headers) -> None:
        """Send the file. ``facts`` are put_object's. Raises ``ContentChanged``."""
        where = {"Bucket": self.bucket, "Key": self.full}
        begin = self.client.create_multipart_upload
        answer = self.guard.call(self.key, lambda: begin(**where, **facts))
        where["UploadId"] = answer["UploadId"]
        try:
            announced = Announced(headers)
            for piece in _pieces(path):
                announced.update(piece)
                self._send(where, piece)
            announced.check(f"{self.guard.url.rstrip('/')}/{self.key}")
            self._complete(where)
        except BaseException:
            with contextlib.suppress(StorageError):
                self.guard.call(self.key, lambda: self.client.abort_multipart_upload(**where))
            raise

    def _send(self, where: Mapping[str, Any], piece: bytes) -> None:
        digest = md5()
        digest.update(piece)
        number = len(self._parts) + 1
        answer = self.guard.call(
            self.key,
            lambda: self.client.upload_part(
                **where, PartNumber=number, Body=piece, ContentMD5=base64_of(digest.hexdigest())
            ),
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._digests += digest.digest()

    def _complete(self, where: Mapping[str, Any]) -> None:
        parts = {"Parts": self._parts}
        try:
            self.guard.call(
                self.key,
                lambda: self.client.complete_multipart_upload(**where, MultipartUpload=parts),
            )
        except ObjectMissing:
            # The upload is gone: perhaps because the first answer was lost, and it is complete.
            if not self._is_complete():
                raise

    def _is_complete(self) -> bool:
        where = {"Bucket": self.bucket, "Key": self.full}
        answer = self.guard.call(self.key, lambda: self.client.head_object(**where))
        whole = md5()
        whole.update(self._digests)
        expected = f"{whole.hexdigest()}-{len(self._parts)}"
        return str(answer.get("ETag", "")).strip('"') == expected


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield the file in parts, as few megabytes each as S3's limit of 10,000 parts allows."""
    size = max(PART, -(-path.stat().st_size // _MOST_PARTS))
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece
