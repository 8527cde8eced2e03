"""`shard run` over a prefix of FITS frames, as every image collection is run over."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from PIL import Image

from tests.program import outputs, shard

if TYPE_CHECKING:
    from pathlib import Path


SAME = ("a.fits", "b.FIT", "c.fts", "d.fits.gz")


def _frames(folder: Path) -> None:
    """Write one night: raw, compressed twice over, a table, and one that broke off."""
    folder.mkdir()
    sky = np.random.default_rng(0).normal(300, 9, (90, 120)).astype(np.float32)
    sky[40:44, 50:54] += 4000
    buffer = io.BytesIO()
    fits.PrimaryHDU(sky).writeto(buffer)
    for name in SAME[:3]:
        (folder / name).write_bytes(buffer.getvalue())
    (folder / "d.fits.gz").write_bytes(gzip.compress(buffer.getvalue()))
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(sky)]).writeto(folder / "e.fits.fz")
    fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1])]).writeto(folder / "t.fits")
    (folder / "cut.fits").write_bytes(buffer.getvalue()[:9000])
    (folder / "notes.gz").write_bytes(gzip.compress(b"seeing 1.2"))


def test_frames_are_inputs_like_any(tmp_path: Path) -> None:
    """Each frame has its thumbnail under its own name; what is no picture fails with a reason."""
    _frames(tmp_path / "in")
    done = shard("run", "in", "out", "--sizes", "60", cwd=tmp_path)
    (ledger,) = (tmp_path / "out").rglob("*.jsonl")
    failed = {
        line["key"]: line["reason"]
        for line in map(json.loads, ledger.read_text().splitlines())
        if line["status"] == "failed"
    }
    made = outputs(tmp_path / "out")

    assert done.returncode == 1, done.stderr
    assert sorted(made) == [f"{name}.jpg" for name in (*SAME, "e.fits.fz")]
    assert failed == {"t.fits": "not_an_image", "cut.fits": "truncated"}
    assert len({made[f"{n}.jpg"] for n in SAME}) == 1


def test_the_run_draws_them_as_asked(tmp_path: Path) -> None:
    """``--fits`` reaches the worker processes, and the run's record has it."""
    _frames(tmp_path / "in")
    how = "zmin=0,zmax=600,gamma=1"
    done = shard("run", "in", "out", "--fits", how, "--max-failures", "2", cwd=tmp_path)
    (record,) = (tmp_path / "out").rglob("run.json")
    picture = np.asarray(Image.open(tmp_path / "out" / "a.fits.jpg"))

    assert done.returncode == 0, done.stderr
    assert abs(float(picture.mean()) - 127.5) < 5
    assert json.loads(record.read_text())["fits"] == how


def test_a_wrong_option_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    """One sentence names the flag's variable, the value and what is accepted; exit 2."""
    done = shard("run", "in", "out", "--fits", "stretch=rainbow", cwd=tmp_path)

    assert done.returncode == 2
    assert "FITS is 'stretch=rainbow'; accepted: stretch= with zscale," in done.stderr
