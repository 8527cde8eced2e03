"""What decoders throw, in the words of the ledger."""

from __future__ import annotations

import pytest

from shard.errors import ImageError
from shard.imaging import boundary


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("Unrecognized compression type: JPEG_1"), "unsupported"),
        (OSError("12-bit samples are not supported"), "unsupported"),
        (TypeError("'>' not supported between instances of 'str' and 'int'"), "corrupt"),
        (TypeError("unsupported operand type(s) for +: 'int' and 'str'"), "corrupt"),
        (OSError("unexpected end of file"), "truncated"),
        (OSError(28, "No space left on device"), "too_little_disk"),
        (MemoryError(), "too_much_memory"),
    ],
)
def test_a_decoders_failure_has_one_reason(error: Exception, reason: str) -> None:
    """A variant that it does not know is told from a file that makes no sense."""
    with pytest.raises(ImageError) as told, boundary.only_image_errors("FITS", complete=True):
        raise error

    assert told.value.reason == reason
