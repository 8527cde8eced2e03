"""A saved plan: what was forecast for a source, an output and renditions, to hold a run against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from shard.errors import ObjectMissing, StorageError
from shard.execution.run_record import STATE
from shard.planning.sampling import Range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.execution.run_record import RunRecord
    from shard.storage.base import Store

NAME: Final = f"{STATE}/plan.json"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a plan is for; a run with the same values is what it forecast."""

    source: str
    output: str | None
    renditions: str
    layout: str

    @classmethod
    def of(cls, record: RunRecord) -> Subject:
        """Return what a run is about."""
        return cls(record.source, record.output, record.renditions, record.layout)


@dataclass(frozen=True, slots=True)
class Expected:
    """The forecast of a run.

    ``work`` are worker-seconds by where they are spent: ``here`` (the cores that the sample ran
    on) and ``there`` (an engine's vCPUs). ``skew``: by number of tasks, how much more than the
    mean the heaviest has to do. ``cpu`` are a processor's seconds here, in the workers, ``speed``
    what a vCPU there does in the time that a core here does 1. ``fixed``: seconds of a task before
    its work, its start left out.
    """

    work: Mapping[str, Range]
    fixed: float
    skew: Mapping[int, float]
    cpu: Range
    speed: float
    images: int
    thumbnails: Range
    bytes_out: Range
    failed: Range

    def seconds(self, tasks: int, workers: int, where: str) -> Range:
        """Return how long the heaviest of so many tasks takes from its listing on."""
        nearest = min(self.skew, key=lambda count: abs(count / tasks - 1), default=None)
        skew = 1.0 if nearest is None or tasks == 1 else self.skew[nearest]
        return self.work[where] * (skew / (tasks * workers)) + self.fixed


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan as it is saved; ``details`` is all else that it said, for readers of the file."""

    version: str
    created: datetime
    subject: Subject
    expected: Expected
    details: Mapping[str, Any]

    def to_json(self) -> str:
        """Return the record as an indented JSON document."""
        facts = asdict(replace(self, details={}))
        facts["details"] = self.details
        facts["created"] = self.created.isoformat()  # whole: which was first, plan or run?
        return json.dumps(facts, indent=2) + "\n"


def save(base: Store, record: PlanRecord) -> None:
    """Write the record below an output base, in place of an earlier one."""
    base.write(NAME, record.to_json().encode(), content_type="application/json")


def load(base: Store) -> PlanRecord | None:
    """Read the plan below an output base; ``None`` where there is none, or none of this version."""
    try:
        facts = json.loads(base.read(NAME))
        return PlanRecord(
            version=facts["version"],
            created=datetime.fromisoformat(facts["created"]),
            subject=Subject(**facts["subject"]),
            expected=_expected(facts["expected"]),
            details=facts["details"],
        )
    except ObjectMissing:
        return None
    except (ValueError, TypeError, KeyError) as error:
        remedy = "make the plan again, or remove the file"
        raise StorageError(f"{base.url}/{NAME}", f"is not a plan ({error})", remedy) from error


def _expected(facts: dict[str, Any]) -> Expected:
    ranges = {name: Range(**facts[name]) for name in ("cpu", "thumbnails", "bytes_out", "failed")}
    return Expected(
        work={where: Range(**work) for where, work in facts["work"].items()},
        fixed=facts["fixed"],
        skew={int(count): skew for count, skew in facts["skew"].items()},
        images=facts["images"],
        speed=facts["speed"],
        **ranges,
    )
