"""`shard report`: every figure against a count made another way."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from shard.jobs.report import Wish, run_report
from shard.jobs.scan import Wish as Scan
from shard.jobs.scan import run_scan
from shard.manifest import open_manifest
from shard.planning.location import parse_location
from shard.report.pace import ASSUMED
from shard.report.scan import Listed
from shard.report.survey import survey
from shard.report.tables import Block, Table, plain
from tests.collections_tree import COLLECTIONS, Tree, make_tree, plant, thumbnail_key

if TYPE_CHECKING:
    from pathlib import Path

LARGER = 400


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, str]:
    """Plant a tree with a few larger thumbnails too; return it and its manifest."""
    root = tmp_path_factory.mktemp("report")
    tree = make_tree(400)
    for key in sorted(tree.originals)[::7]:
        tree.thumbnails[thumbnail_key(key, LARGER)] = b"larger" * len(key)
    plant(tree, root, "attachments")
    output = f"{root}/m.parquet"
    run_scan(Scan(parse_location(str(root), "x"), "attachments", output), Listed(), lambda _: None)
    return tree, output


def said(output: str, **asked: Any) -> str:
    """Return what a report says."""
    lines: list[str] = []

    def show(blocks: list[Block]) -> None:
        lines.append(plain(blocks))

    assert run_report(Wish(open_manifest(output), **asked), show, lines.append) == 0
    return "\n".join(lines)


def document(output: str, **asked: Any) -> dict[str, Any]:
    """Return a report's JSON document."""
    loaded: dict[str, Any] = json.loads(said(output, form="json", **asked))
    return loaded


def of(tree: Tree, collection: str) -> list[str]:
    """Return a collection's originals."""
    return [key for key in tree.originals if key.startswith(f"{collection}/")]


def test_summary(planted: tuple[Tree, str]) -> None:
    """Images and coverage are those of the tree, by collection and in all."""
    tree, output = planted
    found = document(output)
    for row in found["rows"]:
        keys = of(tree, row["collection"])
        counts = Counter(tree.state[key] for key in keys)
        having = sum(
            thumbnail_key(k) in tree.thumbnails or thumbnail_key(k, LARGER) in tree.thumbnails
            for k in keys
        )
        assert row["images"] == len(keys)
        assert row["with_thumbnails"] == having
        assert row["fresh"] == counts["fresh"]
        assert row["to_make"] == len(keys) - counts["fresh"]
        assert (row["missing"], row["empty"], row["stale"]) == (
            counts["missing"],
            counts["empty"],
            counts["stale"],
        )
        assert row["orphans"] == sum(k.startswith(row["collection"] + "/") for k in tree.orphans)
        assert row["coverage"] == pytest.approx(having / len(keys), abs=1e-6)

    assert [row["collection"] for row in found["rows"]] == list(COLLECTIONS)
    assert found["total"]["images"] == len(tree.originals)
    assert found["to_make"] == tree.needed()


def test_detailed(planted: tuple[Tree, str]) -> None:
    """Bytes are those of the files."""
    tree, output = planted
    for row in document(output, kind="detailed")["rows"]:
        name = row["collection"]
        theirs = [
            len(data)
            for key, data in tree.thumbnails.items()
            if key.startswith(f"{name}/") and key not in tree.orphans
        ]
        assert row["original_bytes"] == sum(len(tree.originals[key]) for key in of(tree, name))
        assert (row["thumbnails"], row["thumbnail_bytes"]) == (len(theirs), sum(theirs))
        assert row["orphan_bytes"] == sum(
            len(tree.thumbnails[key]) for key in tree.orphans if key.startswith(f"{name}/")
        )


def test_sizes_against_duckdb(planted: tuple[Tree, str]) -> None:
    """Every scale of every collection is what DuckDB counts in the file itself."""
    _, output = planted
    counted = duckdb.execute(
        "select collection, t.scale, count(*), sum(t.size) from (select collection, "
        "unnest(thumbnails) t from read_parquet(?)) group by all order by all",
        [output],
    ).fetchall()
    rows = document(output, kind="sizes", size=LARGER)["rows"]
    found = [(r["collection"], r["size"], r["images"], r["bytes"]) for r in rows]

    assert found == counted
    assert [row["asked"] for row in rows] == [row["size"] == LARGER for row in rows]


def test_an_absent_size_is_marked_too(planted: tuple[Tree, str]) -> None:
    """The size that was asked has its row even where no thumbnail has it."""
    tree, output = planted
    found = document(output, kind="sizes", size=150)
    marked = [line for line in said(output, kind="sizes", size=150).splitlines() if line[:1] == "*"]

    assert [row["images"] for row in found["rows"] if row["asked"]] == [0, 0, 0]
    assert found["to_make"] == len(tree.originals)
    assert len(marked) == 4
    assert all("150 px" in line and " 0 " in line and "0.0%" in line for line in marked)


def test_plan(planted: tuple[Tree, str]) -> None:
    """What would be made, by format and bytes, is what the tree lacks."""
    tree, output = planted
    kinds = {"jpg": "jpeg", "tif": "tiff"}
    expected: dict[tuple[str, str, str], list[int]] = {}
    for key, state in tree.state.items():
        if state == "fresh":
            continue
        ext = key.rpartition(".")[2].lower()
        made = thumbnail_key(key).rpartition(".")[2]
        pair = (key.partition("/")[0], kinds.get(ext, ext), kinds.get(made, made))
        expected.setdefault(pair, []).append(len(tree.originals[key]))
    found = document(output, kind="plan", cadence=0.25)
    got = {
        (r["collection"], r["original"], r["thumbnail"]): (r["images"], r["bytes"])
        for r in found["rows"]
    }

    assert got == {pair: (len(sizes), sum(sizes)) for pair, sizes in expected.items()}
    assert sum(row["images"] for row in found["total"]) == tree.needed()


