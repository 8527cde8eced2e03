"""Listings cut up by group on local disk: nothing is lost or changed, groups stay whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import StorageError
from shard.execution.spill import Spill
from shard.execution.verdict_file import VerdictFile
from shard.model import Item
from shard.planning.verdicts import Kind, LastWord, Verdict

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.text(min_size=1, max_size=8)  # surrogates too: keys of local disk need not be UTF-8
EPOCH = datetime.fromtimestamp(0, UTC)
TIMES = st.none() | st.timedeltas(timedelta(0), timedelta(days=50_000)).map(EPOCH.__add__)
ITEMS = st.builds(Item, NAMES, st.integers(0, 1 << 50), TIMES, st.text(max_size=5))


@given(st.lists(ITEMS, max_size=30), st.lists(ITEMS, max_size=30))
def test_what_goes_in_comes_out(items: list[Item], outputs: list[Item]) -> None:
    """Every item and output comes back as it was, once; one group never lies in two parts."""
    with Spill() as spill:
        for item in items:
            spill.add_item(item, item.key[:1])
        for output in outputs:
            spill.add_output(output, output.key[:1])
        parts = list(spill.parts())

    assert {k: i for part in parts for k, i in part.items.items()} == {i.key: i for i in items}
    assert {k: o for part in parts for k, o in part.outputs.items()} == {o.key: o for o in outputs}
    groups = [{key[:1] for key in (*part.items, *part.outputs)} for part in parts]
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_a_key_that_is_listed_twice_is_counted() -> None:
    """A store that names a key again is told of; the key is still one."""
    item = Item("a.jpg", 1, datetime(2026, 1, 1, tzinfo=UTC))
    with Spill() as spill:
        spill.add_item(item, "a")
        spill.add_item(item, "a")
        (part,) = spill.parts()

    assert (len(part.items), part.twice) == (1, 1)


@pytest.mark.parametrize(
    ("statuses", "last"),
    [
        (["failed", "written"], "written"),
        (["written", "failed"], "failed"),
        (["written", "skipped"], "written"),
        (["failed", "skipped"], "skipped"),
    ],
    ids=["mended", "broken", "written-then-fresh", "failed-then-fresh"],
)
def test_the_last_word_counts(statuses: list[str], last: str) -> None:
    """As for `status`: a later word holds, but what was written stays so when it is skipped."""
    with Spill() as spill:
        for status in statuses:
            spill.add_word("a.jpg", "200x200", LastWord(status), "a")
        (part,) = spill.parts()

    assert part.words["a.jpg", "200x200"].status == last


def test_a_disk_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence is about TMPDIR, not about the bucket."""
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")

    with pytest.raises(StorageError, match="TMPDIR"), Spill():
        pass


def test_verdicts_come_back_from_their_file(tmp_path: Path) -> None:
    """A verdict is the same after its file, as often as it is read."""
    moment = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC) + timedelta(days=1)
    verdicts = [
        Verdict(Kind.ORPHAN, output=Item("\udce4.jpg", 5, moment, "tag")),
        Verdict(Kind.FAILED, "a.jpg", "200x200", detail="truncated"),
    ]
    with VerdictFile() as file:
        for verdict in verdicts:
            file.add(verdict)

        assert list(file) == list(file) == verdicts
        assert file.count == 2
