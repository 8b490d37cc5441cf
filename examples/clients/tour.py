"""One server, whichever process answers: tour.py ERA URL TOKEN, where something before URL alternates between two processes."""

import asyncio
import sys

import httpx2
from larder_client import all_steps, call, connected, equal, hear, walk


async def tools(client):
    names = sorted(tool.name for tool in await client.list_tools())
    equal(names, ["echo", "order", "recall", "remember", "shorten", "steps", "write"])
    await from_both(client, lambda: call(client, "echo", text="grüß dich"), "grüß dich")


async def state(client):
    for round in range(3):
        _, kept_by = await call(client, "remember", name="color", value=f"blue {round}")
        for _ in range(20):
            color, replica = await call(client, "recall", name="color")
            equal(color, f"blue {round}")
            if replica != kept_by:
                break
        else:
            raise AssertionError("one process answered all")


async def progress(client):
    told, answer = await walk(client, 5, 20)
    equal((told, answer), (all_steps(5), "5 steps"))


async def elicitation(client):
    await from_both(client, lambda: call(client, "order", dish="soup"), "2 x soup")


async def sampling(client):
    await from_both(client, lambda: call(client, "shorten", text="all of it"), "all")


async def subscriptions(client, updates):
    written_by = set()
    for number in range(20):
        written_by.add(await hear(client, updates, f"note {number}"))
        if len(written_by) == 2:
            return
        await another_turn(client)
    raise AssertionError("one process answered all")


async def resumption(client, url):
    """The connection is cut in the middle; nothing is lost and nothing comes twice."""

    async def cut(step):
        if step == 5:
            async with httpx2.AsyncClient() as http:
                await http.post(url.replace("/mcp", "/-/cut"))

    told, answer = await walk(client, 30, 50, cut)
    equal((told, answer), (all_steps(30), "30 steps"))


async def from_both(client, ask, expected):
    """Asks at least four times, and until both processes have answered, always the same."""
    replicas = set()
    for asked in range(20):
        answer, replica = await ask()
        equal(answer, expected)
        # Not each time: what takes one request would then take two.
        if replica in replicas and asked % 2 == 1:
            await another_turn(client)
        replicas.add(replica)
        if asked >= 3 and len(replicas) == 2:
            return
    raise AssertionError("one process answered all")


async def another_turn(client):
    """One request more, so that what takes two is not always begun at the same process."""
    await call(client, "echo", text="")


async def main(era, url, token):
    async with connected(era, url, token) as (client, updates):
        shown = []
        for part in [tools, state, progress, elicitation, sampling]:
            await part(client)
            shown.append(part.__name__)
        await subscriptions(client, updates)
        shown.append("subscriptions")
        if era == "handshake":
            await resumption(client, url)
            shown.append("resumption")
    print("shown:", *shown)


asyncio.run(main(*sys.argv[1:]))
