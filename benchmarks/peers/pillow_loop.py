"""The script that many start with: one process, one loop, ``Image.thumbnail``."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image


def main() -> None:
    """Make thumbnails of a folder: ``pillow_loop.py INPUT OUTPUT``."""
    source, output = map(Path, sys.argv[1:3])
    for path in sorted(source.iterdir()):
        image = Image.open(path)
        image.thumbnail((200, 200))
        image.convert("RGB").save(output / path.name, "JPEG", quality=85)


if __name__ == "__main__":
    main()
