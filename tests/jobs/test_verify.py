"""`shard verify` on real trees and servers: every number against a count made another way."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard.cli.run import command as run_command
from shard.cli.verify import command
from shard.storage import open_store
from shard.storage.base import StorageOptions
from tests.collections_tree import Tree, make_tree, plant, plant_store
from tests.program import FAULTS, ROOT, fill, outputs, picture, shard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers import GCSServer, S3Server

WRONG = ("missing", "stale", "empty", "failed", "duplicate", "orphan", "undecodable")


def verify(*arguments: str, variables: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Return the exit code and the JSON."""
    runner = CliRunner(env=dict(variables or {}))
    done = runner.invoke(command, [*arguments, "--format", "json"])
    assert done.stderr == "", done.stderr
    return done.exit_code, json.loads(done.stdout)


def wrong(data: Any) -> dict[str, int]:
    """Return how many there are of each wrong kind that there is."""
    return {kind: data["counts"][kind] for kind in WRONG if data["counts"][kind]}


def job(*arguments: str) -> None:
    """Run the main job; failed images are no surprise here."""
    done = CliRunner().invoke(run_command, [*arguments])
    assert done.exit_code in (0, 1), done.output


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """Return a source of four images and its output, all made."""
    fill(tmp_path / "in", ["a.jpg", "b/c.jpg", "b/d.jpg", "e.jpg"])
    job(str(tmp_path / "in"), str(tmp_path / "out"), "--sizes", "50,100")
    return tmp_path / "in", tmp_path / "out"


def test_a_run_that_made_everything_closes(made: tuple[Path, Path]) -> None:
    """Exit 0: by the output, by the run's folder, by source and output."""
    source, output = made
    (folder,) = (output / ".shard" / "runs").iterdir()

    for arguments in (
        [str(output)],
        [str(folder)],
        [str(source), str(output), "--sizes", "50,100"],
    ):
        code, data = verify(*arguments)
        assert (code, data["closes"], wrong(data)) == (0, True, {})
        assert (data["images"], data["expected"], data["counts"]["fresh"]) == (4, 8, 8)
        assert data["ledgers"] == str(folder)


