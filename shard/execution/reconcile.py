"""What there is against what there should be: source, output and ledgers, streamed and joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shard.execution import runs
from shard.execution.intake import Listing
from shard.execution.spill import Spill
from shard.planning.inputs import STATE_FOLDER
from shard.planning.verdicts import LastWord, Rules, judge_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shard.model import Item
    from shard.planning.layout import Reversible
    from shard.planning.verdicts import Verdict
    from shard.storage.base import Store


@dataclass(frozen=True, slots=True)
class Subject:
    """What is verified.

    ``list_source`` and ``list_output`` begin a listing; keys are below ``source`` and ``output``.
    ``items``: where a manifest, not the source's listing, says what the inputs are. ``folder``:
    of the run whose ledgers count, if there is one. ``collections``: only these (none: all).
    ``exclude``: prefixes of the source that hold outputs.
    """

    source: str
    output: str
    rules: Rules
    list_source: Callable[[], Iterator[Item]]
    list_output: Callable[[], Iterator[Item]]
    exclude: tuple[str, ...] = ()
    exclude_runs: bool = False
    items: Callable[[], Iterator[Item]] | None = None
    folder: Store | None = None
    collections: frozenset[str] = frozenset()

    @property
    def layout(self) -> Reversible:
        """The rule for output keys."""
        return self.rules.layout

    def concerns(self, key: str) -> bool:
        """Tell whether a key is of one of the collections that were asked for."""
        return not self.collections or key.partition("/")[0] in self.collections


@dataclass(slots=True)
class Seen:
    """How many inputs and outputs the listings named; ``twice``: keys that they named again."""

    items: int = 0
    outputs: int = 0
    twice: int = 0
    words: int = 0
    ignored: dict[str, int] = field(default_factory=dict)


def reconcile(subject: Subject, seen: Seen) -> Iterator[Verdict]:
    """Yield every verdict; ``seen`` is filled in meanwhile.

    Takes about 100 bytes of TMPDIR an object, and the memory of a hundredth of all objects.
    The output is listed before the source: a thumbnail that is seen had its original then, so that
    what is made meanwhile is never taken for an orphan.
    """
    layout = subject.layout
    with Spill() as spill:
        if layout.in_place and subject.items is None:
            found = _outputs_aside(subject, spill, seen)
        else:
            listed = subject.list_output()
            if layout.in_place:
                listed = _originals_aside(subject, listed, spill)
            for output in _outputs(subject, listed, seen):
                spill.add_output(output, layout.output_group(output.key))
            found = subject.list_source() if subject.items is None else subject.items()
        for item in _inputs(subject, found, seen):
            spill.add_item(item, layout.group(item.key))
        if subject.folder is not None:
            _words(subject, subject.folder, spill, seen)
        for part in spill.parts():
            seen.twice += part.twice
            items_in_order = sorted(part.items.values(), key=lambda item: item.key)
            yield from judge_groups(
                items_in_order, part.outputs, part.words, subject.rules, part.bystanders
            )


def _outputs_aside(subject: Subject, spill: Spill, seen: Seen) -> Iterator[Item]:
    """Pass on the inputs of one listing that holds both; keep its outputs on the way."""
    for found in subject.list_source():
        if subject.layout.accepts(found.key):
            yield found
            continue
        for output in _outputs(subject, (found,), seen):
            spill.add_output(output, subject.layout.output_group(output.key))


def _originals_aside(subject: Subject, listed: Iterable[Item], spill: Spill) -> Iterator[Item]:
    """Pass on all but the originals; the thumbnails of those that no manifest knows have one."""
    for found in listed:
        if not subject.layout.accepts(found.key):
            yield found
        elif subject.concerns(found.key):
            spill.add_bystander(found.key, subject.layout.group(found.key))


def _inputs(subject: Subject, found: Iterable[Item], seen: Seen) -> Iterator[Item]:
    listing = Listing(
        (item for item in found if subject.concerns(item.key)),
        exclude=subject.exclude,
        exclude_runs=subject.exclude_runs,
        accepts=subject.layout.accepts,
    )
    yield from listing
    seen.items, seen.ignored = listing.inputs, dict(listing.ignored)


def _outputs(subject: Subject, found: Iterable[Item], seen: Seen) -> Iterator[Item]:
    """Pass on what can be an output: no state of Shard, no folder marker, no original."""
    for output in found:
        if f"/{STATE_FOLDER}/" in f"/{output.key}" or output.key.endswith("/"):
            continue
        if subject.layout.in_place and subject.layout.accepts(output.key):
            continue
        if subject.concerns(output.key):
            seen.outputs += 1
            yield output


def _words(subject: Subject, folder: Store, spill: Spill, seen: Seen) -> None:
    for line in runs.lines(folder):
        if subject.concerns(line["key"]) and subject.layout.accepts(line["key"]):
            word = LastWord(line["status"], line.get("reason"), line.get("output"))
            seen.words += 1
            spill.add_word(line["key"], line["rendition"], word, subject.layout.group(line["key"]))
