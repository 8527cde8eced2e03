"""The container's entry point: one task of the job, configured by environment variables."""

from shard.cli import process

if __name__ == "__main__":
    process()
