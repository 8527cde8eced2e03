"""Thumbnails opened again, each by a worker process: one that kills its decoder costs itself."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shard.execution.runner import Runner
from shard.execution.supply import Chain
from shard.execution.work import Work
from shard.model import Rendition, Status
from shard.planning.layout import parse_layout
from shard.planning.verdicts import Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shard.execution.runner import Bounds
    from shard.execution.session import Crew
    from shard.execution.signals import Stop
    from shard.execution.work import Recipe
    from shard.model import Outcome

_NAME: Final = "whole"


@dataclass(slots=True)
class Sample:
    """``size`` of the verdicts that pass, each as likely as any other (Vitter's algorithm R).

    The same outputs in the same order give the same sample.
    """

    size: int
    verdicts: list[Verdict] = field(default_factory=list)
    _passed: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  # nosec B311  # no secret

    def add(self, verdict: Verdict) -> None:
        """Take one into account."""
        self._passed += 1
        if len(self.verdicts) < self.size:
            self.verdicts.append(verdict)
        elif (at := self._random.randrange(self._passed)) < self.size:
            self.verdicts[at] = verdict


@dataclass(slots=True)
class Decoding:
    """Opens existing outputs and says which cannot be decoded, or are not what their name says.

    ``recipe`` is that of the job; ``tell`` gets an ``UNDECODABLE`` verdict for each bad one.
    ``opened`` counts all.
    """

    recipe: Recipe
    bounds: Bounds
    tell: Callable[[Verdict], None]
    opened: int = 0
    _in_hand: dict[str, Verdict] = field(default_factory=dict)

    def run(self, verdicts: Iterable[Verdict], pool: Crew, stop: Stop) -> None:
        """Open the output of each verdict. Raises ``ShardError`` where none can be read."""
        boxes = self.recipe.renditions
        # As large as any thumbnail may be, so that none is shrunk while loaded: all is decoded.
        whole = Rendition(_NAME, max(r.width for r in boxes), max(r.height for r in boxes))
        recipe = replace(
            self.recipe,
            source=self.recipe.output,
            renditions=(whole,),
            layout=parse_layout("mirror", (whole,), ""),
            limits=replace(self.recipe.limits, accept_truncated=False),
            overwrite=True,
            forbidden="",
            ranged=False,
            discard=True,
        )
        pool.equip(recipe)
        runner = Runner(pool, recipe, self.bounds, stop, self._settle, lambda: None)
        runner.run(self._chains(verdicts))
        if runner.error is not None:
            raise runner.error

    def _chains(self, verdicts: Iterable[Verdict]) -> Iterator[Chain]:
        for number, verdict in enumerate(verdicts):
            if verdict.output is not None:
                self._in_hand[verdict.output.key] = verdict
                yield Chain((Work(number, verdict.output, (_NAME,)),))

    def _settle(self, outcomes: tuple[Outcome, ...]) -> None:
        self.opened += 1
        (outcome,) = outcomes
        verdict = self._in_hand.pop(outcome.key)
        if outcome.status is Status.FAILED:
            self._tell(verdict, outcome.reason or "error")
        elif outcome.output != outcome.key:
            self._tell(verdict, "wrong_name")  # the content is of another format than it says

    def _tell(self, verdict: Verdict, reason: str) -> None:
        self.tell(replace(verdict, kind=Kind.UNDECODABLE, detail=reason))
