"""The verb `deploy`: an engine's templates, filled in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import shard
from shard.errors import ShardError
from shard.planning.deployments import engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from shard.planning.deployments.base import Deployment

TEMPLATES = Path(shard.__file__).parent.parent / "deploy"
"""Beside the package, in a checkout as in the image."""


def deploy(
    name: str, deployment: Deployment, show: Callable[[str], None], note: Callable[[str], None]
) -> int:
    """Show the manifest, note what to do with it, and return 0. Raises ``ShardError``."""
    module = engine(name)
    texts = {file: _read(TEMPLATES / module.FOLDER / file) for file in module.templates(deployment)}
    show(module.fill(texts, deployment))
    for sentence in module.notes(deployment):
        note(sentence)
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ShardError(
            f"{path} cannot be read ({error.strerror}); "
            "accepted: shard deploy from a checkout, or in the container image"
        ) from error
