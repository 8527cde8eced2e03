"""`shard scan` as its users call it: on disk, SeaweedFS, moto and fake-gcs-server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from shard.manifest import open_manifest
from shard.storage import open_store
from shard.storage.base import StorageOptions
from tests.collections_tree import COLLECTIONS, SCALE, Tree, make_tree, plant, plant_store
from tests.program import ROOT, environment, shard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import GCSServer, S3Server

TREE = make_tree(200)


@dataclass(frozen=True)
class Planted:
    """A tree on a store: its URL, and what a process needs to reach it."""

    url: str
    env: dict[str, str]


def _on_store(url: str, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Planted:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    plant_store(TREE, open_store(url, StorageOptions()))
    return Planted(url, env)


@pytest.fixture(params=["local", "seaweed", "moto", "gcs"])
def planted(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Planted:
    """Plant the tree on each kind of store."""
    if request.param == "local":
        plant(TREE, tmp_path / "root", "attachments")
        return Planted(f"{tmp_path}/root/attachments", {})
    if request.param == "gcs":
        gcs: GCSServer = request.getfixturevalue("fake_gcs")
        return _on_store(f"gs://{gcs.bucket()}/attachments", dict(gcs.env), monkeypatch)
    name = "seaweed" if request.param == "seaweed" else "moto_s3"
    s3: S3Server = request.getfixturevalue(name)
    return _on_store(f"s3://{s3.bucket()}/attachments", dict(s3.env), monkeypatch)


@pytest.fixture(scope="module")
def planted_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plant the tree on disk, below attachments/; nobody writes to it."""
    root = tmp_path_factory.mktemp("planted") / "root"
    plant(TREE, root, "attachments")
    return root


@pytest.fixture
def root(planted_root: Path, tmp_path: Path) -> Path:
    """Return the tree as ``root`` in this test's folder."""
    (tmp_path / "root").symlink_to(planted_root)
    return tmp_path / "root"


def with_thumbnails(tree: Tree, collection: str) -> int:
    """Count originals that have any thumbnail, empty and stale ones too."""
    counts = tree.count(collection)
    return counts.total() - counts["missing"]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_every_store_gives_the_same(planted: Planted, form: str, tmp_path: Path) -> None:
    """All originals with their thumbnails, in key order, whatever the store; orphans beside."""
    output = tmp_path / f"m.{form}"
    done = shard("scan", planted.url, "-o", str(output), variables=planted.env)
    manifest = open_manifest(str(output))
    records = list(manifest.records())
    leftovers = list(manifest.leftovers() or ())

    assert (done.returncode, done.stderr) == (0, "")
    assert [r.original_key for r in records] == sorted(TREE.originals)
    assert {t.key for r in records for t in r.thumbnails.values()} == (
        set(TREE.thumbnails) - TREE.orphans
    )
    assert {one.key for one in leftovers if one.kind == "orphan"} == TREE.orphans
    assert all(r.original_size == len(TREE.originals[r.original_key]) for r in records)
    needed = [r.original_key for r in records if r.decide(SCALE).needed]
    assert needed == sorted(key for key, state in TREE.state.items() if state != "fresh")
    assert manifest.header.source.url == planted.url


def test_the_summary_counts_right(root: Path, tmp_path: Path) -> None:
    """Each figure is that of the tree, and the text fits 80 columns."""
    done = shard("scan", "--local-root", str(root), "-o", str(tmp_path / "m.json"))
    rows = {
        line.split()[0]: line.split()
        for line in done.stdout.splitlines()
        if line.split()[:1] and line.split()[0] in (*COLLECTIONS, "total")
    }

    for name in COLLECTIONS:
        orphans = sum(key.startswith(f"{name}/") for key in TREE.orphans)
        images = TREE.count(name).total()
        having = with_thumbnails(TREE, name)
        assert [int(n) for n in rows[name][1:4]] == [images, having, images - having]
        assert int(rows[name][-1]) == orphans
    assert int(rows["total"][1]) == len(TREE.originals)
    assert max(map(len, done.stdout.partition("\n\n")[2].splitlines()[:5])) <= 80


