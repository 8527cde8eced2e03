"""Orphans removed, and nothing else: each must prove itself before it goes.

An orphan goes only if all of this holds; whatever is in doubt stays, with a reason:

* the layout ``collections``: it is named as a thumbnail, below ``thumbnails/``; any other layout: a
  ledger of a run with this very source says that Shard wrote it;
* the store, asked again, has no original for it;
* it is still the object that was listed;
* it lies neither in the source nor in Shard's own state, and no symbolic link leads to it.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.errors import ObjectMissing, StorageError
from shard.execution import runs
from shard.execution.spill import Spill
from shard.planning.collections import parse_thumbnail
from shard.planning.inputs import STATE_FOLDER
from shard.planning.location import below, parse_location
from shard.planning.verdicts import LastWord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shard.execution.reconcile import Subject
    from shard.execution.run_record import RunRecord
    from shard.model import Item
    from shard.planning.verdicts import Verdict
    from shard.storage.base import Store


@dataclass(slots=True)
class Removal:
    """Removes orphans of ``subject``; ``kept`` counts what stayed, by reason.

    ``source`` and ``output`` are the stores. ``dry``: nothing was removed, ``removed`` would be.
    """

    subject: Subject
    source: Store
    output: Store
    removed: int = 0
    bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    first_kept: dict[str, str] = field(default_factory=dict)
    dry: bool = False

    def run(self, orphans: Iterable[Verdict], past: Iterable[tuple[Store, RunRecord]]) -> None:
        """Remove those that prove themselves; ``past`` are the runs of this output."""
        for orphan, original in self._proven(orphans, past):
            reason = self._doubt(orphan, original)
            if reason is None and not self.dry:
                reason = self._delete(orphan)
            if reason is None:
                self.removed += 1
                self.bytes += orphan.size
            else:
                self._keep(orphan, reason)

    def _proven(
        self, orphans: Iterable[Verdict], past: Iterable[tuple[Store, RunRecord]]
    ) -> Iterator[tuple[Item, str | None]]:
        """Yield orphans and, where a ledger tells, the original that each was made of."""
        if self.subject.layout.in_place:
            yield from ((verdict.output, None) for verdict in orphans if verdict.output)
            return
        with Spill() as spill:
            for verdict in orphans:
                if verdict.output:
                    spill.add_output(verdict.output, verdict.output.key)
            for output, key in self._made(past):
                spill.add_word(output, "", LastWord("written", output=key), output)
            for part in spill.parts():
                for output in sorted(part.outputs):
                    word = part.words.get((output, ""))
                    if word is None:
                        self._keep(part.outputs[output], "in no ledger of this source")
                    else:
                        yield part.outputs[output], word.output

    def _made(self, past: Iterable[tuple[Store, RunRecord]]) -> Iterator[tuple[str, str]]:
        """Yield (output, original) of all that runs of this source and output ever made."""
        for folder, record in past:
            if record.source == self.subject.source and self._is_ours(record):
                for line in runs.lines(folder):
                    if line["status"] != "failed" and line.get("output"):
                        yield line["output"], line["key"]

    def _is_ours(self, record: RunRecord) -> bool:
        return runs.output_of(record).url == self.subject.output

    def _doubt(self, orphan: Item, original: str | None) -> str | None:
        """Return why an orphan must stay; ``None`` if nothing speaks for it."""
        key = orphan.key
        if f"/{STATE_FOLDER}/" in f"/{key}" or self._in_source(key):
            return "not an output"
        if self._is_linked(key):
            return "reached by a symbolic link"
        if self._has_original(key, original):
            return "its original is there again"
        now = self.output.stat(key)
        if now is None or (now.size, now.fingerprint) != (orphan.size, orphan.fingerprint):
            return "changed or gone since it was listed"
        return None

    def _in_source(self, key: str) -> bool:
        layout = self.subject.layout
        if layout.in_place:
            return layout.accepts(key) or not layout.is_leftover(key, ())
        output = parse_location(self.subject.output, "output")
        inside = below(output, parse_location(self.subject.source, "source"))
        return inside is not None and f"{key}/".startswith(f"{inside}/" if inside else "")

    def _is_linked(self, key: str) -> bool:
        output = parse_location(self.subject.output, "output")
        if output.scheme != "file":
            return False
        root = os.path.realpath(output.url)
        path = os.path.join(root, key)  # noqa: PTH118  # keys are strings with surrogates
        return os.path.realpath(path) != path

    def _has_original(self, key: str, original: str | None) -> bool:
        """Ask the store for the original that a ledger names, or that the name belongs to."""
        if original is not None:
            return self.source.stat(original) is not None
        name, layout = parse_thumbnail(key), self.subject.layout
        if name is None:
            return True
        return any(
            layout.accepts(item.key) and layout.group(item.key) == name.group
            for item in self.source.list(prefix=name.originals)
        )

    def _delete(self, orphan: Item) -> str | None:
        try:
            self.output.delete(orphan.key)
        except ObjectMissing:
            return "gone already"
        except StorageError as error:
            return f"refused: {error.what}"
        return None

    def _keep(self, orphan: Item, reason: str) -> None:
        self.kept[reason] += 1
        self.first_kept.setdefault(reason, orphan.key)
