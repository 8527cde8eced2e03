"""Shard as its users start it: real processes, from the checkout, with a clean environment."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
FAULTS = Path(__file__).parent / "e2e" / "faults"


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a process environment: this one's and the given variables."""
    return {**os.environ, **variables}


def start_process(variables: Mapping[str, str], **options: Any) -> subprocess.Popen[str]:
    """Start `python process.py`, configured by variables alone."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "process.py")],
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def process(variables: Mapping[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `python process.py` to its end."""
    with start_process(variables, **options) as running:
        out, err = running.communicate(timeout=120)
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)


def shard(
    *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m shard ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "shard", *arguments],
        env=environment({"PYTHONPATH": str(ROOT), **(variables or {})}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def picture(width: int, height: int, colour: tuple[int, int, int] = (40, 90, 160)) -> bytes:
    """Return a JPEG of a vertical gradient, so that scaling it is no triviality."""
    ramp = Image.linear_gradient("L").resize((width, height))
    out = io.BytesIO()
    Image.composite(
        Image.new("RGB", (width, height), colour), Image.new("RGB", (width, height), "white"), ramp
    ).save(out, "JPEG", quality=90)
    return out.getvalue()


def fill(folder: Path, keys: list[str]) -> None:
    """Write a small JPEG at each key below a local folder."""
    data = picture(160, 120)
    for key in keys:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def outputs(folder: Path) -> dict[str, bytes]:
    """Return all files below a local folder by key, Shard's own state left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".shard") for part in path.relative_to(folder).parts)
    }


def run_folders(output: Path) -> list[Path]:
    """Return the folders of all runs of a local output."""
    return sorted((output / ".shard" / "runs").iterdir())


def lines(output: Path) -> list[dict[str, Any]]:
    """Return all ledger lines of all runs of a local output."""
    return [
        json.loads(line)
        for path in sorted(output.glob(".shard/runs/*/task-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def summaries(output: Path) -> list[dict[str, Any]]:
    """Return the last attempt's summary of every task of all runs of a local output."""
    return [
        json.loads(path.read_text())["attempts"][-1]
        for path in sorted(output.glob(".shard/runs/*/task-*.json"))
    ]