def test_the_variables_of_the_older_tool(
    seaweed: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3_* variables say store and keys; no secret is in the manifest, nor in what is said."""
    bucket = seaweed.bucket()
    _on_store(f"s3://{bucket}/attachments", dict(seaweed.env), monkeypatch)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    variables = {
        "S3_ENDPOINT": seaweed.url,
        "S3_BUCKET": bucket,
        "S3_PREFIX": "attachments",
        "S3_ACCESS_KEY": seaweed.env["AWS_ACCESS_KEY_ID"],
        "S3_SECRET_KEY": seaweed.env["AWS_SECRET_ACCESS_KEY"],
    }
    done = shard("scan", "-v", "-o", "m.json", variables=variables, cwd=tmp_path)
    text = (tmp_path / "m.json").read_text()
    document = json.loads(text)

    assert done.returncode == 0, done.stderr
    assert document["storage_type"] == "s3"
    assert document["s3_endpoint"] == seaweed.url
    assert (document["s3_bucket"], document["s3_prefix"]) == (bucket, "attachments")
    for secret in (variables["S3_SECRET_KEY"], variables["S3_ACCESS_KEY"]):
        assert secret not in text + done.stdout + done.stderr


def test_the_manifest_knows_its_server(
    seaweed: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that AWS_ENDPOINT_URL named is in the manifest: its readers need only the keys."""
    bucket = seaweed.bucket()
    _on_store(f"s3://{bucket}/attachments", dict(seaweed.env), monkeypatch)
    done = shard("scan", f"s3://{bucket}/attachments", variables=seaweed.env, cwd=tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    keys = {name: text for name, text in seaweed.env.items() if name != "AWS_ENDPOINT_URL"}
    verified = shard("verify", "-m", "manifest.json", "--format", "json", variables=keys,
                     cwd=tmp_path)  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "manifest.json").read_text())["s3_endpoint"] == seaweed.url
    assert (verified.returncode, verified.stderr) == (1, "")
    assert json.loads(verified.stdout)["counts"]["missing"] == TREE.count()["missing"]


