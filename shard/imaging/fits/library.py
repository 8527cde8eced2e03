"""astropy's FITS module, loaded when the first FITS file is met (extra ``fits``)."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@lru_cache(maxsize=1)
def fits() -> Any:
    """Return ``astropy.io.fits``; ``missing_extra`` if astropy is not installed."""
    try:
        from astropy.io import fits as library
    except ImportError as error:
        raise ImageError("missing_extra", "FITS needs `pip install 'shard[fits]'`") from error
    return library


@contextmanager
def silent() -> Iterator[None]:
    """Keep astropy's and numpy's warnings to themselves: a log of millions needs none of them.

    What they warn of (odd cards, a file shorter than its header says) is checked here, or harmless.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
