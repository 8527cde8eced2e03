"""Thumbnails that this process served, for the page: a few paths, no queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT: Final = 24
_ROUTE: Final = "/thumb/"


class Recent:
    """Remembers paths below the service's root, still percent-encoded; the newest comes first."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    def note(self, route: str, scope: Mapping[str, Any]) -> None:
        """Remember a thumbnail that was served; one with a query (a signature) is none for all."""
        if not route.startswith(_ROUTE) or scope["query_string"]:
            return
        path = scope["raw_path"].decode("ascii").removeprefix(scope.get("root_path", ""))
        if path in self._paths:  # the page itself asks for all of them: their order stays
            return
        self._paths[path] = None
        if len(self._paths) > _KEPT:
            del self._paths[next(iter(self._paths))]

    @property
    def paths(self) -> list[str]:
        """What was served, without the leading slash."""
        return [path.removeprefix("/") for path in reversed(self._paths)]
