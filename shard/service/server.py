"""One server process: uvicorn around the application, its socket given, its end orderly."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from math import ceil
from typing import TYPE_CHECKING

import uvicorn

from shard.service.app import create_app
from shard.service.protocol import Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from fastapi import FastAPI

    from shard.planning.service_settings import ServiceSettings
    from shard.service.ending import Ending

_log = logging.getLogger("shard")


class Server(uvicorn.Server):
    """Ends by SIGTERM or SIGINT: what is under way is finished, within the grace; exit code 0."""

    def __init__(self, config: uvicorn.Config, ending: Ending) -> None:
        super().__init__(config)
        self.ending = ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals; uvicorn's own would end the process by the signal afterwards."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - fixed form
        """Stop, in order; asked twice: at once."""
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True
        self.ending.begin()


async def _served(app: FastAPI, server: Server, listener: socket.socket, said: str) -> None:
    async with app.router.lifespan_context(app):
        for line in filter(None, said.splitlines()):
            _log.info("%s", line)
        # What is there by now stays: to look through it again and again is what pauses are made of.
        gc.collect()
        gc.freeze()
        await server.serve(sockets=[listener])


def run(
    settings: ServiceSettings,
    listener: socket.socket,
    metrics_folder: Path | None = None,
    said: str = "",
) -> None:
    """Serve in this process until a signal ends it; ``said`` is logged when it is ready.

    Raises the ``ShardError`` of a part that cannot be opened. A second signal ends the process at
    once, by the shell's exit code for it.
    """
    app = create_app(settings, metrics_folder)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",  # ours: its errors are sentences
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        root_path=settings.root_path,
        timeout_keep_alive=ceil(settings.limits.keep_alive),
        timeout_graceful_shutdown=ceil(settings.grace),
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_served(app, Server(config, app.state.ending), listener, said))
