"""The settings: one table that flags, environment, and the README follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from shard.errors import SettingError
from shard.planning.settings import VARIABLES, TaskSettings

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_lists_every_variable_as_it_is() -> None:
    """The README's table is the program's own, line by line."""
    rows = [
        f"| `{v.name}` | {f'`{v.default}`' if v.default else ''} | {v.help} |" for v in VARIABLES
    ]

    table = [line for line in README.read_text().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row not in table] == []


def test_defaults_are_those_of_the_table() -> None:
    """With INPUT_FOLDER alone all else has its documented default."""
    settings = TaskSettings.parse({"INPUT_FOLDER": "gs://b/in"})

    assert settings.output is None
    assert [(r.name, r.width, r.height) for r in settings.renditions] == [("100x100", 100, 100)]
    assert (settings.layout, settings.slice, settings.overwrite) == ("mirror", "hash", False)
    assert settings.limits.max_pixels == 268_000_000
    assert settings.limits.max_bytes == 512_000_000
    assert settings.limits.item_timeout == 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKERS", "0"),
        ("CONCURRENCY", "-1"),
        ("LIMIT", "1.5"),
        ("CADENCE", "often"),
        ("MAX_FAILURES", "101%"),
        ("MEMORY_LIMIT", "much"),
        ("TASK_TIMEOUT", "0"),
        ("ITEM_TIMEOUT", "0s"),
        ("EXISTING", "keep"),
        ("DRY_RUN", "maybe"),
        ("S3_BACKEND", "boto"),
        ("ON_TRUNCATED", "ignore"),
        ("MAX_PIXELS", "1e9"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(name: str, value: str) -> None:
    """The error says the variable, the value as given, and what is accepted."""
    with pytest.raises(SettingError) as raised:
        TaskSettings.parse({"INPUT_FOLDER": "in", name: value})

    assert (raised.value.variable, raised.value.value) == (name, value)
    assert raised.value.accepted


def test_sizes_and_renditions_exclude_each_other() -> None:
    """Two ways to say the same are one too many."""
    with pytest.raises(SettingError, match="SIZES is"):
        TaskSettings.parse({"INPUT_FOLDER": "in", "SIZES": "200", "RENDITIONS": "100"})