def test_each_thing_that_is_wrong_is_counted(made: tuple[Path, Path]) -> None:
    """Missing, stale, empty, orphan and undecodable, each is told by its own name; exit 1."""
    source, output = made
    (output / "a_50x50.jpg").unlink()
    (output / "a_100x100.jpg").write_bytes(b"")
    os.utime(output / "b/c_50x50.jpg", (1, 1))
    (source / "e.jpg").unlink()
    whole = (output / "b/d_50x50.jpg").read_bytes()
    (output / "b/d_50x50.jpg").write_bytes(whole[: len(whole) // 2])
    code, data = verify(str(output), "--decode", "all")

    assert code == 1
    assert wrong(data) == {"missing": 1, "empty": 1, "stale": 1, "orphan": 2, "undecodable": 1}
    assert data["lost"] == 1
    assert data["decoded"] == 3


def test_what_failed_is_told_with_its_reason(tmp_path: Path) -> None:
    """An image that cannot be made is failed, not merely missing."""
    fill(tmp_path / "in", ["a.jpg"])
    (tmp_path / "in" / "broken.jpg").write_bytes(picture(300, 300)[:900])
    job(str(tmp_path / "in"), str(tmp_path / "out"))
    code, data = verify(str(tmp_path / "out"))

    assert code == 1
    assert wrong(data) == {"failed": 1}
    assert data["failed_reasons"] == {"truncated": 1}


def test_a_name_that_lies_is_undecodable(made: tuple[Path, Path]) -> None:
    """A GIF called .jpg is nothing that a browser should be given."""
    from PIL import Image

    _, output = made
    Image.new("L", (10, 10)).save(output / "a_50x50.jpg", "GIF")
    result = output.parent / "wrong.jsonl"
    _, data = verify(str(output), "--decode", "all", "--list", str(result))

    assert wrong(data) == {"undecodable": 1}
    assert json.loads(result.read_text())["detail"] == "wrong_name"


def test_a_sample_is_as_large_as_asked(made: tuple[Path, Path]) -> None:
    """``--decode 3`` opens three of those that are there."""
    _, data = verify(str(made[1]), "--decode", "3")

    assert data["decoded"] == 3


def test_one_that_is_too_large_costs_itself(made: tuple[Path, Path]) -> None:
    """A file over the limits of pixels is told, the others are opened all the same."""
    _, output = made
    (output / "a_50x50.jpg").write_bytes(picture(900, 900))
    code, data = verify(str(output), "--decode", "all", "--max-pixels", "100000")

    assert (code, wrong(data), data["decoded"]) == (1, {"undecodable": 1}, 8)


def test_a_decoder_that_dies_costs_one_thumbnail(made: tuple[Path, Path]) -> None:
    """A thumbnail that kills its decoder is told; the others are opened, and verify ends well."""
    _, output = made
    (output / "a_50x50.jpg").write_bytes(b"CRASH")
    done = shard(
        *("verify", str(output), "--decode", "all", "--format", "json"),
        variables={"PYTHONPATH": f"{FAULTS}:{ROOT}"},
    )
    data = json.loads(done.stdout)

    assert done.returncode == 1
    assert (wrong(data), data["decoded"]) == ({"undecodable": 1}, 8)


def test_all_that_is_wrong_is_listed(made: tuple[Path, Path], tmp_path: Path) -> None:
    """``--list`` writes one JSON a line, as many as are counted, each with its key."""
    _, output = made
    (output / "a_50x50.jpg").unlink()
    (output / "b/c_50x50.jpg").write_bytes(b"")
    verify(str(output), "--list", str(tmp_path / "wrong.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "wrong.jsonl").read_text().splitlines()]

    assert sorted((line["kind"], line["key"], line["rendition"]) for line in lines) == [
        ("empty", "b/c.jpg", "50x50"),
        ("missing", "a.jpg", "50x50"),
    ]


def test_orphans_go_only_when_it_is_agreed(made: tuple[Path, Path]) -> None:
    """Without --yes, and nobody to ask, nothing is removed; with it, the orphans are."""
    source, output = made
    (source / "e.jpg").unlink()
    before = outputs(output)
    asked = CliRunner().invoke(command, [str(output), "--delete-orphans"])
    assert "2 orphans would be removed" in asked.stdout
    assert outputs(output) == before
    code, data = verify(str(output), "--delete-orphans", "--yes")

    assert (code, data["removed"], data["closes"]) == (0, 2, True)
    assert set(before) - set(outputs(output)) == {"e_50x50.jpg", "e_100x100.jpg"}


def test_what_no_ledger_knows_stays(made: tuple[Path, Path]) -> None:
    """A picture that somebody put into the output is reported, and never removed."""
    source, output = made
    (output / "mine_50x50.jpg").write_bytes(picture(60, 60))
    (source / "e.jpg").unlink()
    code, data = verify(str(output), "--delete-orphans", "--yes")

    assert (code, data["removed"]) == (1, 2)
    assert data["kept"] == {"in no ledger of this source": 1}
    assert (output / "mine_50x50.jpg").exists()


def test_another_sources_thumbnails_stay(made: tuple[Path, Path]) -> None:
    """Two sources may share an output: what the other's runs made is not ours to remove."""
    source, output = made
    other = source.parent / "other"
    fill(other, ["z.jpg"])
    job(str(other), str(output), "--sizes", "50,100")
    code, data = verify(str(source), str(output), "--sizes", "50,100", "--delete-orphans", "--yes")

    assert (code, data["removed"]) == (1, None)
    assert data["counts"]["orphan"] == 2
    assert (output / "z_50x50.jpg").exists()


def test_a_source_without_images_removes_nothing(made: tuple[Path, Path]) -> None:
    """A source that is empty, or the wrong one, would make an orphan of everything: refused."""
    source, output = made
    for path in sorted(source.rglob("*.jpg")):
        path.unlink()
    before = outputs(output)
    done = CliRunner().invoke(command, [str(output), "--delete-orphans", "--yes"])

    assert done.exit_code == 2
    assert outputs(output) == before


def test_an_original_that_is_linked_into_the_output_stays(tmp_path: Path) -> None:
    """A symbolic link from the output into the source leads to no deletion."""
    fill(tmp_path / "in", ["a.jpg", "b.jpg"])
    job(str(tmp_path / "in"), str(tmp_path / "out"))
    (tmp_path / "in" / "b.jpg").unlink()
    (tmp_path / "keep").mkdir()
    (tmp_path / "out" / "b.jpg").rename(tmp_path / "keep" / "b.jpg")
    (tmp_path / "out" / "b.jpg").symlink_to(tmp_path / "keep" / "b.jpg")
    code, data = verify(str(tmp_path / "out"), "--delete-orphans", "--yes")

    assert code == 1
    assert data["kept"] == {"reached by a symbolic link": 1}
    assert (tmp_path / "out" / "b.jpg").is_symlink()


NAMES = st.sampled_from(["a.jpg", "b.jpg", "a_50x50.jpg", "s/a.jpg", "s/b.jpg", "out/a.jpg"])


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sets(NAMES, min_size=1, max_size=4),
    st.sets(NAMES, max_size=3),
    st.sampled_from([("in", "out"), ("s", "."), ("in", "in/out"), ("in", "in/s")]),
)
def test_no_original_is_ever_removed(
    tmp_path_factory: pytest.TempPathFactory,
    names: set[str],
    gone: set[str],
    places: tuple[str, str],
) -> None:
    """Whatever lies where, and wherever the output is: originals and others' files stay.

    What the job itself wrote over, as it was told to, in an output that held files, is an output.
    """
    root = tmp_path_factory.mktemp("hostile")
    source, output = root / places[0], root / places[1]
    fill(source, sorted(names))
    fill(root / "bystander", ["a.jpg"])
    job(str(source), str(output), "--existing", "overwrite")
    written = {
        output / json.loads(line)["output"]
        for path in output.glob(".shard/runs/*/task-*.jsonl")
        for line in path.read_text().splitlines()
        if json.loads(line)["status"] == "written"
    }
    for name in gone & names:
        (source / name).unlink(missing_ok=True)
    before = {path for path in root.rglob("*") if path.is_file()}
    CliRunner().invoke(command, [str(source), str(output), "--delete-orphans", "--yes"])
    after = {path for path in root.rglob("*") if path.is_file()}

    assert before - after <= written
    assert {source / name for name in names - gone} - written <= after


def counted(tree: Tree) -> dict[str, int]:
    """Return what a tree's verification must say, by what the tree says of itself."""
    states = tree.count()
    found = {kind: states[kind] for kind in ("missing", "stale", "empty")}
    return {k: n for k, n in (found | {"orphan": len(tree.orphans)}).items() if n}


def test_a_tree_of_collections_is_counted(tmp_path: Path) -> None:
    """Each number is the tree's own; one collection alone is a part of it."""
    tree = make_tree(240)
    plant(tree, tmp_path)
    code, data = verify(str(tmp_path), "--layout", "collections")

    assert code == 1
    assert wrong(data) == counted(tree)
    assert data["images"] == len(tree.originals)
    assert data["outputs"] == len(tree.thumbnails)
    _, one = verify(str(tmp_path), "-s", "200", "--collection", "botany")
    states = tree.count("botany")
    assert Counter(wrong(one)) - Counter(orphan=10**9) == Counter(
        {kind: states[kind] for kind in ("missing", "stale", "empty")}
    )


def test_orphans_of_collections_are_removed(tmp_path: Path) -> None:
    """Exactly the tree's orphans go; not one original, not one other thumbnail."""
    tree = make_tree(120)
    plant(tree, tmp_path)
    before = set(outputs(tmp_path))
    _, data = verify(str(tmp_path), "-s", "200", "--delete-orphans", "--yes")

    assert data["removed"] == len(tree.orphans)
    assert before - set(outputs(tmp_path)) == tree.orphans


def test_collections_close_once_made(tmp_path: Path) -> None:
    """After the job and the removal of orphans all thumbnails can be opened, and the sums close."""
    tree = make_tree(60)
    plant(tree, tmp_path)
    job(str(tmp_path), "--layout", "collections", "--sizes", "200,64")
    doomed = ("--delete-orphans", "--delete-duplicates", "--yes")
    code, data = verify(str(tmp_path), "--decode", "all", *doomed)

    assert data["counts"]["undecodable"] == 0
    assert data["decoded"] == data["counts"]["fresh"] == 2 * len(tree.originals)
    assert wrong(data).keys() == {"duplicate", "orphan"}
    assert data["removed"] == sum(wrong(data).values())
    assert (code, data["closes"]) == (0, True)
    assert verify(str(tmp_path))[0] == 0


@pytest.mark.parametrize("left_behind", ["x_200.jpg", "x_200.Png"])
def test_a_thumbnail_of_an_older_tool_goes_once_there_is_a_fresh_one(
    tmp_path: Path, left_behind: str
) -> None:
    """An empty ``x_200.jpg`` of ``x.JPG`` stays while it is alone, and goes beside a fresh one."""
    fill(tmp_path, ["c/originals/a/x.JPG"])
    old = tmp_path / "c/thumbnails/a" / left_behind
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    doomed = (str(tmp_path), "-s", "200", "--delete-orphans", "--delete-duplicates", "--yes")
    alone, _ = verify(*doomed)
    assert (alone, old.exists()) == (1, True)
    job(str(tmp_path), "--layout", "collections", "--sizes", "200")
    asked = CliRunner().invoke(command, [str(tmp_path), "-s", "200", "--delete-duplicates"])
    assert f"a/{left_behind}' beside 'x_200.JPG'" in asked.stdout
    assert "1 duplicate would be removed" in asked.stdout
    assert old.exists()
    code, data = verify(*doomed)

    assert (code, data["removed"], data["closes"]) == (0, 1, True)
    assert outputs(tmp_path).keys() == {"c/originals/a/x.JPG", "c/thumbnails/a/x_200.JPG"}


def test_a_duplicate_that_no_ledger_knows_stays(made: tuple[Path, Path]) -> None:
    """Beside another layout's output only what Shard wrote is removed."""
    _, output = made
    (output / "a_50x50.jpg.png").write_bytes(picture(50, 50))
    code, data = verify(str(output), "--delete-duplicates", "--yes")

    assert (code, wrong(data), data["removed"]) == (1, {"duplicate": 1}, None)
    assert data["kept"] == {"in no ledger of this source": 1}


def test_collections_on_seaweedfs(seaweed: S3Server) -> None:
    """On a server that lists in no byte order each number is still the tree's own."""
    tree, bucket = make_tree(60), seaweed.bucket()
    with pytest.MonkeyPatch.context() as patch:
        for name, text in seaweed.env.items():
            patch.setenv(name, text)
        plant_store(tree, open_store(f"s3://{bucket}/p", StorageOptions()))
    url = f"s3://{bucket}/p"
    code, data = verify(url, "-s", "200", variables=seaweed.env)
    _, removed = verify(url, "-s", "200", "--delete-orphans", "--yes", variables=seaweed.env)

    assert (code, wrong(data)) == (1, counted(tree))
    assert removed["removed"] == len(tree.orphans)


def test_a_run_on_gcs(fake_gcs: GCSServer) -> None:
    """Source, output and ledgers on GCS; the default output is found by its run."""
    bucket = fake_gcs.bucket()
    there = fake_gcs.client().bucket(bucket)
    for name in ("in/a.jpg", "in/b.jpg"):
        there.blob(name).upload_from_string(picture(80, 60), content_type="image/jpeg")
    done = shard("run", f"gs://{bucket}/in", variables=fake_gcs.env)
    assert done.returncode == 0, done.stderr
    code, data = verify(f"gs://{bucket}", variables=fake_gcs.env)
    there.blob("in/b.jpg").delete()
    later, gone = verify(f"gs://{bucket}", variables=fake_gcs.env)

    assert (code, data["expected"], data["closes"]) == (0, 2, True)
    assert (later, wrong(gone)) == (1, {"orphan": 1})


def manifest(path: Path, root: Path, tree: Tree) -> None:
    """Write a manifest as the older tool does, its times those of the files."""

    def when(key: str) -> str:
        return datetime.fromtimestamp((root / key).stat().st_mtime, UTC).isoformat()

    records = [
        {
            "original_key": key,
            "original_size": len(data),
            "original_modified": when(key),
            "base_thumbnail_key": key.replace("/originals/", "/thumbnails/"),
            "collection": key.partition("/")[0],
            "filename": key.rpartition("/")[2],
            "thumbnails": {},
        }
        for key, data in sorted(tree.originals.items())
    ]
    head = {
        "created_at": datetime.now(UTC).isoformat(),
        "storage_type": "local",
        "local_root": str(root),
        "s3_endpoint": None,
        "s3_bucket": None,
        "s3_prefix": "",
        "collections": ["botany", "ichthyology", "iz"],
        "collection_stats": [],
        "records": records,
        "scan_duration_seconds": 0.1,
    }
    path.write_text(json.dumps(head))


def test_a_manifest_of_a_part_makes_no_orphans_of_the_rest(tmp_path: Path) -> None:
    """Other collections do not count; an original that came after the scan has its thumbnails."""
    tree = make_tree(60)
    plant(tree, tmp_path)
    job(str(tmp_path), "--layout", "collections", "--sizes", "200")
    part = str(tmp_path / "m.json")
    shard("scan", str(tmp_path), "--collection", "iz", "--limit", "5", "-o", part)
    orphans = sum(key.startswith("iz/") for key in tree.orphans)
    _, data = verify("-m", part, "-s", "200")

    assert data["expected"] == data["counts"]["fresh"] == 5
    assert data["counts"]["orphan"] == orphans


def test_a_manifest_against_what_is_there(tmp_path: Path) -> None:
    """The manifest says what the originals are, the listing what became of them since."""
    tree = make_tree(60)
    plant(tree, tmp_path / "root")
    manifest(tmp_path / "m.json", tmp_path / "root", tree)
    fill(tmp_path / "root", ["botany/originals/zz/zz/later.jpg"])
    code, data = verify("-m", str(tmp_path / "m.json"))

    assert (code, wrong(data)) == (1, counted(tree))
    assert data["images"] == len(tree.originals)


def test_what_generate_made_is_verified_by_its_run(tmp_path: Path) -> None:
    """A run of `generate` is found like any: its sizes and its layout are in its record."""
    tree = make_tree(40)
    plant(tree, tmp_path / "root")
    manifest(tmp_path / "m.json", tmp_path / "root", tree)
    made = shard("generate", "-m", str(tmp_path / "m.json"), "-s", "200", "-s", "64")
    assert made.returncode == 0, made.stderr
    _, data = verify(str(tmp_path / "root"))

    assert data["counts"]["fresh"] == data["expected"] == 2 * len(tree.originals)
    assert data["counts"]["orphan"] == len(tree.orphans)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{0}/in"], "holds no run"),
        ([], "INPUT_FOLDER is not set"),
        (["{0}/in", "{0}/out", "--decode", "some"], "--decode is 'some'"),
        (["{0}/in", "{0}/out", "--list", "{0}/no/x"], "--list is"),
        (["{0}/in", "{0}/out", "--collection", "a"], "--collection is 'a'"),
        (["{0}/in", "{0}/out", "--layout", "{{run}}/{{name}}"], "LAYOUT is"),
        (["{0}/in", "{0}/in"], "no original is overwritten"),
        (["{0}/no", "{0}/out"], "the folder does not exist"),
        (["-m", "{0}/no.json"], "no such manifest"),
    ],
    ids=[
        *("no-run", "nothing", "decode", "list", "collection", "run-layout", "same", "missing"),
        "no-manifest",
    ],
)
def test_what_cannot_be_verified_is_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    """A wrong question is one sentence and exit 2."""
    fill(tmp_path / "in", ["a.jpg"])
    done = shard("verify", *[argument.format(tmp_path) for argument in arguments], cwd=tmp_path)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_text_says_the_same(made: tuple[Path, Path]) -> None:
    """For a person: counts, first keys, and a last line that says whether the sums close."""
    _, output = made
    (output / "a_50x50.jpg").unlink()
    done = shard("verify", str(output))

    assert done.returncode == 1
    assert "'a.jpg' 50x50 (written)" in done.stdout
    assert done.stdout.endswith("The sums do not close: 1 missing.\n")
