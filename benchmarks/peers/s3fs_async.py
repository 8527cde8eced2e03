"""The asynchronous script: s3fs, 32 objects under way, Pillow in two threads.

``s3fs_async.py BUCKET INPUT_PREFIX OUTPUT_PREFIX``
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from s3fs import S3FileSystem

from benchmarks.peers.boto3_sequential import thumbnail

UNDER_WAY = 32


async def convert_all(bucket: str, source: str, target: str) -> None:
    """Make all thumbnails."""
    files = S3FileSystem(
        asynchronous=True,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        config_kwargs={"max_pool_connections": UNDER_WAY},
    )
    session = await files.set_session()
    loop, free = asyncio.get_running_loop(), asyncio.Semaphore(UNDER_WAY)
    with ThreadPoolExecutor(2) as pool:

        async def convert(path: str) -> None:
            async with free:
                data = await files._cat_file(path)  # noqa: SLF001  # its asynchronous interface
                made = await loop.run_in_executor(pool, thumbnail, data)
                place = f"{bucket}/{target}{path.removeprefix(f'{bucket}/{source}')}"
                await files._pipe_file(place, made)  # noqa: SLF001  # as above

        found = await files._find(f"{bucket}/{source}")  # noqa: SLF001  # as above
        await asyncio.gather(*map(convert, found))
    await session.close()


if __name__ == "__main__":
    asyncio.run(convert_all(*sys.argv[1:4]))
