"""A run is one thing: the record that whichever task comes first pins for all others."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shard.errors import AlreadyExists, RunConflict, StorageError

if TYPE_CHECKING:
    from shard.storage.base import Store

STATE = ".shard"
_NAME = "run.json"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What all tasks of a run share.

    ``output`` is ``None`` where the default is used: it then follows from ``started`` and
    ``output_bucket``. ``renditions`` is the canonical text of ``planning.renditions``.
    ``manifest`` tells which inventory the slices are of, where the source is not listed.
    ``fits`` is the canonical text of ``planning.fits``.
    ``upload``: the originals are copied too, so that thumbnails belong to the copies. ``pyramids``:
    how pyramids are made, where they are made instead of renditions.
    """

    run: str
    started: datetime
    source: str
    output: str | None
    output_bucket: str | None
    renditions: str
    layout: str
    slice: str
    count: int
    version: str
    manifest: str | None = None
    upload: bool = False
    fits: str = ""
    pyramids: str | None = None

    def to_json(self) -> bytes:
        """Return the record as an indented JSON document."""
        facts = asdict(self) | {"started": self.started.isoformat()}
        return (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()


def runs_url(base_url: str) -> str:
    """Return the URL of the folder that holds all runs' folders below an output base."""
    return f"{base_url.rstrip('/')}/{STATE}/runs"


def folder_url(base_url: str, run: str) -> str:
    """Return the URL of one run's folder."""
    return f"{runs_url(base_url)}/{run}"


def base_url(folder: str, run: str) -> str | None:
    """Return the output base below which a run's folder lies, ``None`` if it was moved."""
    inside = f"/{STATE}/runs/{run}"
    return folder.removesuffix(inside) if folder.endswith(inside) else None


def pin(folder: Store, ours: RunRecord) -> RunRecord:
    """Write the record if this task is the run's first; return the one that holds.

    Raises ``RunConflict`` naming the first field in which this task differs from its run.
    """
    try:
        folder.write(_NAME, ours.to_json(), content_type="application/json", create_only=True)
    except AlreadyExists:
        theirs = load(folder)
    else:
        return ours
    agree(ours, theirs)
    return theirs


def agree(ours: RunRecord, theirs: RunRecord) -> None:
    """Raise ``RunConflict`` for the first field in which a task differs from its run."""
    for name, mine in asdict(ours).items():
        pinned = getattr(theirs, name)
        if name != "started" and mine != pinned:
            raise RunConflict(ours.run, name, mine, pinned)


def load(folder: Store) -> RunRecord:
    """Read the run's record. Raises ``StorageError`` if it is missing or is not a record."""
    try:
        facts: dict[str, Any] = json.loads(folder.read(_NAME))
        started = datetime.fromisoformat(facts.pop("started")).astimezone(UTC)
        return RunRecord(started=started, **facts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{folder.url}/{_NAME}",
            f"is not a run record ({error})",
            "it was written by another version of Shard, or cut short: use another RUN_ID",
        ) from error
