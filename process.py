"""The container's entry point: one task of the job, configured by environment variables."""

import os
import signal

if __name__ == "__main__":
    # As the first process of a container it would be deaf to SIGTERM until the task, which takes
    # over, has been imported; there is nothing to finish before.
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))

    from shard.cli import process

    process()
