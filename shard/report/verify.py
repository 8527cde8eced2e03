"""What `verify` found, as text for a person and as JSON for a program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shard.planning.verdicts import EXPECTED, WRONG, Kind
from shard.report import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.execution.reconcile import Seen, Subject
    from shard.execution.removal import Removal
    from shard.execution.run_record import RunRecord
    from shard.planning.verdicts import Tally, Verdict

_SAID: Final = {
    Kind.FRESH: "there, not empty, not older than the original",
    Kind.MISSING: "not there",
    Kind.STALE: "older than the original",
    Kind.EMPTY: "there, without content",
    Kind.FAILED: "not made, for the reason in the ledger",
    Kind.DUPLICATE: "beside another one of the same image and rendition",
    Kind.ORPHAN: "without an original",
    Kind.UNDECODABLE: "there, but not an image as its name says",
}


@dataclass(slots=True)
class Result:
    """All that a verification found. ``opened``: how many thumbnails were decoded."""

    subject: Subject
    record: RunRecord
    tally: Tally
    seen: Seen
    opened: int = 0
    removal: Removal | None = None

    @property
    def closes(self) -> bool:
        """Whether the sums close, after what was removed."""
        return not any(self.wrong.values()) and self.seen.items > 0

    @property
    def wrong(self) -> dict[Kind, int]:
        """How many of each kind are wrong, less what was removed."""
        left: dict[Kind, int] = {kind: self.tally.counts[kind] for kind in WRONG}
        if self.removal is not None and not self.removal.dry:
            for kind, count in self.removal.removed.items():
                left[kind] -= count
        return left


def text(result: Result) -> str:
    """Return the result in 80 columns, URLs and keys excepted."""
    subject, tally, seen = result.subject, result.tally, result.seen
    each = words.plural(len(subject.rules.renditions), "rendition")
    lines = [
        f"Outputs {subject.output}",
        f"against {subject.source} ({subject.layout.text}, {each})",
    ]
    if subject.folder is not None:
        lines.append(f"ledgers {subject.folder.url}")
    expected = f"{words.number(tally.expected)} of {words.plural(seen.items, 'image')}"
    lines.append(_row("expected", expected))
    for kind in Kind:
        count = tally.counts[kind]
        if kind in _SAID and (count or kind in EXPECTED):
            lines.append(_row(kind, f"{words.number(count):<11} {_SAID[kind]}" if count else "0"))
            lines += _named(tally, kind)
    if other := tally.counts[Kind.OTHER]:
        lines.append(
            _row("others", f"{words.number(other):<11} of other names or sizes, left alone")
        )
    if result.opened:
        lines.append(_row("decoded", f"{words.number(result.opened)} opened"))
    lines += _odd(result)
    if result.removal is not None:
        lines += removal(result.removal)
    return "\n".join([*lines, "", verdict(result)])


def _named(tally: Tally, kind: Kind) -> Iterator[str]:
    if kind is Kind.FRESH:
        return
    if kind is Kind.FAILED:
        for reason, count in tally.reasons.most_common():
            yield f"              {reason} {words.number(count)}"
    first = tally.first.get(kind, [])
    for found in first:
        yield f"    {_what(found)}"
    if tally.counts[kind] > len(first):
        yield f"    ... and {words.number(tally.counts[kind] - len(first))} more"


def _what(found: Verdict) -> str:
    if found.output is not None:
        said = repr(found.output.key)
    else:
        said = f"{found.key!r} {found.rendition}"
    if found.kind is Kind.DUPLICATE and found.detail:
        return f"{said} beside {_file_name(found.detail)!r}"
    return said + (f" ({found.detail})" if found.detail else "")


def _file_name(key: str) -> str:
    return key.rpartition("/")[2]


def _odd(result: Result) -> Iterator[str]:
    tally, seen = result.tally, result.seen
    if tally.lost:
        lost = f"{words.plural(tally.lost, 'thumbnail')} missing that the ledger says were written"
        yield _row("lost", lost)
    if seen.twice:
        yield _row("twice", f"{words.plural(seen.twice, 'key')} listed more than once")
    if not seen.items:
        yield _row("images", "none: is this the source that was meant?")


def removal(removal: Removal) -> Iterator[str]:
    """Yield what became of orphans and duplicates, or would become of them."""
    how = "would be removed" if removal.dry else "removed"
    yield _row("removal", f"{removed(removal)} {how} ({words.size(removal.bytes)})")
    for reason, count in removal.kept.most_common():
        yield f"    kept {words.number(count)}, {reason}: {removal.first_kept[reason]!r}"
    if removal.dry and removal.removed.total():
        yield "    nothing was removed: answer y where it asks, or say --yes"


def removed(removal: Removal) -> str:
    """Return ``3 orphans and 1 duplicate``."""
    kinds = [words.plural(count, kind) for kind, count in sorted(removal.removed.items())]
    return " and ".join(kinds) or "nothing"


def verdict(result: Result) -> str:
    """Return the last line."""
    if result.closes:
        return f"All {words.number(result.tally.expected)} are as they should be."
    if not result.seen.items:
        return "There is nothing to verify."
    wrong = [f"{words.number(count)} {kind}" for kind, count in result.wrong.items() if count]
    return f"The sums do not close: {', '.join(wrong)}."


def as_json(result: Result) -> str:
    """Return the counts as one JSON document; the single verdicts are what --list writes."""
    subject, tally, seen, removal = result.subject, result.tally, result.seen, result.removal
    facts = {
        "source": subject.source,
        "output": subject.output,
        "layout": subject.layout.text,
        "renditions": [rendition.name for rendition in subject.rules.renditions],
        "ledgers": None if subject.folder is None else subject.folder.url,
        "images": seen.items,
        "expected": tally.expected,
        "outputs": seen.outputs,
        "counts": {kind.value: tally.counts[kind] for kind in Kind},
        "failed_reasons": dict(tally.reasons),
        "lost": tally.lost,
        "listed_twice": seen.twice,
        "ignored": dict(seen.ignored),
        "decoded": result.opened,
        "removed": None if removal is None or removal.dry else removal.removed.total(),
        "kept": None if removal is None else dict(removal.kept),
        "closes": result.closes,
    }
    return json.dumps(facts, indent=2, ensure_ascii=True)


def _row(name: str, what: str) -> str:
    return f"  {name:<11} {what}"
