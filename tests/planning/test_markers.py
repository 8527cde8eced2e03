"""Markers: their two forms, where they lie, which keys want one, where a pyramid goes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from email.header import decode_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.model import Item
from shard.planning import markers
from shard.planning.markers import Marker, MarkerError, Rules, read_marker

NAMES = st.lists(
    st.builds(
        lambda folder, stem, extensions: folder + stem + "".join(extensions),
        st.sampled_from(["", "a/", "a/b/"]),
        st.sampled_from(["x", "x.1", "ÿ", "X"]),
        st.lists(st.sampled_from([".jpg", ".JPG", ".tif", ".png", ".pdf"]), min_size=1, max_size=3),
    ),
    unique=True,
    max_size=12,
)


def test_a_marker_is_read_back_as_it_was_written() -> None:
    """A marker survives its JSON form, with attempts, reason, copyright and sequence."""
    item = Item("a/ü b.tif", 12, datetime(2026, 1, 2, tzinfo=UTC), '"abc"')
    marker = Marker.of(item, "scans").failed("corrupt")
    with_right = Marker("k.jpg", "", copyright=True, sequence="00A1")

    assert read_marker(marker.to_json()) == marker
    assert (marker.path, marker.etag, marker.attempts) == ("a/", "abc", 1)
    assert read_marker(with_right.to_json()) == with_right


def test_the_form_of_a_new_marker() -> None:
    """The fields are key, path, eTag, bucket, size and time; the path is empty at the root."""
    said = json.loads(Marker("k.jpg", "", "e", "b", 3, "2026-01-02T00:00:00Z").to_json())

    assert said == {
        "key": "k.jpg",
        "path": "",
        "eTag": "e",
        "bucket": "b",
        "size": 3,
        "time": "2026-01-02T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"key": "a/b/x.jpg", "path": "a/b/"}', "a/b/"),
        ('{"key": "a/b/x.jpg", "path": "a/b"}', "a/b/"),
        ('{"key": "x.jpg", "path": "/"}', ""),
        ('{"key": "a/x.jpg"}', "a/"),
        ('{"key": "a/x.jpg", "path": "other/"}', "other/"),
    ],
)
def test_older_markers(text: str, path: str) -> None:
    """A marker of key and path alone is read; its path gets its slash, or is the key's folder."""
    marker = read_marker(text.encode())

    assert (marker.path, marker.etag, marker.size) == (path, "", None)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "no", "{}", '{"key": 3}', '{"key": "a/"}', '{"key": "a", "path": "../b"}', "\xff"],
)
def test_what_is_no_marker(text: str) -> None:
    """Anything else is a MarkerError."""
    with pytest.raises(MarkerError, match=r"marker|key|path"):
        read_marker(text.encode("latin-1"))


def test_where_markers_lie() -> None:
    """The marker's key holds the whole source key; failed ones lie beside the prefix."""
    key = markers.marker_key("rbsc/", "a/x.jpg")

    assert key == "rbsc/a/x.jpg.json"
    assert markers.failed_key(key) == "failed/rbsc/a/x.jpg.json"
    assert markers.is_marker(key, "rbsc/")
    assert not markers.is_marker(markers.failed_key(key), "rbsc/")


@pytest.mark.parametrize(("given_prefix", "whole"), [("rbsc", "rbsc/"), ("a/b/", "a/b/")])
def test_the_prefix_gets_its_slash(given_prefix: str, whole: str) -> None:
    """A prefix is a folder."""
    assert markers.check_prefix(given_prefix, "--marker-prefix") == whole


@pytest.mark.parametrize("prefix", ["", "/", "failed", "failed/x/", "a/../b"])
def test_prefixes_that_cannot_be(prefix: str) -> None:
    """A prefix under which failed markers would be read again is refused."""
    with pytest.raises(SettingError, match="--marker-prefix"):
        markers.check_prefix(prefix, "--marker-prefix")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("digital/a.JPG", "image"),
        ("digital/a.Jp2", "image"),
        ("digital/b/", "folder"),
        ("digital/out/a.tif", "output"),
        ("digital/.a.tif", "hidden"),
        ("digital/.b/a.tif", "hidden"),
        ("other/a.tif", "not_included"),
        ("digital/a.txt", "other_file"),
        ("digital/tif", "other_file"),
    ],
)
def test_which_keys_want_a_pyramid(key: str, reason: str) -> None:
    """Each row of the table."""
    rules = Rules(prefixes=("digital/",), exclude=("digital/out/",))

    assert rules.judge(key).reason == reason
    assert rules.judge(key).accepted == (reason == "image")


def test_outputs_of_colliding_stems() -> None:
    """The first key has the stem, later ones their whole names."""
    stems = markers.output_stems(["a/x.png.tif", "a/x.png", "a/x.jpg", "a/y.jpg"])

    assert stems == {"a/x.jpg": "a/x", "a/x.png": "a/x.png", "a/x.png.tif": "a/x.png.tif"} | {
        "a/y.jpg": "a/y"
    }


@given(NAMES)
def test_no_two_keys_share_an_output(keys: list[str]) -> None:
    """Outputs are disjoint, whatever the order, and what could meet is of one group."""
    stems = markers.output_stems(reversed(keys))

    assert stems == markers.output_stems(keys)
    assert set(stems) == set(keys)
    assert len(set(stems.values())) == len(keys)
    for key in keys:
        group = [one for one in keys if markers.group_of(one) == markers.group_of(key)]
        assert markers.output_stems(group)[key] == stems[key]


def test_the_output_lies_in_the_markers_path() -> None:
    """The path says the folder, the source's name the rest."""
    marker = Marker("a/b/x.png", "other/")

    assert markers.output_key(marker, "a/b/x") == "other/x.tif"
    assert markers.output_key(marker, "a/b/x.png") == "other/x.png.tif"


def test_metadata_are_ascii() -> None:
    """A key of any letters is percent-encoded."""
    said = markers.metadata("ü/x y.png", "abc", (30, 20))

    assert said == {
        "source-key": "%C3%BC/x%20y.png",
        "source-etag": "abc",
        "width": "30",
        "height": "20",
    }


def test_long_keys_fit_into_the_metadata() -> None:
    """The longest key of three bytes a letter stays within S3's 2 kB, and can be read back."""
    key = "漢" * 341
    said = markers.metadata(key, "e" * 40, (1_000_000, 1_000_000))
    (word, charset) = decode_header(said["source-key"])[0]

    assert sum(len(name) + len(value) for name, value in said.items()) < 2_000
    assert word.decode(charset) == key


def test_it_is_light() -> None:
    """Nothing of imaging or of the stores is imported along with markers."""
    code = "import sys, shard.planning.markers; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in out.stdout.split()}

    assert not loaded & {"PIL", "pyvips", "boto3", "fsspec", "click", "numpy"}