def test_wrong_keys(seaweed: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that the store refuses are said to be refused, without repeating them."""
    arguments = ["--s3-endpoint", seaweed.url, "--s3-bucket", seaweed.bucket()]
    arguments += ["--s3-access-key", "adminkey", "--s3-secret-key", "not-the-secret"]
    done = shard("scan", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert "S3_ACCESS_KEY" in done.stderr
    assert "not-the-secret" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_wrong_bucket_and_prefix(moto_s3: S3Server, tmp_path: Path) -> None:
    """A bucket that is not there, and a prefix: each is said, with what there is instead."""
    bucket = moto_s3.bucket()
    moto_s3.client().put_object(Bucket=bucket, Key="attachments/c/originals/x.jpg", Body=b"x")
    variables = dict(moto_s3.env)
    absent = shard("scan", f"s3://no-{bucket}/attachments", variables=variables, cwd=tmp_path)
    prefix = shard("scan", f"s3://{bucket}/attachment", variables=variables, cwd=tmp_path)

    assert (absent.returncode, prefix.returncode) == (2, 2)
    assert "the bucket or folder does not exist" in absent.stderr
    assert f"prefix 'attachment'; s3://{bucket} has attachments" in prefix.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "the folder does not exist"),
        (["--local-root", "nowhere"], "the folder does not exist"),
        (["--local-root", "root", "--local-prefix", "other"], "has attachments"),
        (["root"], "none of its folders (attachments) is one"),
        (["root/attachments/iz"], "is itself a collection"),
        (["root/attachments", "--collection", "fish"], "botany, ichthyology, iz"),
        (["root/attachments", "-o", "m.csv"], "ends in .json"),
        (["root/attachments", "-o", "blocked/m.json"], "blocked"),
        ([], "--local-root, or --s3-bucket"),
        (["root", "--local-root", "root"], "one store"),
        (["--s3-bucket", "b", "--s3-access-key", "k"], "S3_SECRET_KEY is not set"),
        (["--s3-bucket", "b", "--s3-endpoint", "http://u:p@h"], "S3_ENDPOINT"),
        (["root/attachments", "--limit", "0"], "--limit"),
    ],
)
def test_wrong_input(arguments: list[str], said: str, root: Path) -> None:
    """Each mistake costs one sentence and exit code 2, and leaves no file."""
    (root.parent / "blocked").write_text("a file, no folder")
    done = shard("scan", *arguments, cwd=root.parent)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(root.parent.glob("m*"))


def test_limit_and_show_files(root: Path, tmp_path: Path) -> None:
    """--limit takes the first by key, --show-files names them with their sizes."""
    done = shard(
        *("scan", str(root / "attachments"), "--limit", "5", "--show-files", "-q"),
        *("-o", "m.json"),
        cwd=tmp_path,
    )
    first = sorted(TREE.originals)[:5]
    expected = [f"{key}  {'none' if TREE.state[key] == 'missing' else SCALE}" for key in first]

    assert done.stdout.splitlines()[:5] == expected
    assert "limited" in done.stdout
    assert [
        r["original_key"] for r in json.loads((tmp_path / "m.json").read_text())["records"]
    ] == first


def test_one_collection(root: Path, tmp_path: Path) -> None:
    """--collection leaves out the others, in the manifest too."""
    done = shard("scan", str(root / "attachments"), "--collection", "iz", "-q", cwd=tmp_path)
    manifest = open_manifest(str(tmp_path / "manifest.json"))

    assert (done.returncode, done.stderr) == (0, "")
    assert "botany" not in done.stdout
    assert manifest.header.collections == ("iz",)
    assert all(r.collection == "iz" for r in manifest.records())


def test_manifest_on_a_store(
    seaweed: S3Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-o takes a URL: the manifest is read from there in ranges."""
    for name, value in seaweed.env.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{seaweed.bucket()}/inventory/m.parquet"
    done = shard("scan", str(root / "attachments"), "-o", url, variables=dict(seaweed.env))

    assert done.returncode == 0, done.stderr
    assert sum(1 for i in range(3) for _ in open_manifest(url).slice(i, 3)) == len(TREE.originals)


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends a scan at once with 130, and no half manifest stands where none was."""
    for number in range(9_000):
        if number % 100 == 0:
            folder = tmp_path / f"root/c/originals/{number // 100:03}"
            folder.mkdir(parents=True)
        (folder / f"{number}.jpg").touch()
    (tmp_path / "out").mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "shard", "scan", "root", "-o", "out/m.jsonl", "--show-files"],
        env=environment({"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    running.stdout.readline()
    os.kill(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=30)

    assert running.returncode == 130
    assert "SIGINT" in err
    assert "Traceback" not in err
    assert list((tmp_path / "out").iterdir()) == []


def test_odd_names(tmp_path: Path) -> None:
    """Names with spaces, quotes, newlines and beyond ASCII are data; undecodable ones are told."""
    originals = tmp_path / "root/c d/originals/a'b"
    originals.mkdir(parents=True)
    for name in ("x y.jpg", "é\u4e16.png", 'q"\n.jpg', "IMG_2034.jpg"):
        (originals / name).write_bytes(b"x")
    (tmp_path / "root/c d/originals" / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"x")
    done = shard("scan", "root", "-o", "m.parquet", cwd=tmp_path)
    as_json = shard("scan", "root", "-o", "m.json", cwd=tmp_path)

    assert (done.returncode, as_json.returncode) == (0, 0)
    assert len(list(open_manifest(str(tmp_path / "m.parquet")).records())) == 4
    assert "not UTF-8" in done.stderr
    assert len(list(open_manifest(str(tmp_path / "m.json")).records())) == 5
