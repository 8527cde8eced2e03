"""A tree in the layout `collections`, with all that can be wrong with it, in known numbers.

``make_tree`` says which objects there are; ``plant`` writes them to a local folder with their
times set, ``plant_store`` to any store in an order that gives them such times.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from shard.storage.base import Store

COLLECTIONS = ("botany", "ichthyology", "iz")
SCALE = 200

# Of every twenty originals.
_STATES = ("fresh",) * 10 + ("missing",) * 6 + ("stale",) * 2 + ("empty",) * 2
_EXTENSIONS = (".jpg",) * 14 + (".tif", ".png", ".gif", ".pdf", ".JPG", ".tiff")
_THUMBNAIL = {".tif": ".png", ".tiff": ".png", ".pdf": ".png", ".png": ".png", ".gif": ".gif"}
_PILLOW = {".jpg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG", ".gif": "GIF"}
_TYPES = {
    ".jpg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".png": "image/png",
    ".gif": "image/gif",
    ".pdf": "application/pdf",
}


@dataclass
class Tree:
    """Keys below the root that holds the collections; thumbnails are those of SCALE.

    ``originals`` and ``thumbnails`` map keys to bytes. ``state`` maps each original to ``fresh``,
    ``missing``, ``stale`` or ``empty``. ``stale`` and ``orphans`` are keys of thumbnails.
    """

    originals: dict[str, bytes] = field(default_factory=dict)
    thumbnails: dict[str, bytes] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    orphans: set[str] = field(default_factory=set)

    def count(self, collection: str | None = None) -> Counter[str]:
        """Return how many originals are in each state, in one collection or in all."""
        return Counter(
            state
            for key, state in self.state.items()
            if collection is None or key.startswith(f"{collection}/")
        )

    def needed(self, collection: str | None = None) -> int:
        """Return how many thumbnails of SCALE have to be made."""
        counts = self.count(collection)
        return counts.total() - counts["fresh"]


def thumbnail_key(original: str, scale: int = SCALE) -> str:
    """Return where an original's thumbnail belongs."""
    folder, _, name = original.replace("/originals/", "/thumbnails/").rpartition("/")
    stem, dot, ext = name.rpartition(".")
    return f"{folder}/{stem}_{scale}{_THUMBNAIL.get((dot + ext).lower(), '.jpg')}"


def make_tree(count: int = 60, seed: int = 7) -> Tree:
    """Return a tree of ``count`` originals in hash folders, a twentieth as many orphans.

    The same for the same arguments. The first two originals have names that look like others'
    thumbnails: ``IMG_2034.jpg``, and ``<first>_200.jpg`` beside it.
    """
    rng = random.Random(seed)
    tree = Tree()
    for number in range(count):
        collection = COLLECTIONS[number % len(COLLECTIONS)]
        name = f"{rng.getrandbits(128):032x}"
        ext = _EXTENSIONS[(number // 3) % len(_EXTENSIONS)]
        folder = f"{collection}/originals/{name[:2]}/{name[2:4]}"
        key = f"{folder}/{name}{ext}"
        if number == 0:
            key = f"{folder}/IMG_2034.jpg"
        elif number == 1:
            first = next(iter(tree.originals))
            key = first.replace(".jpg", f"_{SCALE}.jpg")
        _add(tree, key, _STATES[(number * 7) % len(_STATES)], picture(ext, number % 5))
    for _ in range(count // 20):
        name = f"{rng.getrandbits(128):032x}"
        key = f"{rng.choice(COLLECTIONS)}/thumbnails/{name[:2]}/{name[2:4]}/{name}_{SCALE}.jpg"
        tree.thumbnails[key] = picture(".jpg", 0)
        tree.orphans.add(key)
    return tree


def _add(tree: Tree, key: str, state: str, data: bytes) -> None:
    tree.originals[key], tree.state[key] = data, state
    if state == "missing":
        return
    thumbnail = thumbnail_key(key)
    tree.thumbnails[thumbnail] = b"" if state == "empty" else picture(thumbnail[-4:], 0)
    if state == "stale":
        tree.stale.add(thumbnail)


@cache
def picture(ext: str, variant: int) -> bytes:
    """Return a small image, larger than any thumbnail, of the format that the extension says."""
    size = (260 + 20 * variant, 240)
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image.paste((40 * variant, 90, 160), (20, 20, 120, 120))
    out = io.BytesIO()
    kind = _PILLOW.get(ext.lower(), "PDF")
    image.save(out, kind, **({"quality": 88} if kind == "JPEG" else {}))
    return out.getvalue()


def plant(tree: Tree, root: Path, prefix: str = "") -> None:
    """Write the tree below a local folder: originals an hour old, stale thumbnails two."""
    now = time.time()
    for key, data in {**tree.originals, **tree.thumbnails}.items():
        path = root / prefix / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        hours = 2 if key in tree.stale else 1 if key in tree.originals else 0.5
        os.utime(path, (now - hours * 3600,) * 2)


def plant_store(tree: Tree, store: Store) -> None:
    """Write the tree to a store: what is stale a second before the originals, the rest after."""
    first = {key: tree.thumbnails[key] for key in tree.stale}
    last = {key: data for key, data in tree.thumbnails.items() if key not in tree.stale}
    _write(store, first)
    time.sleep(1.1)  # S3 and SeaweedFS tell whole seconds
    _write(store, tree.originals)
    _write(store, last)


def _write(store: Store, objects: dict[str, bytes]) -> None:
    def put(pair: tuple[str, bytes]) -> None:
        ext = pair[0][pair[0].rindex(".") :].lower()
        options: dict[str, Any] = {"content_type": _TYPES[ext]}
        store.write(pair[0], pair[1], **options)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, objects.items()))
