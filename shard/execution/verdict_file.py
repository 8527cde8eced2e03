"""Verdicts in a file, one JSON object a line: what would be too many to hold."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Self

from shard.execution.spill import local_disk
from shard.model import Item
from shard.planning.verdicts import Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


def line(verdict: Verdict) -> str:
    """Return a verdict as a line of JSON, what it does not say left out."""
    facts: dict[str, Any] = {
        "kind": verdict.kind,
        "key": verdict.key,
        "rendition": verdict.rendition,
        "detail": verdict.detail,
    }
    if output := verdict.output:
        modified = None if output.modified is None else output.modified.isoformat()
        facts |= {"output": output.key, "size": output.size, "modified": modified}
        facts["fingerprint"] = output.fingerprint
    return json.dumps({name: fact for name, fact in facts.items() if fact is not None})


def _verdict(text: str) -> Verdict:
    facts = json.loads(text)
    output = None
    if "output" in facts:
        modified = facts.get("modified")
        moment = None if modified is None else datetime.fromisoformat(modified)
        output = Item(facts["output"], facts["size"], moment, facts["fingerprint"])
    kind, key, rendition = Kind(facts["kind"]), facts.get("key"), facts.get("rendition")
    return Verdict(kind, key, rendition, output, facts.get("detail"))


class VerdictFile:
    """Takes verdicts, gives them back in the same order, as often as asked. A context manager."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        with local_disk():
            self._file: IO[str] = tempfile.TemporaryFile(
                "w+", encoding="ascii", prefix="shard-verify-", suffix=".jsonl"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, verdict: Verdict) -> None:
        """Take one."""
        with local_disk():
            self._file.write(line(verdict) + "\n")
        self.count += 1

    def __iter__(self) -> Iterator[Verdict]:
        """Yield them; nothing may be added meanwhile."""
        with local_disk():
            self._file.seek(0)
        for text in self._file:
            yield _verdict(text)
