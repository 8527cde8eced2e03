"""Three sizes against the largest of them alone, whole process, 12-megapixel JPEGs on local disk.

``python -m benchmarks.renditions [--rounds 5] [--count 100]``
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import local
from benchmarks.measuring import SHARD, Contender, arguments, interleave, ratios, save

THREE, LARGEST = "1024,400,200", "1024"


def contender(source: Path, sizes: str) -> Contender:
    """Return Shard with these sizes."""
    return Contender(sizes, lambda out: [SHARD, "run", str(source), out, "--sizes", sizes])


def main() -> None:
    """Measure; write ``results/renditions.json``."""
    given = arguments(__doc__, count=100)
    source = local.folder(given.corpora, "jpeg_12mp", given.count)

    def images(place: str) -> int:
        """Count pictures, not thumbnails: the three of one picture begin alike."""
        found = Path(place).glob("*.jpg")
        return len({path.name.partition("_")[0].partition(".")[0] for path in found})

    with tempfile.TemporaryDirectory(prefix="shard-bench-") as work:
        programs = interleave(
            [contender(source, sizes) for sizes in (LARGEST, THREE)],
            replace(local.places(Path(work)), count=images),
            rounds=given.rounds,
            tries=given.tries,
            expected=given.count,
        )
    found = ratios(programs, LARGEST)
    print(f"  three over the largest alone: {found[THREE]}")
    save(
        "renditions",
        {"files": given.count, "cores": os.cpu_count(), "programs": programs, "ratios": found},
    )


if __name__ == "__main__":
    main()
