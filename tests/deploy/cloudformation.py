"""CloudFormation's templates, read into the long form that moto takes, and made there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers import S3Server


def load(path: Path) -> Any:
    """Return a template with `!Ref X` as {"Ref": "X"}, as CloudFormation's long form has it."""
    return _Tag().load(path.read_text("utf-8"))


def clients(moto: S3Server) -> Callable[[str], Any]:
    """Return a maker of boto3 clients of moto, by service."""
    import boto3

    def make(service: str) -> Any:
        maker: Any = boto3.client  # the stubs know each service by a literal
        return maker(
            service,
            endpoint_url=moto.url,
            region_name="us-east-1",
            aws_access_key_id="anykey",
            aws_secret_access_key="anysecret",
        )

    return make


def create(client: Callable[[str], Any], name: str, template: Any, **parameters: str) -> None:
    """Create a stack in a network of its own, with our image's name."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    wanted = {"Image": "i/shard:1", "VpcId": vpc, "SubnetIds": subnet, **parameters}
    client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in wanted.items()],
        Capabilities=["CAPABILITY_IAM"],
    )


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
