"""Streams that outlive a process: watch.py ERA URL TOKEN.

Says `listening` once it is told of updates, and in a handshake session takes many steps from the line `walk` on. After the line
`killed` it hears of updates again, and has all steps.
"""

import asyncio
import sys

from larder_client import all_steps, connected, equal, hear, walk

STEPS, PAUSE_MS = 240, 60


async def lines():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main(era, url, token):
    stdin = await lines()
    async with connected(era, url, token) as (client, updates):
        await hear(client, updates, "before")
        print("listening", flush=True)
        equal(await stdin.readline(), b"walk\n")
        walking = asyncio.create_task(walk(client, STEPS, PAUSE_MS)) if era == "handshake" else None
        equal(await stdin.readline(), b"killed\n")
        opened = updates.reopened
        await hear(client, updates, "after")
        if walking:
            told, answer = await walking
            # When a stream breaks a second time, the SDK (mcp 2.3.0) goes on from where it broke first: what came between is told twice.
            equal((list(dict.fromkeys(told)), answer), (all_steps(STEPS), f"{STEPS} steps"))
        else:
            assert opened > 0, "the stream was opened by us"
    print("as one server", flush=True)


asyncio.run(main(*sys.argv[1:]))
