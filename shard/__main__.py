"""`python -m shard` is the same program as `shard`."""

from shard.cli import main

if __name__ == "__main__":
    main()
