"""Orphans and duplicates removed, and nothing else: each must prove itself before it goes.

One goes only if all of this holds; whatever is in doubt stays, with a reason:

* the layout ``collections``: it is named as a thumbnail, below ``thumbnails/``; any other layout: a
  ledger of a run with this very source says that Shard wrote it;
* the store, asked again, has no original for it; for a duplicate: has its original, and the other
  thumbnail, which is fresh;
* it is still the object that was listed;
* it lies neither in the source nor in Shard's own state, and no symbolic link leads to it.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import ObjectMissing, StorageError
from shard.execution import runs
from shard.execution.spill import Spill
from shard.planning.collections import parse_thumbnail
from shard.planning.freshness import decide
from shard.planning.inputs import STATE_FOLDER
from shard.planning.location import below, parse_location
from shard.planning.verdicts import Kind, LastWord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shard.execution.reconcile import Subject
    from shard.execution.run_record import RunRecord
    from shard.model import Item
    from shard.planning.verdicts import Verdict
    from shard.storage.base import Store


# What a word in the spill says of an output: what it was made of, what it lies beside.
_ORIGINAL: Final = "original"
_BETTER: Final = "better"


@dataclass(frozen=True, slots=True)
class _Suspect:
    """What may go: an orphan, or a duplicate beside the thumbnail ``better`` of ``original``."""

    item: Item
    original: str | None
    better: str | None

    @property
    def kind(self) -> Kind:
        return Kind.ORPHAN if self.better is None else Kind.DUPLICATE


@dataclass(slots=True)
class Removal:
    """Removes orphans and duplicates of ``subject``; ``kept`` counts what stayed, by reason.

    ``source`` and ``output`` are the stores. ``dry``: nothing was removed, ``removed`` would be.
    """

    subject: Subject
    source: Store
    output: Store
    removed: Counter[Kind] = field(default_factory=Counter)
    bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    first_kept: dict[str, str] = field(default_factory=dict)
    dry: bool = False

    def run(self, verdicts: Iterable[Verdict], past: Iterable[tuple[Store, RunRecord]]) -> None:
        """Remove those that prove themselves; ``past`` are the runs of this output."""
        for suspect in self._proven(verdicts, past):
            reason = self._doubt(suspect)
            if reason is None and not self.dry:
                reason = self._delete(suspect.item)
            if reason is None:
                self.removed[suspect.kind] += 1
                self.bytes += suspect.item.size
            else:
                self._keep(suspect.item, reason)

    def _proven(
        self, verdicts: Iterable[Verdict], past: Iterable[tuple[Store, RunRecord]]
    ) -> Iterator[_Suspect]:
        """Yield what may go, with its original where that is known."""
        if self.subject.layout.in_place:
            for verdict in verdicts:
                if verdict.output:
                    yield _Suspect(verdict.output, verdict.key, _better(verdict))
            return
        with Spill() as spill:
            for verdict in verdicts:
                _spill(verdict, spill)
            for output, key in self._made(past):
                spill.add_word(output, _ORIGINAL, LastWord("written", output=key), output)
            for part in spill.parts():
                for output in sorted(part.outputs):
                    said = part.words.get((output, _ORIGINAL))
                    better = part.words.get((output, _BETTER))
                    if said is None:
                        self._keep(part.outputs[output], "in no ledger of this source")
                    else:
                        other = better.output if better else None
                        yield _Suspect(part.outputs[output], said.output, other)

    def _made(self, past: Iterable[tuple[Store, RunRecord]]) -> Iterator[tuple[str, str]]:
        """Yield (output, original) of all that runs of this source and output ever made."""
        for folder, record in past:
            if record.source == self.subject.source and self._is_ours(record):
                for line in runs.lines(folder):
                    if line["status"] != "failed" and line.get("output"):
                        yield line["output"], line["key"]

    def _is_ours(self, record: RunRecord) -> bool:
        return runs.output_of(record).url == self.subject.output

    def _doubt(self, suspect: _Suspect) -> str | None:
        """Return why it must stay; ``None`` if nothing speaks for it."""
        key = suspect.item.key
        if f"/{STATE_FOLDER}/" in f"/{key}" or self._in_source(key):
            return "not an output"
        if self._is_linked(key):
            return "reached by a symbolic link"
        if suspect.better is not None:
            if not self._is_spare(suspect.original, suspect.better):
                return "the other one is not fresh"
        elif self._has_original(key, suspect.original):
            return "its original is there again"
        now, then = self.output.stat(key), suspect.item
        if now is None or (now.size, now.fingerprint) != (then.size, then.fingerprint):
            return "changed or gone since it was listed"
        return None

    def _is_spare(self, original: str | None, better: str) -> bool:
        """Ask the store whether this original has a fresh thumbnail in the other one."""
        item = None if original is None else self.source.stat(original)
        other = self.output.stat(better)
        return item is not None and other is not None and not decide(item, [other]).needed

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

    def _delete(self, item: Item) -> str | None:
        try:
            self.output.delete(item.key)
        except ObjectMissing:
            return "gone already"
        except StorageError as error:
            return f"refused: {error.what}"
        return None

    def _keep(self, item: Item, reason: str) -> None:
        self.kept[reason] += 1
        self.first_kept.setdefault(reason, item.key)


def _spill(verdict: Verdict, spill: Spill) -> None:
    if verdict.output is None:
        return
    key = verdict.output.key
    spill.add_output(verdict.output, key)
    if better := _better(verdict):
        spill.add_word(key, _BETTER, LastWord("written", output=better), key)


def _better(verdict: Verdict) -> str | None:
    return verdict.detail if verdict.kind is Kind.DUPLICATE else None
