"""Write the code of the function on AWS Lambda: what `shard.events.aws` imports, nothing else.

    python deploy/aws-pyramids/package.py build/lambda.zip

boto3 is part of Lambda's Python. The same modules give the same bytes, wherever they are packed.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from zipfile import ZipFile, ZipInfo

ROOT = Path(__file__).resolve().parents[2]
HANDLER = "shard.events.aws"


def main(target: Path) -> None:
    """Import the handler and pack the modules of Shard that came with it."""
    sys.path.insert(0, str(ROOT))
    importlib.import_module(HANDLER)
    loaded = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "shard"}
    files = sorted(Path(str(module.__file__)).resolve() for module in loaded.values())
    target.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(target, "w") as package:
        for file in files:
            entry = ZipInfo(file.relative_to(ROOT).as_posix())  # of 1980: no clock in the bytes
            entry.external_attr = 0o644 << 16
            package.writestr(entry, file.read_bytes())
    print(f"{target}: {len(files)} modules, {target.stat().st_size:,} bytes")  # noqa: T201 - a script


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - its one argument
        sys.exit("usage: package.py FILE.zip")
    main(Path(sys.argv[1]))
