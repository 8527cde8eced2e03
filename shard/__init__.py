"""Shard: a parallel batch job that pre-generates thumbnails for a whole bucket."""

__version__ = "0.1.0"
