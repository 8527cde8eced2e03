"""YAML as data with its comments: the one place that knows ruamel.yaml."""

from __future__ import annotations

import io
from typing import Any

from shard.errors import MissingExtra


def load(text: str) -> list[Any]:
    """Return the documents of a YAML text; maps and lists remember their comments."""
    return list(_yaml().load_all(text))


def dump(documents: list[Any]) -> str:
    """Return the text of documents, separated by ``---``, comments kept."""
    out = io.StringIO()
    _yaml().dump_all(documents, out)
    return out.getvalue()


def quoted(text: str) -> Any:
    """Return a text that is written in double quotes.

    kubectl, gcloud and others read YAML 1.1, where a plain ``yes``, ``on`` or ``12:30`` is no text.
    """
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    return DoubleQuotedScalarString(text)


def _yaml() -> Any:
    try:
        from ruamel.yaml import YAML
    except ImportError as error:
        raise MissingExtra("shard deploy", "deploy") from error
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never fold a line: a value stays where a person looks for it
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
