"""`shard generate` as users call it: manifests in, thumbnails out, on every store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shard.planning.location import Location, parse_location
from shard.storage import open_store
from shard.storage.base import StorageOptions
from tests.collections_tree import (
    COLLECTIONS,
    Tree,
    make_tree,
    picture,
    plant,
    plant_store,
    thumbnail_key,
)
from tests.inventories import take
from tests.program import FAULTS, ROOT, environment, lines, outputs, shard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import GCSServer, S3Server


def _planted(tmp_path: Path, count: int = 40) -> tuple[Tree, Path]:
    """Return a tree, and the folder that holds its collections and (above) its manifest."""
    tree, root = make_tree(count), tmp_path / "attachments"
    plant(tree, root)
    take(parse_location(str(root), "x"), tmp_path / "m.jsonl")
    return tree, root


def _ledger(root: Path) -> dict[str, tuple[str, str | None]]:
    return {line["key"]: (line["status"], line.get("reason")) for line in lines(root)}


@pytest.mark.parametrize("form", ["json", "jsonl.gz", "parquet"])
def test_it_makes_what_is_missing_empty_or_stale(tmp_path: Path, form: str) -> None:
    """What the tree lacks is made, from any form of manifest; what is fresh is not touched."""
    tree, root = _planted(tmp_path)
    take(parse_location(str(root), "x"), tmp_path / f"m.{form}")
    before = outputs(root)

    done = shard("generate", "-m", f"m.{form}", cwd=tmp_path)

    after, ledger = outputs(root), _ledger(root)
    assert done.returncode == 0, done.stderr
    assert f"written     {tree.needed()} thumbnails" in done.stdout
    assert f"skipped     {tree.count()['fresh']} (fresh {tree.count()['fresh']})" in done.stdout
    for key, state in tree.state.items():
        made = after[thumbnail_key(key)]
        assert made
        assert (made == before.get(thumbnail_key(key))) is (state == "fresh")
        assert ledger[key][0] == ("skipped" if state == "fresh" else "written")
    assert all(after[key] == data for key, data in tree.originals.items())


def test_names_formats_and_types_agree(tmp_path: Path) -> None:
    """TIFF and PDF become PNG on white, others stay what they are; the largest side is the size."""
    from PIL import Image

    tree, root = _planted(tmp_path)

    done = shard("generate", "-m", "m.jsonl", "-s", "64", "-s", "100", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    for key in tree.originals:
        for scale in (64, 100):
            made = [p for p in root.rglob("*") if str(p.relative_to(root)) in _names(key, scale)]
            assert len(made) == 1
            with Image.open(made[0]) as image:
                kind = {".tif": "PNG", ".tiff": "PNG", ".pdf": "PNG", ".png": "PNG", ".gif": "GIF"}
                assert max(image.size) == scale
                assert image.format == kind.get(key[key.rindex(".") :], "JPEG")


def _names(key: str, scale: int) -> set[str]:
    """Return the keys that a thumbnail may have: a JPEG keeps its extension as it is spelled."""
    expected = thumbnail_key(key, scale)
    return {expected, expected.replace(".jpg", ".JPG")}


def test_a_dry_run_says_what_a_run_then_makes(tmp_path: Path) -> None:
    """Dry run and run have the same numbers, by reason; the dry run leaves no trace."""
    tree, root = _planted(tmp_path)
    before, counts = outputs(root), tree.count()

    dry = shard("generate", "-m", "m.jsonl", "-n", cwd=tmp_path)
    clean = outputs(root) == before and not (root / ".shard").exists()
    done = shard("generate", "-m", "m.jsonl", cwd=tmp_path)

    assert dry.returncode == 0, dry.stderr
    assert clean
    assert f"would write {tree.needed()} thumbnails of {tree.needed()} images" in dry.stdout
    reasons = f"empty {counts['empty']}, missing {counts['missing']}, stale {counts['stale']}"
    assert reasons in dry.stdout
    assert f"written     {tree.needed()} thumbnails" in done.stdout


def test_an_old_inventory_costs_no_double_work(tmp_path: Path) -> None:
    """Made meanwhile: skipped. Gone: skipped, and why. Changed: made again. All by the store."""
    tree, root = _planted(tmp_path, 60)
    missing = [key for key, state in tree.state.items() if state == "missing"]
    made, gone, *_ = missing
    changed = next(k for k, state in tree.state.items() if state == "stale" and k.endswith(".jpg"))
    (root / thumbnail_key(made)).parent.mkdir(parents=True)
    (root / thumbnail_key(made)).write_bytes(b"somebody's")
    (root / gone).unlink()
    (root / changed).write_bytes(picture(".jpg", 4) + b"changed")

    done = shard("generate", "-m", "m.jsonl", cwd=tmp_path)

    ledger = _ledger(root)
    assert done.returncode == 0, done.stderr
    assert (root / thumbnail_key(made)).read_bytes() == b"somebody's"
    assert ledger[made] == ("skipped", "fresh")
    assert ledger[gone] == ("skipped", "vanished")
    assert ledger[changed] == ("written", None)
    line = next(line for line in lines(root) if line["key"] == changed)
    assert line["bytes_in"] == len(picture(".jpg", 4) + b"changed")


def test_originals_of_one_stem_have_one_owner(tmp_path: Path) -> None:
    """Of `a.png` and `a.tif`, which would share a name, the first by key is written; it is said."""
    root = tmp_path / "in"
    folder = root / "iz/originals/ab"
    folder.mkdir(parents=True)
    for name in ("a.png", "a.tif", "a.jpg"):
        (folder / name).write_bytes(picture(name[1:], 1))
    take(parse_location(str(root), "x"), tmp_path / "m.json")

    done = shard("generate", "-m", "m.json", cwd=tmp_path)

    assert done.returncode == 1
    assert "collision, 1 image: 'iz/originals/ab/a.tif'" in done.stdout
    assert sorted(path.name for path in (root / "iz/thumbnails/ab").iterdir()) == [
        "a_200.jpg",
        "a_200.png",
    ]


def test_an_old_manifest_is_refused_until_forced(tmp_path: Path) -> None:
    """Older than a day: exit 2 and its age; --force goes on."""
    _, root = _planted(tmp_path)
    old = datetime.now(UTC) - timedelta(hours=51)
    take(parse_location(str(root), "x"), tmp_path / "old.json", old)

    refused = shard("generate", "-m", "old.json", cwd=tmp_path)
    forced = shard("generate", "-m", "old.json", "--force", cwd=tmp_path)

    assert refused.returncode == 2
    assert "2 d 03 h old" in refused.stderr
    assert "--force" in refused.stderr
    assert forced.returncode == 0, forced.stderr


def test_the_older_tools_manifest_is_read(tmp_path: Path) -> None:
    """Fields missing or null, times without a zone, a prefix in the keys: made all the same."""
    tree, root = _planted(tmp_path)
    records: list[dict[str, Any]] = [
        {
            "original_key": f"attachments/{key}",
            "original_size": len(data),
            "original_modified": "2026-11-01T10:00:00",
            "base_thumbnail_key": None,
            "collection": key.partition("/")[0],
            "filename": key.rpartition("/")[2],
            "thumbnails": {},
        }
        for key, data in tree.originals.items()
    ]
    document: dict[str, Any] = {
        "created_at": datetime.now(UTC).astimezone().replace(tzinfo=None).isoformat(),
        "storage_type": "local",
        "local_root": str(tmp_path),
        "s3_prefix": "attachments",
        "records": records,
    }
    (tmp_path / "older.json").write_text(json.dumps(document))

    done = shard("generate", "-m", "older.json", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    # It knows of no thumbnail at all; the store does.
    assert f"written     {tree.needed()} thumbnails" in done.stdout
    assert {state for state, _ in _ledger(root).values()} == {"written", "skipped"}


def test_collections_and_limit(tmp_path: Path) -> None:
    """--collection keeps to one, --limit to so many images that need work."""
    tree, _ = _planted(tmp_path)

    limited = shard("generate", "-m", "m.jsonl", "--limit", "2", cwd=tmp_path)
    one = shard("generate", "-m", "m.jsonl", "--collection", "iz", cwd=tmp_path)
    wrong = shard("generate", "-m", "m.jsonl", "--collection", "zoo", cwd=tmp_path)

    assert "written     2 thumbnails" in limited.stdout
    assert "limit       reached" in limited.stdout
    assert f"written     {tree.needed('iz')} thumbnails" in one.stdout
    assert wrong.returncode == 2
    assert all(name in wrong.stderr for name in ("zoo", *COLLECTIONS))
    assert "Traceback" not in wrong.stderr


def test_resume_begins_at_a_file_name_and_refuses_an_unknown_one(tmp_path: Path) -> None:
    """What comes before it is left alone, it is included; a name of no original is told."""
    tree, root = _planted(tmp_path)
    keys = sorted(tree.originals)
    middle = next(key for key in keys[15:] if tree.state[key] == "missing")
    after = [key for key in keys if key >= middle and tree.state[key] != "fresh"]

    name = middle.rpartition("/")[2]
    done = shard("generate", "-m", "m.jsonl", "--resume", name, cwd=tmp_path)
    wrong = shard("generate", "-m", "m.jsonl", "--resume", "nobody.jpg", cwd=tmp_path)

    written = {key for key, (status, _) in _ledger(root).items() if status == "written"}
    assert done.returncode == 0, done.stderr
    assert written == set(after)
    assert wrong.returncode == 2
    assert "nobody.jpg" in wrong.stderr


def test_four_tasks_make_what_one_makes(tmp_path: Path) -> None:
    """--tasks 4 gives the keys and bytes of one task, each image in one ledger only."""
    tree = make_tree(60)
    for name in ("one", "four"):
        plant(tree, tmp_path / name)
        take(parse_location(str(tmp_path / name), "x"), tmp_path / f"{name}.parquet")

    one = shard("generate", "-m", "one.parquet", cwd=tmp_path)
    four = shard("generate", "-m", "four.parquet", "--tasks", "4", cwd=tmp_path)

    assert one.returncode == 0, one.stderr
    assert four.returncode == 0, four.stderr
    assert "4 of 4 tasks done" in four.stdout
    assert f"written     {tree.needed()} thumbnails" in four.stdout
    assert outputs(tmp_path / "four") == outputs(tmp_path / "one")
    assert sorted(line["key"] for line in lines(tmp_path / "four")) == sorted(tree.originals)


def test_an_engines_task_takes_its_part(tmp_path: Path) -> None:
    """TASK_INDEX and TASK_COUNT: the parts of two tasks are disjoint and together all."""
    tree, root = _planted(tmp_path)
    parts = []
    for index in ("0", "1"):
        variables = {"TASK_INDEX": index, "TASK_COUNT": "2", "RUN_ID": "r1"}
        done = shard("generate", "-m", "m.jsonl", cwd=tmp_path, variables=variables)
        assert done.returncode == 0, done.stderr
        path = root / f".shard/runs/r1/task-0000{index}-of-00002.jsonl"
        parts.append({json.loads(line)["key"] for line in path.read_text().splitlines()})

    status = shard("status", str(root))

    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == set(tree.originals)
    assert status.returncode == 0, status.stdout
    assert "2 of 2 tasks done" in status.stdout


def test_ctrl_c_says_how_to_go_on_and_the_command_does(tmp_path: Path) -> None:
    """SIGINT: exit 130 and a command; run as printed it does all the rest, and no image twice."""
    root = tmp_path / "in"
    for number in range(40):
        path = root / f"iz/originals/{number:02}/{number:02}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"SLOW" + picture(".jpg", 0))
    take(parse_location(str(root), "x"), tmp_path / "m.json")
    running = subprocess.Popen(
        [sys.executable, "-m", "shard", "generate", "-m", "m.json", "--workers", "1"],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": f"{FAULTS}:{ROOT}"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_outputs(root, 4)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    command = next(line for line in out.splitlines() if "go on" in line).split()[2:]

    rest = shard(*command[1:], cwd=tmp_path, variables={"PYTHONPATH": f"{FAULTS}:{ROOT}"})

    written = [line["key"] for line in lines(root) if line["status"] == "written"]
    assert running.returncode == 130, err
    assert command[:3] == ["shard", "generate", "--manifest"]
    assert command[-2] == "--resume"
    assert "Traceback" not in err
    assert rest.returncode == 0, rest.stderr
    assert len(outputs(root)) == 80
    assert len(written) == len(set(written)) == 40


def _wait_for_outputs(root: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(root.glob("iz/thumbnails/*/*.jpg"))) < count:
        assert time.monotonic() < deadline, "the task made nothing"
        time.sleep(0.02)


def test_show_files_and_quiet(tmp_path: Path) -> None:
    """--show-files names each thumbnail, also with -q, which says nothing but the summary."""
    tree, _ = _planted(tmp_path, 20)

    quiet = shard("generate", "-m", "m.jsonl", "-q", "-s", "50", cwd=tmp_path)
    shown = shard("generate", "-m", "m.jsonl", "--show-files", "-q", cwd=tmp_path)

    assert quiet.stderr == ""
    assert "written     20 thumbnails" in quiet.stdout
    for key, state in tree.state.items():
        stem = thumbnail_key(key).rpartition("_")[0]
        assert (f"{stem}_200" in shown.stderr) is (state != "fresh")


def test_wrong_input_is_a_sentence(tmp_path: Path) -> None:
    """No manifest, no source, half a pair of keys: exit 2, one sentence, no traceback."""
    _, root = _planted(tmp_path, 20)
    root.rename(tmp_path / "moved")

    results = [
        shard("generate", "-m", "none.json", cwd=tmp_path),
        shard("generate", "-m", "m.jsonl", cwd=tmp_path),
        shard("generate", "-m", "m.jsonl", "--s3-access-key", "AKIA", cwd=tmp_path),
    ]
    moved = shard("generate", "-m", "m.jsonl", "--local-root", "moved", cwd=tmp_path)

    assert [done.returncode for done in results] == [2, 2, 2]
    assert all(done.stderr.count("\n") == 1 for done in results), [d.stderr for d in results]
    assert "S3_SECRET_KEY" in results[2].stderr
    assert moved.returncode == 0, moved.stderr


@pytest.mark.xdist_group("seaweed")
def test_on_s3_with_keys_of_the_older_tools_variables(
    tmp_path: Path, seaweed: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3_* variables hold the keys, the manifest lies in the bucket, content types are right."""
    for name, value in seaweed.env.items():
        monkeypatch.setenv(name, value)
    tree, bucket = make_tree(60), seaweed.bucket()
    source = Location("s3", bucket, "attachments")
    store = open_store(source.url, StorageOptions())
    plant_store(tree, store)
    take(source, tmp_path / "m.parquet")
    open_store(f"s3://{bucket}/lists", StorageOptions()).write(
        "m.parquet", tmp_path / "m.parquet", content_type="application/octet-stream"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    variables = {
        "S3_ACCESS_KEY": "adminkey",
        "S3_SECRET_KEY": "adminsecret",
        "S3_ENDPOINT": seaweed.url,
    }

    done = shard("generate", "-m", f"s3://{bucket}/lists/m.parquet", variables=variables)
    again = shard("generate", "-m", f"s3://{bucket}/lists/m.parquet", variables=variables)
    verified = shard(
        *("verify", "-m", f"s3://{bucket}/lists/m.parquet", "--delete-orphans"),
        *("--delete-duplicates", "--yes"),
        variables=variables,
    )
    status = shard("status", source.url, variables=variables)

    head = seaweed.client().head_object
    tif = next(key for key in tree.originals if key.endswith(".tif"))
    assert done.returncode == 0, done.stderr
    assert f"written     {tree.needed()} thumbnails" in done.stdout
    assert "adminsecret" not in done.stdout + done.stderr
    assert "written     0 thumbnails" in again.stdout
    assert (verified.returncode, status.returncode) == (0, 0), verified.stderr + status.stderr
    assert f"All {len(tree.originals)} are as they should be." in verified.stdout
    found = head(Bucket=bucket, Key=f"attachments/{thumbnail_key(tif)}")
    assert found["ContentType"] == "image/png"


@pytest.mark.xdist_group("fake_gcs")
def test_on_gcs(tmp_path: Path, fake_gcs: GCSServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on GCS, by two tasks."""
    for name, value in fake_gcs.env.items():
        monkeypatch.setenv(name, value)
    tree, bucket = make_tree(40), fake_gcs.bucket()
    source = Location("gs", bucket, "attachments")
    plant_store(tree, open_store(source.url, StorageOptions()))
    take(source, tmp_path / "m.json")

    done = shard("generate", "-m", str(tmp_path / "m.json"), "--tasks", "2", variables=fake_gcs.env)

    keys = {item.key for item in open_store(source.url, StorageOptions()).list()}
    assert done.returncode == 0, done.stderr
    assert f"written     {tree.needed()} thumbnails" in done.stdout
    assert all(_names(key, 200) & keys for key in tree.originals)
