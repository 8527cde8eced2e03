"""Sidecar lists that say which pictures are under copyright, and may only be shown small."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shard.errors import SettingError
from shard.planning.markers import stem_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMES: Final = ("id", "fileId", "sourceFilePath")
_STATUS: Final = "copyrightStatus"
_SAYS: Final = "copyright"


@dataclass(frozen=True, slots=True)
class Copyrights:
    """The names of pictures under copyright: ids, file ids, paths."""

    names: frozenset[str] = frozenset()

    def cover(self, key: str) -> bool:
        """Tell whether a source key is on a list.

        By its whole key, its file name, or either without the extension. Two files of one name in
        different folders are both taken for it: rather a picture too small than one too large.
        """
        name = key.rpartition("/")[2]
        return not self.names.isdisjoint((key, name, stem_of(key), stem_of(name)))


def read_copyrights(data: bytes, where: str) -> frozenset[str]:
    """Read a list: a JSON dict of records with id, fileId or sourceFilePath, and copyrightStatus.

    Records whose status is ``copyright`` (in any case) count. Raises ``SettingError``.
    """
    accepted = "a JSON dict of records with id, fileId or sourceFilePath, and copyrightStatus"
    try:
        records = json.loads(data)
    except (ValueError, RecursionError):
        raise SettingError("--copyright-list", where, accepted) from None
    if not isinstance(records, dict) or not all(isinstance(r, dict) for r in records.values()):
        raise SettingError("--copyright-list", where, accepted)
    return frozenset(_names_in(records.items()))


def _names_in(records: Iterable[tuple[str, dict[str, Any]]]) -> Iterable[str]:
    for key, record in records:
        if str(record.get(_STATUS) or "").strip().lower() != _SAYS:
            continue
        yield key
        for name in _NAMES:
            if value := record.get(name):
                path = str(value)
                path = path.partition("://")[2].partition("/")[2] if "://" in path else path
                yield path.strip("/")
