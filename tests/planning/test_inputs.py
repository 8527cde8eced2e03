"""Which objects are inputs."""

from __future__ import annotations

import pytest

from shard.model import Item
from shard.planning.inputs import Judgement, judge


@pytest.mark.parametrize(
    ("key", "size", "content_type", "reason"),
    [
        ("a/b.jpg", 5, None, "image"),
        ("a/b.TIFF", 5, None, "image"),
        ("empty.jpg", 0, None, "image"),
        ("a/b.txt", 5, None, "other_file"),
        ("photo", 5, None, "other_file"),
        ("photo", 5, "image/jpeg", "image"),
        ("paper", 5, "application/pdf", "image"),
        ("b.jpg", 5, "text/html", "other_file"),
        ("frame.fits.gz", 5, None, "image"),
        ("frame.FIT.GZ", 5, "application/gzip", "image"),
        ("frame.fits.fz", 5, "application/octet-stream", "image"),
        ("frame", 5, "application/fits", "image"),
        ("tables.tar.gz", 5, None, "other_file"),
        ("tables.tar.gz", 5, "application/gzip", "other_file"),
        ("frame.fits", 5, "application/gzip", "other_file"),
        ("b.jpg", 5, "application/octet-stream", "image"),
        ("b.jpg", 5, "binary/octet-stream", "image"),
        ("b.jpg", 5, "", "image"),
        ("b", 5, "application/octet-stream", "other_file"),
        ("a/", 0, None, "folder"),
        ("a.jpg/", 7, "image/jpeg", "folder"),
        ("a_$folder$", 0, None, "folder"),
        ("a.jpg", 0, "application/x-directory", "folder"),
        (".shard/runs/x/a.jpg", 5, None, "state"),
        ("old/.shard/a.jpg", 5, "image/jpeg", "state"),
        ("my.shard/a.jpg", 5, None, "image"),
        (".shard.jpg", 5, None, "image"),
        ("thumbs/a.jpg", 5, "image/jpeg", "output"),
        ("out/put/a.jpg", 5, None, "output"),
        ("thumbs2/a.jpg", 5, None, "image"),
        ("thumbs", 5, "image/png", "image"),
        ("x/thumbs/a.jpg", 5, None, "image"),
    ],
)
def test_judged(key: str, size: int, content_type: str | None, reason: str) -> None:
    """Images are told by content type, else by extension; folders, state and outputs are not."""
    found = judge(Item(key, size, content_type=content_type), ["thumbs", "out/put"])

    assert found == Judgement(reason == "image", reason)


def test_the_empty_prefix_excludes_everything() -> None:
    """Where the output is the source itself, nothing is an input."""
    assert judge(Item("a.jpg", 5), [""]) == Judgement(False, "output")
