"""What the clouds' own engines have in common: fixed sizes, no disks of ours, a given grace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shard.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.planning.deployments.base import Deployment

GIB = 1024
"""MiB in a GiB."""

Sizes = dict[float, tuple[range, ...]]
"""For each number of cores, the amounts of memory in MiB that the engine has for it."""


def memory_for(deployment: Deployment, sizes: Sizes, engine: str) -> int:
    """Return the least memory in MiB, not less than wanted, that the engine has for these cores.

    Raises ``SettingError`` if it has no such number of cores, or never so much memory for them.
    """
    amounts = sizes.get(deployment.cpu)
    if amounts is None:
        cores = ", ".join(f"{cpu:g}" for cpu in sizes)
        raise SettingError("--cpu", f"{deployment.cpu:g}", f"what {engine} has: {cores}")
    wanted = deployment.memory_mib
    enough = [mib for amount in amounts for mib in (amount[0], *_around(amount, wanted))]
    found = min((mib for mib in enough if mib >= wanted), default=None)
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


def check_grace(deployment: Deployment, most: int, engine: str) -> None:
    """Raise ``SettingError`` if a drain could outlast what the engine gives after SIGTERM."""
    grace = deployment.settings.grace
    if grace > most:
        accepted = f"at most {most}: {engine} kills soon after, and the ledger is to be written"
        raise SettingError("GRACE", f"{grace:g}", accepted)


def check_places(deployment: Deployment, engine: str, mounted: str | None = None) -> None:
    """Raise ``SettingError`` for a local folder, unless it lies in what is ``mounted``."""
    for variable, place in zip(("INPUT_FOLDER", "OUTPUT_FOLDER"), deployment.places, strict=True):
        inside = mounted and f"{place.prefix.rstrip('/')}/".startswith(mounted + "/")
        if place.scheme == "file" and not inside:
            accepted = f"a URL, as s3://bucket/prefix or gs://bucket/prefix: {engine} has no disk"
            if mounted:
                accepted = f"a URL, or a folder below {mounted}, where the bucket is mounted"
            raise SettingError(variable, place.url, accepted)


def variables(
    deployment: Deployment, template: Mapping[str, str], memory_mib: int
) -> dict[str, str]:
    """Return the job's variables, MEMORY_LIMIT among them: not every engine tells its container."""
    return deployment.environment({**template, "MEMORY_LIMIT": f"{memory_mib}MiB"})


def pairs(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Return variables as the list of names and values that most engines want."""
    return [{"name": name, "value": text} for name, text in variables.items()]


def _around(amount: range, wanted: int) -> tuple[int, ...]:
    """Return the first of the amounts that is enough, if there is one."""
    steps = -(-(wanted - amount[0]) // amount.step)
    return (amount[steps],) if 0 <= steps < len(amount) else ()
