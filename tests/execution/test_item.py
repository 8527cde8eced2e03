"""One item in a worker: what is read, what is refused, what must wait for more memory."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from shard.execution import item as steps
from shard.execution.work import Memory, Recipe, Work
from shard.model import Item, Limits, Outcome, Status
from shard.planning.layout import parse_layout
from shard.planning.renditions import parse_renditions
from shard.storage.base import NO_HEADERS, Headers, StorageOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RENDITIONS = parse_renditions("100x100")
RECIPE = Recipe(
    "s3://b/in",
    "s3://b/out",
    StorageOptions(),
    RENDITIONS,
    parse_layout("mirror", RENDITIONS, "now"),
    Limits(),
    ranged=True,
)


@dataclass
class _Objects:
    """A store of one's own that remembers which bytes were asked for."""

    url: str = "s3://b/in"
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        data = self.objects[key][start:end]
        self.asked.append((start, start + len(data)))
        return data

    def write(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
        headers: Headers = NO_HEADERS,
        create_only: bool = False,
    ) -> None:
        assert isinstance(data, bytes)
        self.objects[key] = data
        self.types[key] = content_type


def _large(**options: object) -> bytes:
    """Return a JPEG of well over 1 MiB, of structure and noise."""
    noise = np.random.default_rng(1).integers(0, 90, (1500, 2000, 3), dtype=np.uint8)
    ramp = np.linspace(0, 160, 2000, dtype=np.uint8)[None, :, None]
    out = io.BytesIO()
    Image.fromarray(noise + ramp).save(out, "JPEG", quality=92, **options)
    assert len(out.getvalue()) > 1 << 20
    return out.getvalue()


def _go(
    data: bytes, recipe: Recipe = RECIPE, **work: object
) -> tuple[Outcome, _Objects, steps.Job]:
    source, output = _Objects(objects={"a.jpg": data}), _Objects()
    job = steps.Job(Work(0, Item("a.jpg", len(data)), ("100x100",), **work))  # type: ignore[arg-type]
    steps.read(job, source, recipe)  # type: ignore[arg-type]
    steps.render(job, recipe)
    (outcome,) = steps.write(job, output, recipe)  # type: ignore[arg-type]
    output.asked = source.asked
    return outcome, output, job


def test_of_a_progressive_jpeg_only_the_head_is_read_and_the_bytes_are_the_same() -> None:
    """From afar a small rendition needs the head and the tail; locally the same bytes result."""
    data = _large(progressive=True)

    far, made, _ = _go(data)
    _, local, _ = _go(data, replace(RECIPE, ranged=False))

    assert far.status is Status.WRITTEN
    assert sum(end - start for start, end in made.asked) < len(data) / 2
    assert made.objects == local.objects


def test_a_baseline_jpeg_is_read_in_two_parts_and_no_byte_twice() -> None:
    """Where the head does not suffice the rest is joined to it."""
    data = _large()

    outcome, made, _ = _go(data)

    assert outcome.status is Status.WRITTEN
    assert sum(end - start for start, end in made.asked) == len(data)


def test_a_truncated_progressive_jpeg_fails_although_its_head_would_do() -> None:
    """The end of the file is looked at, so that no truncated image passes for a whole one."""
    data = _large(progressive=True)

    outcome, made, _ = _go(data[: len(data) * 2 // 3])

    assert (outcome.status, outcome.reason) == (Status.FAILED, "truncated")
    assert made.objects == {}


def test_what_is_no_image_is_refused_by_its_head() -> None:
    """Of a large file that is no image only the head is read."""
    outcome, made, _ = _go(b"no image, " * 300_000)

    assert outcome.reason == "not_an_image"
    assert len(made.asked) == 1
    assert made.asked[0][1] < 1 << 20


def test_too_many_pixels_are_refused_by_the_head() -> None:
    """The header's numbers suffice; the error names both."""
    recipe = replace(RECIPE, limits=Limits(max_pixels=1_000_000))

    outcome, made, _ = _go(_large(), recipe)

    assert outcome.reason == "too_many_pixels"
    assert "2000x1500" in str(outcome.detail)
    assert "1000000" in str(outcome.detail)
    assert len(made.asked) == 1


def test_too_many_bytes_are_refused_unread() -> None:
    """An object over MAX_BYTES costs no request."""
    outcome, made, _ = _go(_large(), replace(RECIPE, limits=Limits(max_bytes=1000)))

    assert outcome.reason == "too_many_bytes"
    assert made.asked == []


def test_what_exceeds_a_share_waits_and_is_made_alone() -> None:
    """Over the share nothing is decoded beside others; alone it is."""
    recipe = replace(RECIPE, memory=Memory(share=1, alone=1 << 40))

    _, beside, job = _go(_large(), recipe)
    alone, made, _ = _go(_large(), recipe, alone=True)

    assert job.needs
    assert beside.objects == {}
    assert alone.status is Status.WRITTEN
    assert set(made.objects) == {"a.jpg"}


def test_what_does_not_fit_at_all_is_refused_with_both_numbers() -> None:
    """Over the whole memory the item fails, and says what it takes and what there is."""
    outcome, _, job = _go(_large(), replace(RECIPE, memory=Memory(share=1, alone=1 << 20)))

    assert job.needs is None
    assert outcome.reason == "too_much_memory"
    assert "this task has 1 MiB" in str(outcome.detail)


@pytest.mark.parametrize("format_name", ["PNG", "GIF", "WEBP"])
def test_name_format_and_content_type_agree(format_name: str) -> None:
    """A PNG that is called .jpg becomes .jpg.png, with the type of a PNG; the ledger notes it."""
    out = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(out, format_name)

    outcome, made, _ = _go(out.getvalue())

    extension = format_name.lower()
    assert outcome.output == f"a.jpg.{extension}"
    assert made.types == {f"a.jpg.{extension}": f"image/{extension}"}
    assert any("named_jpeg" in note for note in outcome.notes)


def test_stage_times_add_up_and_notes_do_not_repeat() -> None:
    """Each stage has its milliseconds, and a note stands once."""
    outcome, _, _ = _go(_large(progressive=True))

    assert {"read", "wait", "open", "decode", "resize", "encode", "write"} <= set(outcome.ms)
    assert len(set(outcome.notes)) == len(outcome.notes)
