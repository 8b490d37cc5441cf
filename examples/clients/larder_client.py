"""FastMCP's Python client with all that the example server `replicated` asks of one: forms, a model, progress, updates."""

import asyncio
from contextlib import asynccontextmanager

from fastmcp import Client
from fastmcp.client.messages import MessageHandler
from fastmcp.client.transports import StreamableHttpTransport
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp.shared.exceptions import MCPError

BOARD = "board://mine"


class Updates(MessageHandler):
    """Sets an event for each update of the board that a session is told of."""

    def __init__(self):
        self.heard = asyncio.Event()
        self.reopened = 0

    async def on_resource_updated(self, message):
        self.heard.set()


async def fill_in(message, response_type, params, context):
    """The person: two portions of whatever it is."""
    return {"portions": 2}


async def model(messages, params, context):
    """The model: keeps the first word."""
    return messages[0].content.text.removeprefix("Shorten: ").split()[0]


@asynccontextmanager
async def connected(era, url, token):
    """A client and the updates of the board that it is told; ERA is `handshake` or `2026-07-28`."""
    updates = Updates()
    client = Client(
        StreamableHttpTransport(url, auth=token),
        mode="legacy" if era == "handshake" else era,
        elicitation_handler=fill_in,
        sampling_handler=model,
        message_handler=updates,
        timeout=60,
    )
    async with client:
        if era == "handshake":
            await client.session.subscribe_resource(BOARD)
            yield client, updates
            return
        listening = asyncio.create_task(keep_listening(client.session, updates))
        try:
            yield client, updates
        finally:
            listening.cancel()


async def keep_listening(session, updates):
    """2026-07-28: a stream that is lost is opened again, by us; nothing of it is repeated, so whoever hears of that looks anew."""
    while True:
        try:
            async with listen(session, resource_subscriptions=[BOARD]) as subscription:
                updates.reopened += 1
                async for _ in subscription:
                    updates.heard.set()
        except (MCPError, SubscriptionLost):
            await asyncio.sleep(0.2)


async def call(client, tool, /, **arguments):
    """What a tool answers, and the process that did."""
    result = await client.call_tool(tool, arguments)
    return result.structured_content["answer"], result.structured_content["replica"]


async def walk(client, count, pause_ms, at_step=None):
    """Calls `steps`; the steps that were told, and the answer. Awaits `at_step(step)` at each."""
    told = []

    async def step(progress, total, message):
        told.append((progress, total, message))
        if at_step:
            await at_step(int(progress))

    arguments = {"count": count, "pause_ms": pause_ms}
    result = await client.call_tool("steps", arguments, progress_handler=step)
    return told, result.structured_content["answer"]


def all_steps(count):
    return [(step, count, f"step {step}") for step in range(1, count + 1)]


async def board(client):
    return (await client.read_resource(BOARD))[0].text


async def hear(client, updates, text):
    """Writes on the board until an update was told of it; the process that took the write."""
    for _ in range(60):
        updates.heard.clear()
        _, replica = await call(client, "write", text=text)
        try:
            await asyncio.wait_for(updates.heard.wait(), 0.5)
        except TimeoutError:
            continue  # no stream yet, or no more: what is told meanwhile is lost
        equal(await board(client), text)
        return replica
    raise AssertionError("nothing was told")


def equal(seen, expected):
    assert seen == expected, f"{seen!r} is not {expected!r}"
