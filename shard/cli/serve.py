"""`shard serve`: the HTTP service."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

import click

from shard.cli.environment import environment, tell_sdks, variable_options
from shard.cli.output import Voice, sentences
from shard.errors import MissingExtra
from shard.planning.service_settings import SERVICE_VARIABLES, ServiceSettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger("shard")

_OF_RUNS = frozenset(
    {
        "INPUT_FOLDER",
        "OUTPUT_FOLDER",
        "OUTPUT_BUCKET",
        "TASK_INDEX",
        "TASK_COUNT",
        "TASK_ATTEMPT",
        "RUN_ID",
        "SLICE",
        "EXISTING",
        "CADENCE",
        "LIMIT",
        "DRY_RUN",
        "MAX_FAILURES",
        "TASK_TIMEOUT",
    }
)
"""Variables of the batch that mean nothing here, or are this command's arguments."""
_SECRETS = frozenset({"EVENTS_TOKEN", "SIGNING_KEY"})
"""Variables without a flag: all processes of a machine see each other's flags."""
_SERVICE = "serve"
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@click.command("serve")
@click.argument("source", metavar="INPUT", required=False)
@click.argument("output", metavar="OUTPUT", required=False)
@variable_options(variables=SERVICE_VARIABLES, without=_SECRETS)
@variable_options(without=_OF_RUNS)
def command(source: str | None, output: str | None, **flags: str | bool | None) -> None:
    """Serve thumbnails of INPUT over HTTP: those in OUTPUT, and what is missing is made.

    The same settings as the batch's give the same keys and the same bytes. Every flag has an
    environment variable of the same name; docs/serve.md tells of all of them.
    """
    with sentences():
        env = environment({**flags, "input_folder": source, "output_folder": output})
        voice = Voice(env, _SERVICE)
        settings = ServiceSettings.parse(env)
        _look_for_extra()
        from shard.service.listening import bind

        voice.adopt("uvicorn.error")
        listener = bind(settings.host, settings.port)
        serve = _one if settings.processes == 1 else _several
        code = serve(settings, env, listener)
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End this process, also where threads still ask a store that does not answer."""
    others = set(threading.enumerate()) - {threading.main_thread()}
    if not all(thread.daemon for thread in others):
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


def _look_for_extra() -> None:
    for name in ("fastapi", "httptools", "httpx", "jinja2", "prometheus_client", "uvicorn"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtra(f"shard serve (there is no {name})", "serve")


def _one(settings: ServiceSettings, env: Mapping[str, str], listener: socket.socket) -> int:  # noqa: ARG001 - as _several
    """Run the service in this process."""
    from shard.service.listening import url_of
    from shard.service.server import run

    run(settings, listener, said=f"serving at {url_of(listener)}")
    return 0


def _several(settings: ServiceSettings, env: Mapping[str, str], listener: socket.socket) -> int:
    """Run several server processes; they count into one folder."""
    from prometheus_client.multiprocess import mark_process_dead

    from shard.execution.scratch import scratch
    from shard.service.fleet import Fleet
    from shard.service.listening import url_of

    with scratch("metrics") as folder:
        tell_sdks({_METRICS_FOLDER: str(folder)})
        _log.info("serving at %s by %s processes", url_of(listener), settings.processes)
        fleet = Fleet(_process, (dict(env), listener, folder), settings.processes)
        return fleet.run(
            settings.grace,
            lambda pid: mark_process_dead(pid, str(folder)),  # type: ignore[no-untyped-call]  # untyped there
            listener.close,  # else connections would be taken that nobody answers
        )


def _process(env: Mapping[str, str], listener: socket.socket, folder: Path) -> None:
    """Be one server process."""
    with sentences():
        Voice(env, _SERVICE).adopt("uvicorn.error")
        from shard.service.server import run

        run(ServiceSettings.parse(env), listener, folder)
    _leave(0)
