"""What was served lately, and what failed lately: kept in memory, both bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import datetime

    from shard.model import Item

V = TypeVar("V")

_SELF = 1024
"""Bytes that an entry takes beside its picture, roughly."""


@dataclass(slots=True)
class Picture:
    """A thumbnail as it is served; ``checked``: when the store last said that it is current.

    ``source`` is the fingerprint of the image that it was made of, ``output`` what the store knows
    of it.
    """

    data: bytes
    etag: str
    headers: list[tuple[bytes, bytes]]
    modified: datetime | None
    source: str
    output: Item
    checked: float


def etag_of(data: bytes) -> str:
    """Return a strong validator: the same bytes have the same one, in every process."""
    return f'"{blake2b(data, digest_size=16).hexdigest()}"'


class Shelf:
    """Pictures, those served least recently let go; at most ``capacity`` bytes of them."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._bytes = capacity, 0
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pictures)

    def get(self, key: Hashable) -> Picture | None:
        """Return the picture, which counts as being served."""
        picture = self._pictures.get(key)
        if picture is not None:
            self._pictures.move_to_end(key)
        return picture

    def put(self, key: Hashable, picture: Picture) -> None:
        """Keep a picture; one that is larger than a quarter of all is not kept."""
        self.drop(key)
        if 4 * len(picture.data) > self._capacity:
            return
        self._pictures[key] = picture
        self._bytes += len(picture.data) + _SELF
        while self._bytes > self._capacity:
            _, oldest = self._pictures.popitem(last=False)
            self._bytes -= len(oldest.data) + _SELF

    def drop(self, key: Hashable) -> None:
        """Keep it no longer."""
        picture = self._pictures.pop(key, None)
        if picture is not None:
            self._bytes -= len(picture.data) + _SELF


class Lately(Generic[V]):
    """Values that hold for ``seconds``; at most ``most`` of them, the oldest let go."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._kept: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()

    def get(self, key: Hashable, now: float) -> V | None:
        """Return the value, unless its time is over."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if now - kept[0] >= self._seconds:
            del self._kept[key]
            return None
        return kept[1]

    def put(self, key: Hashable, value: V, now: float) -> None:
        """Keep a value from now on."""
        if not self._seconds:
            return
        self._kept.pop(key, None)
        self._kept[key] = (now, value)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
