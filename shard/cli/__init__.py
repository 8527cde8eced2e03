"""Flags and environment in, exit code out."""