def test_times(planted: tuple[Tree, str]) -> None:
    """Times follow from the images, the tasks and the slower of rate and cadence."""
    tree, output = planted
    times = document(output, kind="plan", cadence=0.25)["times"]
    asked = {(t["cadence"], t["tasks"]): t["seconds"] for t in times}
    expected = {
        (cadence, tasks): pytest.approx(
            -(-tree.needed() // tasks) * max(cadence, 1 / ASSUMED), abs=0.06
        )
        for cadence in (0.0, 0.1, 0.25, 0.5, 1.0)
        for tasks in (1, 10, 100)
    }

    assert asked == expected


def test_the_pace_of_the_latest_run(planted: tuple[Tree, str], tmp_path: Path) -> None:
    """Where a run left its ledger beside the originals, its rate counts and is named."""
    _, output = planted
    manifest = open_manifest(output)
    folder = tmp_path / "attachments/.shard/runs/r1"
    folder.mkdir(parents=True)
    record: dict[str, Any] = {
        "run": "r1",
        "started": "2026-11-21T00:00:00+00:00",
        "source": "x",
        "output": "x",
    }
    record |= {"output_bucket": None, "renditions": "200", "layout": "collections"}
    record |= {"slice": "hash", "count": 2, "version": "0"}
    (folder / "run.json").write_text(json.dumps(record))
    for index in range(2):
        attempt = {"seconds": 10.0, "totals": {"items_rendered": 250}}
        name = f"task-0000{index}-of-00002.json"
        (folder / name).write_text(json.dumps({"attempts": [attempt, attempt]}))
    here = replace(manifest.header, local_root=str(tmp_path))
    manifest.header = here
    lines: list[str] = []
    run_report(Wish(manifest, form="json"), lambda _: None, lines.append)
    found = json.loads("\n".join(lines))

    assert (found["images_per_second"], found["images_per_second_from"]) == (25.0, "r1")


@pytest.mark.parametrize("every", [False, True])
def test_missing(planted: tuple[Tree, str], *, every: bool) -> None:
    """The originals that need work, in key order: the first 100 and how many more, or all."""
    tree, output = planted
    expected = [
        f"{state:<8} {key}" for key, state in sorted(tree.state.items()) if state != "fresh"
    ]
    lines = said(output, kind="missing", every=every).splitlines()

    assert lines[:-1] == (expected if every else expected[:100])
    assert f"{len(expected)} images need a thumbnail of 200 px" in lines[-1]
    assert (f"{len(expected) - 100} more" in lines[-1]) is not every


@pytest.mark.parametrize("kind", ["summary", "detailed", "plan", "missing", "sizes"])
def test_filters_act_on_all_types(planted: tuple[Tree, str], kind: str) -> None:
    """--collection, -s and -c change every type; CSV and JSON have the same rows."""
    tree, output = planted
    asked: dict[str, Any] = {"kind": kind, "collections": ("iz",), "size": LARGER, "cadence": 2.0}
    found = document(output, **asked, every=True)
    rows = list(csv.DictReader(io.StringIO(said(output, form="csv", **asked, every=True))))
    without = [k for k in of(tree, "iz") if thumbnail_key(k, LARGER) not in tree.thumbnails]

    assert found["collections"] == ["iz"]
    assert {row["collection"] for row in found["rows"]} == {"iz"}
    assert found["to_make"] == len(without)
    assert found["seconds"] == 2.0 * len(without)
    assert [
        {k: "" if v is None else str(v) for k, v in row.items()} for row in found["rows"]
    ] == rows
    if kind != "missing":
        text = said(output, **asked)
        assert "botany" not in text
        assert f"{len(without)} thumbnails of {LARGER} px" in text
        assert "cadence 2 s" in text


def test_text_says_what_json_says(planted: tuple[Tree, str]) -> None:
    """The table of the summary has the document's figures."""
    _, output = planted
    rows = {row["collection"]: row for row in document(output)["rows"]}
    text = said(output)

    for name, row in rows.items():
        line = next(line for line in text.splitlines() if line.split()[:1] == [name])
        assert [int(n) for n in re.findall(r" (\d+)(?= |$)", line)] == [
            row["images"],
            row["with_thumbnails"],
            row["fresh"],
            row["to_make"],
        ]


@pytest.mark.parametrize("kind", ["summary", "detailed", "plan", "sizes"])
def test_millions_fit_80_columns(
    planted: tuple[Tree, str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with a thousand times as much, and long names, tables stay within 80 columns."""
    _, output = planted
    from shard.jobs import report as job

    def grown(*asked: Any) -> Any:
        found = survey(*asked)
        for tally in found.collections.values():
            for _ in range(15):
                tally.add_tally(tally)
        found.collections = {name * 9: tally for name, tally in found.collections.items()}
        return found

    monkeypatch.setattr(job, "survey", grown)
    blocks: list[Block] = []
    run_report(Wish(open_manifest(output), kind=kind), blocks.extend, lambda _: None)
    tables = [block.plain() for block in blocks if isinstance(block, Table)]

    assert tables
    assert max(len(line) for table in tables for line in table.splitlines()) <= 80


def test_without_leftovers(planted: tuple[Tree, str], tmp_path: Path) -> None:
    """A manifest that was moved away from its leftovers says so instead of counting none."""
    _, output = planted
    moved = tmp_path / "m.parquet"
    moved.write_bytes(open(output, "rb").read())  # noqa: PTH123, SIM115 - a copy
    found = document(str(moved), kind="detailed")

    assert found["rows"][0]["orphans"] is None
    assert "not known" in said(str(moved))
