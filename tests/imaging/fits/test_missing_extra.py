"""Without astropy: FITS files are named as what needs it, all else goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

_OPEN = """
import sys
sys.modules[sys.argv[1]] = None
from shard.errors import ImageError
from shard.imaging import open_image
from shard.model import Limits
try:
    open_image(b"SIMPLE  =                    T".ljust(2880), Limits())
except ImageError as error:
    print(error)
"""


@pytest.mark.parametrize("library", ["numpy", "astropy"])
def test_the_extra_is_named(library: str) -> None:
    """Where a library is missing the reason says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, library], capture_output=True, text=True, check=True
    )

    assert done.stdout == "missing_extra: FITS needs `pip install 'shard[fits]'`\n"
