"""Local disk: hostile keys, links, special files, torn writes, unfinished files."""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard.errors import (
    AccessDenied,
    AlreadyExists,
    BucketMissing,
    KeyRefused,
    ObjectMissing,
    StorageError,
)
from shard.storage import open_store
from shard.storage.base import StorageOptions
from shard.storage.keys import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from shard.storage.base import Store

OPTIONS = StorageOptions(retry_budget=0)
DENYING = [errno.EACCES, errno.EPERM]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an existing folder with something precious beside it."""
    (tmp_path / "precious.txt").write_text("untouched")
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def local(root: Path) -> Store:
    """Open ``root``."""
    return open_store(str(root), OPTIONS)


def keys(store: Store, **arguments: Any) -> list[str]:
    """Return the listed keys, in the order of the listing."""
    return [item.key for item in store.list(**arguments)]


HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(["..", ".", "", "/", "//", "\0", "a", "~", "precious.txt", "\n", "-rf"]),
        st.sampled_from(
            ["é", "\udcff", "\ud800", "x" * 256, TEMPORARY_PREFIX + "1", "con", "a b", "\\"]
        ),
        st.text(max_size=5),
    ),
    max_size=6,
).map("/".join)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=HOSTILE)
def test_no_key_leaves_the_root(root: Path, key: str) -> None:
    """Whatever the key: it is refused, or written inside the root and listed as that very key."""
    store = local(root)
    try:
        store.write(key, b"hostile", content_type="text/plain")
    except StorageError:
        pass  # refused, in our own words
    else:
        assert key in keys(store)
        assert store.read(key) == b"hostile"
        store.delete(key)

    assert {entry.name for entry in root.parent.iterdir()} == {"precious.txt", "root"}
    assert (root.parent / "precious.txt").read_text() == "untouched"


@pytest.mark.parametrize(
    "key", ["../precious.txt", "/etc/passwd", "a/../../precious.txt", "a\0b", "./a", "a//b", "a/"]
)
def test_unsafe_keys_are_refused_by_every_method(root: Path, key: str) -> None:
    """Read, stat, write, delete and sign all refuse a key that is not a plain relative path."""
    store = local(root)
    for act in (
        lambda: store.read(key),
        lambda: store.stat(key),
        lambda: store.write(key, b"", content_type="text/plain"),
        lambda: store.delete(key),
        lambda: store.sign(key, 1),
    ):
        with pytest.raises(KeyRefused):
            act()


def test_a_link_does_not_lead_a_write_out(root: Path, tmp_path: Path) -> None:
    """A write or delete through a link to a folder outside the root is refused."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("kept")
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(KeyRefused):
        local(root).write("link/x", b"gone", content_type="text/plain")
    with pytest.raises(KeyRefused):
        local(root).delete("link/x")

    assert (tmp_path / "outside" / "x").read_text() == "kept"


def test_writing_to_a_link_replaces_the_link(root: Path, tmp_path: Path) -> None:
    """A key that is itself a link is replaced; what it pointed to is not touched."""
    (root / "link.txt").symlink_to(tmp_path / "precious.txt")
    local(root).write("link.txt", b"new", content_type="text/plain")

    assert (tmp_path / "precious.txt").read_text() == "untouched"
    assert (root / "link.txt").read_bytes() == b"new"


def test_a_root_that_is_a_link_works(root: Path, tmp_path: Path) -> None:
    """The root itself may be a symbolic link."""
    (tmp_path / "alias").symlink_to(root)
    store = local(tmp_path / "alias")
    store.write("a/b", b"x", content_type="text/plain")

    assert keys(store) == ["a/b"]


