"""Lend what pip is told on this machine (index, certificates) to a build, outside of the image.

``python pip_settings.py PIP_CONF`` writes one pip.conf, and prints the flags that mount it, and the
files it names, while `podman build` runs.
"""

from __future__ import annotations

import ast
import configparser
import os
import subprocess
import sys
from pathlib import Path

_ELSEWHERE = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
"""Where else pip, or what it is built on, looks for certificates."""


def settings() -> dict[str, str]:
    """Return pip's settings by name, those of the environment winning over those of files."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {}
    for place in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(place):
                found[name.removeprefix(place)] = str(ast.literal_eval(value))
    certificates = next((os.environ[name] for name in _ELSEWHERE if os.environ.get(name)), None)
    return ({"cert": certificates} if certificates else {}) | found


def main(target: Path) -> None:
    """Write ``target`` and print the flags."""
    found = settings()
    paths = {word for value in found.values() for word in value.split() if word.startswith("/")}
    mounts = [f"-v {path}:{path}:ro" for path in sorted(paths) if Path(path).exists()]
    if found:
        parser = configparser.RawConfigParser()
        parser["global"] = found
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            parser.write(out)
        mounts.append(f"-v {target}:/etc/pip.conf:ro")
    print(*mounts)  # noqa: T201  # its result, for the shell


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
