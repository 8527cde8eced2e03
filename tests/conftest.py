"""What every test gets: no credentials of this host, and the server fixtures on request."""

from __future__ import annotations

import os

from tests.servers import fake_gcs, isolate, moto_s3, seaweed

__all__ = ["fake_gcs", "moto_s3", "seaweed"]

isolate(os.environ)
