"""A worker process: reads ahead with threads, renders in its main thread, writes with threads.

Image bytes live and die here; what crosses the process boundary are keys and outcomes. The main
thread renders, so that a hang or a crash of a decoder is the process's own, and the parent can
tell which item it was.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from shard.errors import ShardError
from shard.execution.job import Job, failure
from shard.execution.sites import Sites
from shard.execution.work import (
    Broken,
    Done,
    Drain,
    Dropped,
    Heavy,
    Message,
    Ready,
    Rendered,
    Rendering,
    Versions,
)

if TYPE_CHECKING:
    from shard.execution.work import Recipe, Work

# Under memory pressure the kernel should take a worker, never the task that keeps the ledger.
_OOM_SCORE = "800"


def main(descriptor: int) -> None:
    """Serve the parent at the other end of ``descriptor`` until it hangs up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when work stops
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    parent = Connection(descriptor)
    from shard import imaging, storage  # while the parent still lists

    del imaging, storage
    try:
        recipe: Recipe = parent.recv()
        worker = _Worker(parent, recipe)
    except EOFError:
        os._exit(0)
    except ShardError as error:
        parent.send(Broken(str(error)))
        os._exit(2)
    worker.run()


class _Worker:
    def __init__(self, parent: Connection, recipe: Recipe) -> None:
        self._parent = parent
        self._sites = Sites(recipe)
        self._sending = threading.Lock()
        self._draining = threading.Event()
        self._fetched: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(recipe.readers, "read")
        self._writers = ThreadPoolExecutor(recipe.writers, "write")
        self._send(Ready())

    def run(self) -> None:
        from shard import imaging

        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        threading.Thread(target=self._sites.warm, name="warm", daemon=True).start()
        told, spent = False, time.process_time()
        while True:
            job = self._fetched.get()
            number = job.work.number
            if self._draining.is_set():
                self._send(Dropped(number))
                continue
            self._send(Rendering(number))
            site = self._sites.of(job.work)
            site.steps.render(job, site.recipe)
            before, spent = spent, time.process_time()
            job.cpu_ms = (spent - before) * 1000
            self._send(Rendered(number))
            if job.needs is not None:
                self._send(Heavy(number, job.needs))
                continue
            self._writers.submit(self._write, job)
            if not told:
                told = True
                self._send(Versions(imaging.engine_versions()))

    def _listen(self) -> None:
        try:
            while True:
                said: Work | Drain = self._parent.recv()
                if isinstance(said, Drain):
                    self._draining.set()
                else:
                    self._readers.submit(self._read, Job(said))
        except (EOFError, OSError):
            # The parent is gone, perhaps by SIGKILL: nothing of this process may outlive it.
            os._exit(0)

    def _read(self, job: Job) -> None:
        if not self._draining.is_set():
            try:
                site = self._sites.of(job.work)
            except ShardError as error:
                outcomes = tuple(failure(job, name, error) for name in job.work.renditions)
                self._send(Done(job.work.number, outcomes))
                return
            site.steps.read(job, site.source, site.recipe)
            site.steps.compare(job, site.output, site.recipe)
        self._fetched.put(job)

    def _write(self, job: Job) -> None:
        site = self._sites.of(job.work)
        if site.recipe.originals and self._draining.is_set():
            self._send(Dropped(job.work.number))  # originals may be large: those begun are enough
            return
        outcomes = site.steps.write(job, site.output, site.recipe)
        self._send(Done(job.work.number, outcomes, tuple(job.claims)))

    def _send(self, message: Message) -> None:
        try:
            with self._sending:
                self._parent.send(message)
        except OSError:
            os._exit(0)
