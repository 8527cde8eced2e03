"""What each engine does to its tasks by itself, said once for `deploy` and `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Habits:
    """An engine's clocks, in seconds. Sources: the engines' own manuals.

    ``kill_after``: from its SIGTERM to its SIGKILL; ``most_grace``: the GRACE that leaves a task
    time for its last words; ``timeout``: the default limit of an attempt where nothing else is
    asked for, ``longest`` the most that can be asked for, both ``None`` where there is none;
    ``flag``: what changes the clock that matters.
    """

    name: str
    kill_after: int
    most_grace: int
    timeout: int | None = None
    longest: int | None = None
    flag: str = ""


AFTER_DRAIN: Final = 12
"""Seconds that a task may need from the end of its drain (GRACE) to its exit: last outcomes,
ledger and summary, each through a client that gives up after two seconds."""

HABITS: Final = {
    # Ten seconds are too few for all that may go wrong at the end: here two have to do.
    "cloud-run": Habits("Cloud Run", 10, 8, 600, 168 * 3600, "--task-timeout"),
    "kubernetes": Habits("Kubernetes", 30, 30 - AFTER_DRAIN, flag="terminationGracePeriodSeconds"),
    "aws-batch": Habits("AWS Batch", 30, 30 - AFTER_DRAIN, longest=14 * 86_400),
    "google-batch": Habits("Google Batch", 30, 30 - AFTER_DRAIN, longest=14 * 86_400),
    "slurm": Habits("Slurm", 30, 30 - AFTER_DRAIN, flag="KillWait"),
}
