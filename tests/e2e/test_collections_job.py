"""`shard run` with LAYOUT=collections: thumbnails beside the originals, as asset servers ask."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.program import fill, lines, shard

if TYPE_CHECKING:
    from pathlib import Path


def _save(path: Path, image: Image.Image, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    image.save(out, kind)
    path.write_bytes(out.getvalue())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a collection: a photograph, a transparent TIFF and PNG, a PDF, an orphan."""
    clear = Image.new("RGBA", (300, 200), (200, 30, 30, 0))
    fill(tmp_path, ["c/originals/a/photo.jpg", "c/thumbnails/a/orphan_200.jpg"])
    _save(tmp_path / "c/originals/a/scan.tif", clear, "TIFF")
    _save(tmp_path / "c/originals/logo.png", clear, "PNG")
    _save(tmp_path / "c/originals/a/notes.pdf", Image.new("RGB", (300, 200), "white"), "PDF")
    return tmp_path


def run(root: Path, *arguments: str) -> str:
    """Run the job in place; return its summary."""
    done = shard("run", str(root), "--layout", "collections", "--sizes", "100,50", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_formats_and_white(root: Path) -> None:
    """TIFF and PDF become PNG on white, a PNG keeps its transparency; names say what is inside."""
    run(root)
    found = {
        str(path.relative_to(root)): Image.open(path)
        for path in sorted(root.glob("c/thumbnails/**/*_*0.*"))
        if "orphan" not in path.name
    }

    assert {key: image.format for key, image in found.items()} == {
        f"c/thumbnails/{name}_{size}{ext}": kind
        for name, ext, kind in (
            ("a/notes", ".png", "PNG"),
            ("a/photo", ".jpg", "JPEG"),
            ("a/scan", ".png", "PNG"),
            ("logo", ".png", "PNG"),
        )
        for size in (100, 50)
    }
    assert found["c/thumbnails/a/scan_100.png"].convert("RGBA").getpixel((5, 5)) == (
        *(255, 255, 255),
        255,
    )
    assert found["c/thumbnails/logo_100.png"].convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]  # RGBA
    assert max(found["c/thumbnails/a/scan_100.png"].size) == 100


def test_a_second_run_finds_all_fresh(root: Path) -> None:
    """Thumbnails are found again; as inputs they, and orphans, are never taken."""
    run(root)
    again = run(root)

    assert "4 images listed" in again
    assert "fresh 8" in again
    assert "written     0" in again


def test_a_thumbnail_of_another_extension_is_fresh(root: Path) -> None:
    """What an older tool made of a TIFF as .jpg counts, as it does for scan and generate."""
    fill(root, ["c/thumbnails/a/scan_100.jpg", "c/thumbnails/a/scan_50.JPG"])
    run(root)

    assert not (root / "c/thumbnails/a/scan_100.png").exists()


def test_one_stem_twice(root: Path) -> None:
    """Of two originals that ask for one thumbnail the first by key has it, the other is told."""
    _save(root / "c/originals/a/scan.png", Image.new("RGB", (300, 200), "blue"), "PNG")
    done = shard("run", str(root), "--layout", "collections", "--sizes", "50")
    failed = [line for line in lines(root) if line["status"] == "failed"]

    assert done.returncode == 1
    assert [(line["key"], line["reason"]) for line in failed] == [
        ("c/originals/a/scan.tif", "collision")
    ]
    assert "scan.png" in failed[0]["detail"]


def test_boxes_that_no_scale_says(root: Path) -> None:
    """A box that is no square is refused before anything is made."""
    done = shard("run", str(root), "--layout", "collections", "--renditions", "100x50")

    assert done.returncode == 2
    assert "square boxes" in done.stderr
