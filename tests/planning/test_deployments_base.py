"""What every engine's deployment has in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shard.errors import SettingError
from shard.planning.deployments.base import Option, Sizing, parse

SIZING = Sizing(
    name="shard",
    image="registry.example/shard:1",
    tasks="10",
    parallel=None,
    retries="3",
    timeout="90m",
    memory="2GiB",
    cpu="0.5",
)
VARIABLES = {"INPUT_FOLDER": "s3://photos/in", "OUTPUT_FOLDER": "s3://photos/out"}


def test_texts_become_seconds_bytes_and_cores() -> None:
    """Sizes and durations are read as everywhere in Shard."""
    deployment = parse(SIZING, VARIABLES, {}, ())

    assert (deployment.timeout, deployment.memory, deployment.cpu) == (5400, 2 << 30, 0.5)
    assert (deployment.tasks, deployment.at_once) == (10, 10)


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("name", "Shard", "--name"),
        ("name", "x" * 53, "--name"),
        ("image", "", "--image"),
        ("image", "shard; rm", "--image"),
        ("tasks", "0", "--tasks"),
        ("tasks", "10001", "--tasks"),
        ("tasks", "many", "--tasks"),
        ("parallel", "11", "--parallel"),
        ("retries", "-1", "--retries"),
        ("timeout", "soon", "--timeout"),
        ("timeout", "10", "--timeout"),
        ("memory", "64MiB", "--memory"),
        ("cpu", "0", "--cpu"),
        ("cpu", "two", "--cpu"),
    ],
)
def test_a_wrong_size_is_named_by_its_flag(field: str, value: str, flag: str) -> None:
    """The error names the flag and says what is accepted."""
    with pytest.raises(SettingError) as raised:
        parse(replace(SIZING, **{field: value}), VARIABLES, {}, ())

    assert raised.value.variable == flag
    assert raised.value.accepted


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"RENDITIONS": "200xlarge"}, "RENDITIONS"),
        ({"LAYOUT": "{stem"}, "LAYOUT"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"INPUT_FOLDER": "photos"}, "INPUT_FOLDER"),
        ({"OUTPUT_FOLDER": "memory://out"}, "OUTPUT_FOLDER"),
        ({"TASK_INDEX": "3"}, "TASK_INDEX"),
        ({"RUN_ID": "once"}, "RUN_ID"),
        ({"AWS_SECRET_ACCESS_KEY": "secret"}, "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_the_jobs_own_variables_are_checked_before_anything_is_deployed(
    variables: dict[str, str], named: str
) -> None:
    """What would end every task with exit 2 is said when the manifest is made."""
    with pytest.raises(SettingError) as raised:
        parse(SIZING, VARIABLES | variables, {}, ())

    assert raised.value.variable.startswith(named)


def test_a_local_input_without_an_output_is_refused() -> None:
    """The default output needs a bucket."""
    with pytest.raises(SettingError, match="OUTPUT_FOLDER is not set"):
        parse(SIZING, {"INPUT_FOLDER": "/data/in"}, {}, ())


def test_an_unknown_option_is_answered_with_those_there_are() -> None:
    """An engine takes its own options and no others."""
    with pytest.raises(SettingError, match=r"--regoin is 'x'; accepted: --region, --queue"):
        parse(SIZING, VARIABLES, {"regoin": "x"}, (Option("region", ""), Option("queue", "")))


def test_an_options_default_holds_where_none_is_given() -> None:
    """A flag that was not given is the option's default."""
    accepted = (Option("claim", "", "data"), Option("mount", "", "/data"))
    deployment = parse(SIZING, VARIABLES, {"claim": None, "mount": "/mnt"}, accepted)

    assert deployment.options == {"claim": "data", "mount": "/mnt"}


def test_the_templates_examples_give_way_and_its_defaults_stay() -> None:
    """RENDITIONS of a template is an example, LOG_FORMAT is meant."""
    template = {"RENDITIONS": "200x200", "LOG_FORMAT": "json", "INPUT_FOLDER": "gs://example/in"}
    deployment = parse(SIZING, VARIABLES | {"LAYOUT": "flat"}, {}, ())

    assert deployment.environment(template) == {
        "LOG_FORMAT": "json",
        "INPUT_FOLDER": "s3://photos/in",
        "OUTPUT_FOLDER": "s3://photos/out",
        "LAYOUT": "flat",
        "TASK_TIMEOUT": "5400",
    }


def test_stopping_takes_grace_and_the_last_words() -> None:
    """A longer GRACE asks for more time between the engine's two signals."""
    deployment = parse(SIZING, VARIABLES | {"GRACE": "60.5"}, {}, ())

    assert deployment.stopping == 61 + 12
