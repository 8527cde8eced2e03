"""Manifests: what an engine is told so that it runs the job; one module an engine.

A module of ``ENGINES`` answers to ``base.Engine``. Its templates are the complete, valid examples
in ``deploy/<folder>/``; ``fill`` edits them as data (YAML, JSON, shell words), so that no value
can break out of its place.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from shard.planning.deployments.base import Engine

ENGINES: Final = {
    "kubernetes": "an Indexed Job, by kubectl replace (a CronJob: kubectl apply)",
    "cloud-run": "a Cloud Run job, by gcloud run jobs replace",
    "aws-batch": "an array job on Fargate, by aws batch submit-job",
    "google-batch": "a Google Batch job, by gcloud batch jobs submit",
    "slurm": "a batch script for a job array, by sbatch",
}
"""The engines a manifest can be printed for, by the names of ``planning.engine``."""


def engine(name: str) -> Engine:
    """Return the module of one of ``ENGINES``; it is imported when it is asked for."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast("Engine", module)
