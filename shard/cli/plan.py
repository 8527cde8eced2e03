"""`shard plan`: what the job will take, from a sample rendered for real."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from shard.cli.environment import environment, variable_options
from shard.cli.output import Voice, sentences
from shard.errors import SettingError

if TYPE_CHECKING:
    from shard.jobs.plan import Question

_OWN = ("deadline", "sample", "cpus", "speed", "startup", "no_save", "form")
_NOT_ASKED = (
    *("INPUT_FOLDER", "OUTPUT_FOLDER", "TASK_INDEX", "TASK_COUNT", "TASK_ATTEMPT", "RUN_ID"),
    *("LIMIT", "DRY_RUN", "MAX_FAILURES", "TASK_TIMEOUT"),
)
_ELSEWHERE = 0.5
"""Of a core here, what a vCPU is taken to do: it is a hyperthread, of a slower clock at that."""


@click.command("plan")
@click.argument("source", metavar="INPUT", required=False)
@click.argument("output", metavar="OUTPUT", required=False)
@click.option("--deadline", default="1h", show_default=True, help="all tasks are to end within it")
@click.option(
    "--sample",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="images to render",
)
@click.option(
    "--cpu",
    "cpus",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="vCPUs of a task",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 100),
    help="what a vCPU does in the time that a core here does 1  [default: 0.5; on an engine 1]",
)
@click.option(
    "--startup", default="60s", show_default=True, help="from launch to a container's first line"
)
@click.option("--no-save", is_flag=True, help="leave no plan beside the output")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="of what is said",
)
@variable_options(without=_NOT_ASKED)
def command(source: str | None, output: str | None, **given: Any) -> None:
    """Forecast the job from INPUT to OUTPUT: time, tasks, memory, requests, cost.

    Lists both, renders a sample as the job would, writes none of it. INPUT and OUTPUT are URLs or
    local folders (INPUT_FOLDER, OUTPUT_FOLDER). The plan is saved as `<output>/.shard/plan.json`,
    so that `shard status` can hold the run against it. Exit code 1 if no number of tasks meets
    the deadline.
    """
    own = {name: given.pop(name) for name in _OWN}
    with sentences():
        env = environment({**given, "input_folder": source, "output_folder": output})
        voice = Voice(env)
        from shard.jobs.plan import run_plan
        from shard.planning.engine import without_engines
        from shard.planning.settings import TaskSettings
        from shard.report import plan as report

        question = _question(own, env)
        ours = without_engines({**env, "DRY_RUN": "yes", "LIMIT": "", "RUN_ID": ""})
        settings = TaskSettings.parse({**ours, "TASK_INDEX": "0", "TASK_COUNT": "1"})
        show, _ = voice.joint()

        def say(plan: report.Plan) -> None:
            voice.say(plan.to_json() if own["form"] == "json" else report.text(plan))

        code = run_plan(settings, question, show, say)
    sys.exit(code)


def _question(own: dict[str, Any], env: dict[str, str]) -> Question:
    from shard.jobs.plan import Question
    from shard.planning.engine import task_from
    from shard.planning.forecast import Shape
    from shard.planning.limits import parse_duration

    deadline = parse_duration(own["deadline"], "--deadline")
    if deadline <= 0:
        raise SettingError("--deadline", own["deadline"], "more than 0 seconds, as 600, 30m or 2h")
    elsewhere = task_from(env).engine in ("local", "generic")
    shape = Shape(
        cpus=own["cpus"],
        speed=own["speed"] or (_ELSEWHERE if elsewhere else 1.0),
        startup=parse_duration(own["startup"], "--startup"),
        cadence=parse_duration(env.get("CADENCE") or "0", "CADENCE"),
    )
    return Question(deadline, own["sample"], shape, save=not own["no_save"])
