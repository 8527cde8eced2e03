"""What the clouds' own engines have in common: fixed sizes, no disks of ours, a given grace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.habits import HABITS
from shard.planning.machines import least_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.deployments.base import Deployment, Form
    from shard.planning.machines import Sizes

EMAIL: Final[Form] = (re.compile(r"[^\s@]+@[^\s@]+"), "an email, as NAME@PROJECT.iam....com")


def memory_for(deployment: Deployment, sizes: Sizes, engine: str) -> int:
    """Return the least memory in MiB, not less than wanted, that the engine has for these cores.

    Raises ``SettingError`` if it has no such number of cores, or never so much memory for them.
    """
    amounts = sizes.get(deployment.cpu)
    if amounts is None:
        cores = ", ".join(f"{cpu:g}" for cpu in sizes)
        raise SettingError("--cpu", f"{deployment.cpu:g}", f"what {engine} has: {cores}")
    wanted = deployment.memory_mib
    found = least_memory(sizes, deployment.cpu, wanted)
    if found is None:
        accepted = f"at most {amounts[-1][-1]}MiB with --cpu {deployment.cpu:g} on {engine}"
        raise SettingError("--memory", f"{wanted}MiB", accepted)
    return found


def memory_note(deployment: Deployment, sizes: Sizes, engine: str) -> tuple[str, ...]:
    """Say that the engine gives more memory than was asked for, where it does."""
    given = memory_for(deployment, sizes, engine)
    if given == deployment.memory_mib:
        return ()
    least = f"{engine} has no {deployment.memory_mib} MiB with {deployment.cpu:g} cores"
    return (f"{least}: a task gets {given} MiB",)


def check_image(deployment: Deployment, example: str, engine: str) -> None:
    """Raise ``SettingError`` for an image that only this machine knows."""
    if "/" not in deployment.image:
        accepted = f"an image in a registry that {engine} reaches, as {example}"
        raise SettingError("--image", deployment.image, accepted)


def check_clocks(deployment: Deployment, engine: str) -> None:
    """Raise ``SettingError`` for times that the engine (a name of ``HABITS``) does not give.

    A drain must not outlast what is left after SIGTERM, an attempt not the longest there is.
    """
    habits, grace = HABITS[engine], deployment.settings.grace
    if grace > habits.most_grace:
        accepted = (
            f"at most {habits.most_grace}: {habits.name} kills {habits.kill_after} s after its "
            f"SIGTERM, and the ledger is to be written"
        )
        raise SettingError("GRACE", f"{grace:g}", accepted)
    if habits.longest is not None and deployment.timeout > habits.longest:
        accepted = f"at most {habits.longest} seconds on {habits.name}"
        raise SettingError("--timeout", deployment.timeout, accepted)


def check_places(deployment: Deployment, engine: str, mounted: str | None = None) -> None:
    """Raise ``SettingError`` for a local folder, unless it lies in what is ``mounted``."""
    for variable, place in zip(("INPUT_FOLDER", "OUTPUT_FOLDER"), deployment.places, strict=True):
        inside = mounted and f"{place.prefix.rstrip('/')}/".startswith(mounted + "/")
        if place.scheme == "file" and not inside:
            accepted = f"a URL, as s3://bucket/prefix or gs://bucket/prefix: {engine} has no disk"
            if mounted:
                accepted = f"a URL, or a folder below {mounted}, where the bucket is mounted"
            raise SettingError(variable, place.url, accepted)


def keys_note(deployment: Deployment, own: str, engine: str) -> tuple[str, ...]:
    """Say for which stores an identity of the engine's own cloud (scheme ``own``) is no use."""
    foreign = sorted({place.scheme for place in deployment.places} & ({"s3", "gs"} - {own}))
    return tuple(
        f"{engine} has no identity for {scheme}://: give the tasks keys as secrets, or they come "
        f"to it as anyone"
        for scheme in foreign
    )


def variables(
    deployment: Deployment, template: Mapping[str, str], memory_mib: int
) -> dict[str, str]:
    """Return the job's variables, MEMORY_LIMIT among them: not every engine tells its container."""
    deployment.check_memory_limit(memory_mib)
    return deployment.environment({**template, "MEMORY_LIMIT": f"{memory_mib}MiB"})


def pairs(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Return variables as the list of names and values that most engines want."""
    return [{"name": name, "value": text} for name, text in variables.items()]
