"""How many requests were made of stores, by this thread: what a bill would name."""

from __future__ import annotations

import threading


class _Made(threading.local):
    count = 0


_MADE = _Made()


def made() -> int:
    """Return how many requests this thread has made so far, tries included."""
    return _MADE.count


def note() -> None:
    """Count one more."""
    _MADE.count += 1