def test_linked_folders_are_followed_and_loops_are_not(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A linked folder's files are listed; a link back to a folder above ends with a warning."""
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "1.jpg").write_bytes(b"1")
    (root / "linked").symlink_to(tmp_path / "album")
    (root / "sub").mkdir()
    (root / "sub" / "loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    with caplog.at_level(logging.WARNING, "shard.storage"):
        listed = keys(local(root))

    assert listed == ["linked/1.jpg"]
    assert "link back to a folder above" in caplog.text


def test_broken_links_and_special_files_are_left_out(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken link and a FIFO are named in a warning and not listed; the rest is."""
    (root / "broken.jpg").symlink_to(root / "nowhere")
    os.mkfifo(root / "pipe.jpg")
    (root / "good.jpg").write_bytes(b"1")
    with caplog.at_level(logging.WARNING, "shard.storage"):
        listed = keys(local(root))

    assert listed == ["good.jpg"]
    assert "broken.jpg" in caplog.text
    assert "pipe.jpg" in caplog.text


def test_an_unreadable_folder_is_not_passed_over(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that refuses ends the listing, after all the rest, with AccessDenied naming it."""
    (root / "closed").mkdir()
    (root / "open").mkdir()
    (root / "open" / "1.jpg").write_bytes(b"1")
    scandir = os.scandir

    def deny(path: str) -> Any:  # chmod does not stop root, who runs tests in containers
        if str(path).rstrip("/").endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    listing = local(root).list()
    first = next(listing)
    with pytest.raises(AccessDenied, match="closed"):
        next(listing)

    assert first.key == "open/1.jpg"


def test_a_missing_root_and_a_file_as_root(root: Path) -> None:
    """A root that does not exist is BucketMissing; one that is a file is told to be one."""
    with pytest.raises(BucketMissing, match="does not exist"):
        keys(local(root / "none"))
    (root / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="not a folder"):
        keys(local(root / "file"))


def test_a_missing_root_is_made_by_a_write(root: Path) -> None:
    """Writing makes the folders it needs."""
    local(root / "new" / "out").write("a/b", b"x", content_type="text/plain")

    assert (root / "new" / "out" / "a" / "b").read_bytes() == b"x"


def test_listing_is_in_key_order(root: Path) -> None:
    """Keys come by code point, across folders and files, as an object store sorts them."""
    names = ["a/z", "a-b", "a.b", "a0", "a/b/c", "b", "A", "é"]
    for name in names:
        local(root).write(name, b"", content_type="text/plain")

    assert keys(local(root)) == sorted(names)
    for after in [*sorted(names), "a", "a/", "a/b", "a/zz", "zz"]:
        assert keys(local(root), start_after=after) == sorted(n for n in names if n > after)


def test_names_that_are_not_utf8_round_trip(root: Path) -> None:
    """A file name of arbitrary bytes is listed, read, written and deleted as the same bytes."""
    raw = os.fsencode(root) + b"/caf\xe9.jpg"
    with open(raw, "wb") as file:  # noqa: PTH123  # bytes as a name
        file.write(b"latin")
    (key,) = keys(local(root))

    assert local(root).read(key) == b"latin"
    local(root).write(key, b"new", content_type="text/plain")
    assert os.listdir(os.fsencode(root)) == [b"caf\xe9.jpg"]  # noqa: PTH208  # bytes as a name
    local(root).delete(key)
    assert keys(local(root)) == []


def test_a_file_url_is_a_path(root: Path) -> None:
    """``file:///x`` and ``/x`` are the same store; percent signs are not decoded."""
    local(root).write("50%.txt", b"x", content_type="text/plain")

    assert keys(open_store(f"file://{root}", OPTIONS)) == ["50%.txt"]


def test_unfinished_files_are_hidden_and_swept_after_a_day(root: Path) -> None:
    """No listing shows an unfinished file; one that nobody touched for a day is removed."""
    fresh, stale = root / f"{TEMPORARY_PREFIX}1-a", root / f"{TEMPORARY_PREFIX}2-b"
    fresh.write_bytes(b"")
    stale.write_bytes(b"")
    os.utime(stale, (time.time() - 90_000,) * 2)

    assert keys(local(root)) == []
    assert fresh.exists()
    assert not stale.exists()


def test_a_failed_write_leaves_nothing(root: Path) -> None:
    """A write whose source cannot be read leaves neither a target nor an unfinished file."""
    with pytest.raises(ObjectMissing):
        local(root).write("k", root / "absent", content_type="text/plain")

    assert list(root.iterdir()) == []


def test_create_only_without_hard_links(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links create-only still refuses what exists."""

    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    store = local(root)
    store.write("k", b"first", content_type="text/plain", create_only=True)
    with pytest.raises(AlreadyExists):
        store.write("k", b"second", content_type="text/plain", create_only=True)

    assert store.read("k") == b"first"
    assert [entry.name for entry in root.iterdir()] == ["k"]


def test_written_files_follow_the_umask(root: Path) -> None:
    """An output's mode is what the user's umask gives, as any program's."""
    before = os.umask(0o027)
    try:
        local(root).write("k", b"x", content_type="text/plain")
    finally:
        os.umask(before)

    assert stat.S_IMODE((root / "k").stat().st_mode) == 0o640


WRITER = """
import sys
from shard.storage import open_store
from shard.storage.base import StorageOptions
store = open_store(sys.argv[1], StorageOptions())
turn = 0
print("ready", flush=True)
while True:
    turn += 1
    body = bytes([turn % 251]) * 3_000_000
    store.write("victim", body, content_type="text/plain", create_only=False)
    store.write(f"made-{turn}", body, content_type="text/plain", create_only=True)
"""


def test_kill_9_never_tears_a_file(root: Path) -> None:
    """Writers killed at any moment leave every visible file whole, and no unfinished one seen."""
    store = local(root)
    for turn in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02 + 0.017 * turn)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        for item in store.list():
            body = store.read(item.key)

            assert len(body) == 3_000_000
            assert body == body[:1] * 3_000_000
        for made in root.glob("made-*"):
            made.unlink()
