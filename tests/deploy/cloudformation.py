"""CloudFormation's templates, read into the long form that moto takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path


def load(path: Path) -> Any:
    """Return a template with `!Ref X` as {"Ref": "X"}, as CloudFormation's long form has it."""
    return _Tag().load(path.read_text("utf-8"))


class _Tag(YAML):
    def __init__(self) -> None:
        super().__init__(typ="safe", pure=True)
        self.constructor.add_multi_constructor("!", _long_form)


def _long_form(constructor: Any, suffix: str, node: Any) -> dict[str, Any]:
    read = {
        "scalar": constructor.construct_scalar,
        "sequence": lambda inner: constructor.construct_sequence(inner, deep=True),
        "mapping": lambda inner: constructor.construct_mapping(inner, deep=True),
    }
    value = read[node.id](node)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": value}
