"""What a request to `/thumb` is for: a served source, an allowed rendition, a key."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from shard.planning import asked
from shard.service.refusal import Refusal
from shard.service.workers import SIGNED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from shard.execution.served import ServedSite
    from shard.model import Rendition


class Place(NamedTuple):
    """What a picture is known by."""

    site: str
    rendition: str
    key: str


@dataclass(frozen=True, slots=True)
class Wish:
    """One rendition of one image of a site."""

    site: ServedSite
    rendition: Rendition
    key: str

    @property
    def place(self) -> Place:
        """What the picture is known by."""
        return Place(self.site.name, self.rendition.name, self.key)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Reads what requests are for. A site of no name is the only one."""

    sites: Mapping[str, ServedSite]
    signing_key: str | None

    def read(self, scope: Scope) -> Wish:
        """Return what the URL means. Raises ``Refusal``."""
        raw, root = scope["raw_path"], scope.get("root_path", "").encode()
        try:
            what = asked.parse_path(raw.removeprefix(root))
            asked.check_key(what.key)
            site, key = self._site(what.key)
            rendition = self._signed(what, scope["query_string"])
            if rendition is not None:
                return Wish(self.sites[f"{SIGNED}{site.name}"], rendition, key)
            return Wish(site, asked.named(what.rendition, site.recipe.renditions), key)
        except asked.BadRequest as error:
            raise Refusal(error.status, error.reason, str(error)) from None

    def _signed(self, what: asked.Asked, query: bytes) -> Rendition | None:
        if b"signature=" not in query:
            return None
        said = dict(parse_qsl(query.decode("ascii", "replace")))
        return asked.signed(self.signing_key, what, said, time.time())

    def _site(self, key: str) -> tuple[ServedSite, str]:
        """Return the source that a key lies in, and the key there."""
        name, rest = "", key
        if "" not in self.sites:
            name, _, rest = key.partition("/")
        site = self.sites.get(name)
        if site is None or name.startswith(SIGNED) or not rest:
            names = ", ".join(one for one in self.sites if not one.startswith(SIGNED))
            message = f"no such source; a key begins with one of: {names}"
            raise Refusal(404, "no_source", message)
        if "://" in site.recipe.source and not _is_text(key):
            raise Refusal(400, "key_refused", "the key is not UTF-8")
        return site, rest


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
