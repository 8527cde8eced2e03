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

_MOST = 999
"""Axes, or columns of a table, that a header may tell (FITS standard 4.0, sections 4.4.1, 7.2)."""
_LARGEST = 1 << 62
"""Pixels on an axis, or bytes after a table: as far as files can be sought in."""


@lru_cache(maxsize=1)
def fits() -> Any:
    """Return ``astropy.io.fits``; ``missing_extra`` if astropy is not installed."""
    try:
        from astropy.io import fits as module
    except ImportError as error:
        raise ImageError("missing_extra", "FITS needs `pip install 'shard[fits]'`") from error
    _guard(module)
    return module


def _guard(module: Any) -> None:
    """Have astropy take an HDU whose sizes are no sizes for one that is damaged.

    It would count to whatever number of axes the header says, or repeat a text two thousand million
    times: for hours, in gigabytes. A kind of HDU that fails to recognise a header makes the HDU a
    corrupted one; astropy asks the kinds in reversed order of depth and name: this one first.
    """

    class _WithoutEnd(module.hdu.base._ValidHDU):  # type: ignore[misc]  # noqa: SLF001 - see above
        @classmethod
        def match_header(cls, header: Any) -> bool:
            for name in ("NAXIS", "ZNAXIS", "TFIELDS"):
                _check(header, name, _MOST)
            for name in ("NAXIS", "ZNAXIS"):
                for axis in range(1, header.get(name, 0) + 1):
                    _check(header, f"{name}{axis}", _LARGEST)
            for name in ("PCOUNT", "GCOUNT"):
                _check(header, name, _LARGEST)
            return False

    module.register_hdu(_WithoutEnd)


def _check(header: Any, name: str, most: int) -> None:
    """Raise ``ValueError`` for what is there and no number from 0 to ``most``."""
    number = header.get(name, 0)
    if not isinstance(number, int) or not 0 <= number <= most:
        raise ValueError(name)


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
