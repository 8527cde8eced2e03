"""What this machine or container offers a task, for `doctor`."""

from __future__ import annotations

import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil

import shard
from shard.execution import resources
from shard.imaging.versions import engine_versions
from shard.planning.checkup import Disk, Machine

_CLIENTS: Final = (*("fsspec", "obstore", "boto3", "s3fs", "gcsfs", "google-cloud-storage"),)
_EXTRAS: Final = {
    "raw": ("rawpy", "camera raw files"),
    "jxl": ("pillow_jxl", "JPEG XL"),
    "scan": ("pyarrow", "manifests in Parquet"),
    "deploy": ("ruamel.yaml", "`shard deploy`"),
    "pyramids": ("tifffile", "`shard pyramid run`"),
    "fits": ("astropy", "FITS frames"),
    "serve": ("fastapi", "`shard serve`"),
}


def machine(workers: int | None, output: str | None) -> Machine:
    """Return the facts. ``workers`` and ``output`` (a local path) as the settings say, or None."""
    cores = resources.usable_cores()
    try:
        temporary = disk(tempfile.gettempdir())
    except OSError:
        temporary = None
    return Machine(
        cores=cores,
        physical_memory=resources.physical_memory(),
        memory_limit=resources.memory_limit(),
        workers=workers or cores,
        temporary=temporary,
        output=None if output is None else disk(output),
        versions=versions(),
        missing={name: what for name, (module, what) in _EXTRAS.items() if not _has(module)},
    )


def disk(path: str) -> Disk:
    """Return the file system that holds ``path``, which need not exist yet."""
    folder = Path(path).absolute()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    real = there.resolve()
    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    mount = next((str(p) for p in (real, *real.parents) if str(p) in mounts), "/")
    return Disk(path, mount, mounts.get(mount, "unknown"), shutil.disk_usage(real).free)


def versions() -> dict[str, str]:
    """Return name -> version of Shard, Python, the imaging engines and the stores' clients."""
    found = {"shard": shard.__version__, "python": platform.python_version()}
    found["system"] = f"{platform.system()} {platform.machine()}"
    for client in _CLIENTS:
        try:
            found[client] = version(client)
        except PackageNotFoundError:
            continue
    return found | engine_versions()


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package of a dotted name
        return False
