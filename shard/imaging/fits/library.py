"""astropy's FITS module, loaded when the first FITS file is met (extra ``fits``)."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@lru_cache(maxsize=1)
def fits() -> Any:
    """Return ``astropy.io.fits``; ``missing_extra`` if astropy is not installed."""
    try:
        from astropy.io import fits as module
    except ImportError as error:
        raise ImageError("missing_extra", "FITS needs `pip install 'shard[fits]'`") from error
    return module


@lru_cache
def library(name: str) -> Any:
    """Return a module that only colour composites need; ``missing_extra`` if it is not there."""
    try:
        return import_module(name)
    except ImportError as error:
        missing = "colour composites need `pip install 'shard[fits]'`"
        raise ImageError("missing_extra", missing) from error


@contextmanager
def silent() -> Iterator[None]:
    """Keep astropy's and numpy's warnings to themselves: a log of millions needs none of them.

    What they warn of (odd cards, a file shorter than its header says) is checked here, or harmless.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
