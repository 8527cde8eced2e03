"""What the service says of its stores before anyone asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard.service.first_look import faults
from tests.service.service_client import settings_of

if TYPE_CHECKING:
    from pathlib import Path


def test_good_stores_are_left_as_they_were(tmp_path: Path) -> None:
    """Where all is well nothing is said, and the probe is removed again."""
    settings = settings_of(tmp_path)

    assert faults(settings.sources[0]) == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_source_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A source that cannot be listed has a sentence that names it."""
    settings = settings_of(tmp_path)
    (tmp_path / "in").rmdir()

    said = faults(settings.sources[0])
    assert len(said) == 1
    assert said[0].startswith(
        f"the source cannot be listed, so nothing of it is served: {tmp_path}"
    )


def test_an_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """An output that cannot be written has a sentence that names it."""
    settings = settings_of(tmp_path)
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("a file")

    said = faults(settings.sources[0])
    assert len(said) == 1
    assert said[0].startswith("the output cannot be written, so only what is there is served: ")
