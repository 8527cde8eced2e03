"""The batch's workers on demand: real processes, real faults."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from shard.execution.on_demand import Closed, Full, OnDemand, Staff, TooLate
from shard.execution.opening import Opening
from shard.execution.pool import Pool, WorkersBroken
from shard.execution.session import open_pool
from shard.execution.sites import several
from shard.execution.work import Work
from shard.model import Item, Status
from shard.planning.settings import TaskSettings
from tests.program import FAULTS, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from shard.execution.on_demand import Made
    from shard.execution.work import Recipe

    Start = Callable[..., OnDemand]

SECONDS = 60.0


def recipe_of(source: Path, output: Path, **variables: str) -> Recipe:
    """Return the batch's recipe for a folder."""
    said = {"INPUT_FOLDER": str(source), "OUTPUT_FOLDER": str(output), "WORKERS": "2"}
    opening = Opening(TaskSettings.parse({**said, "RENDITIONS": "small=40x40", **variables}))
    return opening.recipe(opening.check())


def work(folder: Path, key: str, data: bytes, site: str = "") -> Work:
    """Write an object of this content; return what is to be done with it."""
    (folder / key).write_bytes(data)
    return Work(0, Item(key, len(data)), ("small",), site=site)


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Recipe, int], OnDemand]]:
    """Start workers whose decoder crashes or hangs when the bytes tell it to."""
    monkeypatch.setenv("PYTHONPATH", str(FAULTS))
    monkeypatch.setenv("FAULTS_FOLDER", str(tmp_path))
    (tmp_path / "in").mkdir()
    begun: list[OnDemand] = []

    def starting(recipe: Recipe, waiting: int = 50) -> OnDemand:
        pool = functools.partial(open_pool, ["file"], 2, 60.0, None)
        begun.append(OnDemand(Staff(pool, recipe, 2, waiting, 10_000_000)))
        return begun[-1]

    yield starting
    for one in begun:
        one.close(0)


def reasons(future: Future[Made]) -> list[str | None]:
    """Return what the outcomes say: ``None`` for what was written."""
    return [outcome.reason for outcome in future.result(SECONDS).outcomes]


def test_what_is_asked_for_is_made(tmp_path: Path, start: Start) -> None:
    """The outcome names the output, and it is there."""
    made = start(recipe_of(tmp_path / "in", tmp_path / "out")).make(
        work(tmp_path / "in", "a.jpg", picture(160, 120)), SECONDS
    )

    (outcome,) = made.result(SECONDS).outcomes

    assert (outcome.status, outcome.output) == (Status.WRITTEN, "a.jpg")
    assert (tmp_path / "out/a.jpg").stat().st_size == outcome.bytes_out


def test_each_site_has_its_own_folders_and_renditions(tmp_path: Path, start: Start) -> None:
    """One pool serves several sources."""
    (tmp_path / "in2").mkdir()
    sites = {
        "a": recipe_of(tmp_path / "in", tmp_path / "out"),
        "b": recipe_of(tmp_path / "in2", tmp_path / "out2", RENDITIONS="small=10x10,format=png"),
    }
    on_demand = start(several(sites))

    made = [
        on_demand.make(work(tmp_path / folder, "x.jpg", picture(160, 120), site), SECONDS)
        for folder, site in (("in", "a"), ("in2", "b"))
    ]

    assert [future.result(SECONDS).outcomes[0].pixels_out for future in made] == [(40, 30), (10, 8)]
    assert (tmp_path / "out2/x.jpg.png").exists()


def test_a_crash_is_tried_again_alone(tmp_path: Path, start: Start) -> None:
    """An image whose worker was killed once is made all the same; its neighbours never notice."""
    on_demand = start(recipe_of(tmp_path / "in", tmp_path / "out"))
    asked = [on_demand.make(work(tmp_path / "in", "once.jpg", b"ONCE" + picture(9, 9)), SECONDS)]
    asked += [
        on_demand.make(work(tmp_path / "in", f"{n}.jpg", picture(160, 120)), SECONDS)
        for n in range(20)
    ]

    made = [future.result(SECONDS).outcomes[0] for future in asked]

    assert {outcome.status for outcome in made} == {Status.WRITTEN}
    assert made[0].attempts == 2


