"""What `/thumb` needs to be told beside the batch's own settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.variables import Variable

if TYPE_CHECKING:
    from shard.planning.variables import Reader

THUMB_VARIABLES: Final = (
    Variable("CACHE_CONTROL", "public, max-age=3600", "said of every thumbnail"),
    Variable("CACHE_MEMORY", "64MiB", "thumbnails kept in memory by each process; 0: none"),
    Variable(
        "FRESH_SECONDS", "5", "seconds, at most, until the store is asked again about what is kept"
    ),
    Variable("FAILURE_SECONDS", "30", "seconds for which a failure is answered without a new try"),
    Variable("QUEUE", "200", "images that may wait for a render process; more get 429"),
    Variable("SIGNING_KEY", None, "a secret: other renditions are served to who signs for them"),
)

_SHORTEST_KEY: Final = 16
_LONGEST_HEADER: Final = 256


@dataclass(frozen=True, slots=True)
class ThumbSettings:
    """How thumbnails are kept and served. Times in seconds, sizes in bytes."""

    cache_control: str
    cache_memory: int
    fresh: float
    failure: float
    queue: int
    signing_key: str | None = field(repr=False)

    @classmethod
    def parse(cls, read: Reader) -> ThumbSettings:
        """Read the variables. Raises ``SettingError`` for the first that is wrong."""
        return cls(
            cache_control=_header(read.text("CACHE_CONTROL") or ""),
            cache_memory=read.size("CACHE_MEMORY") or 0,
            fresh=read.seconds("FRESH_SECONDS") or 0.0,
            failure=read.seconds("FAILURE_SECONDS") or 0.0,
            queue=read.whole("QUEUE", 1, 100_000) or 1,
            signing_key=_secret(read.text("SIGNING_KEY")),
        )


def _header(text: str) -> str:
    if not (text.isascii() and text.isprintable() and len(text) <= _LONGEST_HEADER):
        accepted = "what HTTP's header of this name takes, as public, max-age=3600 or no-cache"
        raise SettingError("CACHE_CONTROL", text, accepted)
    return text


def _secret(text: str | None) -> str | None:
    if text is not None and len(text) < _SHORTEST_KEY:
        raise SettingError("SIGNING_KEY", "...", f"at least {_SHORTEST_KEY} characters")
    return text
