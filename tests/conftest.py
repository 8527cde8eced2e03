"""What every test gets: no credentials of this host, and the server fixtures on request."""

from __future__ import annotations

import logging
import os

import pytest

from tests.servers import fake_gcs, isolate, moto_s3, seaweed

__all__ = ["fake_gcs", "moto_s3", "seaweed"]

isolate(os.environ)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> None:
    """Let no command that was called in this process decide how a test's log looks."""
    log = logging.getLogger("shard")
    log.setLevel(logging.NOTSET)
    log.propagate, log.handlers = True, []