def test_a_decoder_that_always_crashes_costs_one_image(tmp_path: Path, start: Start) -> None:
    """The second crash is the image's outcome; the workers go on."""
    on_demand = start(recipe_of(tmp_path / "in", tmp_path / "out"))
    crash = on_demand.make(work(tmp_path / "in", "crash.jpg", b"CRASH"), SECONDS)
    other = on_demand.make(work(tmp_path / "in", "a.jpg", picture(160, 120)), SECONDS)

    assert (reasons(crash), reasons(other)) == (["crashed"], [None])


def test_what_takes_too_long_is_answered_meanwhile(tmp_path: Path, start: Start) -> None:
    """Who asked is told in time; the work itself is finished."""
    on_demand = start(recipe_of(tmp_path / "in", tmp_path / "out", ITEM_TIMEOUT="2"))
    hang = on_demand.make(work(tmp_path / "in", "hang.jpg", b"HANG"), 0.5)

    with pytest.raises(TooLate):
        hang.result(SECONDS)

    assert reasons(on_demand.make(work(tmp_path / "in", "a.jpg", picture(160, 120)), SECONDS)) == [
        None
    ]


def test_only_so_many_wait(tmp_path: Path, start: Start) -> None:
    """Beyond the bound who asks is refused at once."""
    on_demand = start(recipe_of(tmp_path / "in", tmp_path / "out"), 3)
    slow = work(tmp_path / "in", "slow.jpg", b"SLOW" + picture(9, 9))

    def ask() -> None:
        for _ in range(100):
            on_demand.make(slow, SECONDS)

    with pytest.raises(Full):
        ask()


def test_what_nobody_wants_any_more_is_not_begun(tmp_path: Path, start: Start) -> None:
    """A future that was cancelled while it waited leaves no output."""
    on_demand = start(recipe_of(tmp_path / "in", tmp_path / "out"))
    first = on_demand.make(work(tmp_path / "in", "a.jpg", picture(160, 120)), SECONDS)
    unwanted = [
        on_demand.make(work(tmp_path / "in", f"{n}.jpg", picture(160, 120)), SECONDS)
        for n in range(40)
    ]
    cancelled = [future for future in unwanted if future.cancel()]
    first.result(SECONDS)
    on_demand.close(SECONDS)

    assert len(list((tmp_path / "out").glob("*.jpg"))) == 41 - len(cancelled)


def test_closing_finishes_what_was_asked_for(tmp_path: Path, start: Start) -> None:
    """Within the grace nothing is lost, and nothing new is taken."""
    on_demand = start(recipe_of(tmp_path / "in", tmp_path / "out"))
    asked = [
        on_demand.make(work(tmp_path / "in", f"{n}.jpg", picture(160, 120)), SECONDS)
        for n in range(10)
    ]

    on_demand.close(SECONDS)

    assert [reasons(future) for future in asked] == [[None]] * 10
    with pytest.raises(Closed):
        on_demand.make(work(tmp_path / "in", "late.jpg", picture(9, 9)), SECONDS)


def test_workers_that_cannot_start_are_said_and_started_again(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks is told why; once the cause is gone the next one is served."""
    monkeypatch.setattr("shard.execution.pool._ENTRY", "raise SystemExit(3)")
    on_demand = start(recipe_of(tmp_path / "in", tmp_path / "out"))
    image = work(tmp_path / "in", "a.jpg", picture(160, 120))

    with pytest.raises(WorkersBroken, match="exit code 3"):
        on_demand.make(image, SECONDS).result(SECONDS)

    monkeypatch.undo()
    while True:
        try:
            outcome = on_demand.make(image, SECONDS).result(SECONDS).outcomes[0]
        except WorkersBroken:
            continue
        break
    assert (outcome.status, on_demand.broken) == (Status.WRITTEN, None)


def test_a_pool_says_when_it_is_up() -> None:
    """No worker, no readiness."""
    assert not Pool(silence=1.0).ready
