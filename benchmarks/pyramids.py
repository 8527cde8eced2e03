"""Pyramid TIFFs of 12 MP JPEGs on local disk, whole process, beside libvips alone.

``python -m benchmarks.pyramids [--rounds 3] [--files 24]``. libvips alone is ``vips tiffsave``, one
program a file under ``xargs``, where it is installed, and a loop in processes that stay; neither
copies its source nor verifies what it wrote.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import local
from benchmarks.measuring import SHARD, Contender, arguments, interleave, ratios, save
from shard.execution.resources import usable_cores

_LOOP = Path(__file__).parent / "peers" / "pyramid_loop.py"
_SAVE = (
    'vips tiffsave {}[access=sequential] "$0/$(basename {} .jpg).tif" --tile --pyramid '
    "--tile-width 512 --tile-height 512 --compression deflate --predictor horizontal"
)
_FILES = "ls -d $1/* | xargs -P $2 -I{} sh -c '" + _SAVE + '\' "$0"'


def contenders(source: Path) -> list[Contender]:
    """Return who is measured on the folder ``source``."""
    cores = str(usable_cores())
    found = [
        Contender("shard", lambda out: [SHARD, "pyramid", "run", str(source), out]),
        Contender("pyvips loop", lambda out: [sys.executable, str(_LOOP), str(source), out, cores]),
    ]
    if shutil.which("vips"):
        one = {"VIPS_CONCURRENCY": "1"}
        program = Contender("vips tiffsave", lambda out: _program(out, source, cores), one)
        found.append(program)
    return found


def _program(out: str, source: Path, cores: str) -> list[str]:
    return ["sh", "-c", _FILES, out, str(source), cores]


def main() -> None:
    """Measure and save."""
    wanted = arguments(__doc__, files=24)
    source = local.folder(wanted.corpora, "jpeg_12mp", wanted.files)
    with tempfile.TemporaryDirectory() as folder:
        programs = interleave(
            contenders(source),
            local.places(Path(folder)),
            rounds=wanted.rounds,
            expected=wanted.files,
            tries=wanted.tries,
        )
    save(
        "pyramids",
        {"files": wanted.files, "programs": programs, "ratios": ratios(programs, "shard")},
    )


if __name__ == "__main__":
    main()
