"""Python's fastmcp client against bench-server: fastmcp.py MODE URL, MODE unix:PATH, or MODE COMMAND ARGUMENT.."""

import asyncio
import sys

# This file has the name of the package: what is imported must not be it.
sys.path.pop(0)

import httpx2  # noqa: E402
from fastmcp import Client  # noqa: E402
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport  # noqa: E402
from fastmcp.exceptions import ToolError  # noqa: E402


def equal(seen, expected):
    assert seen == expected, f"{seen!r} is not {expected!r}"


def names(items):
    return sorted(str(item.name) for item in items)


def over_socket(path):
    def client(**settings):
        return httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=path), **settings)

    return StreamableHttpTransport("http://larder/mcp", httpx_client_factory=client)


def transport_to(target):
    if target[0].startswith("unix:"):
        return over_socket(target[0].removeprefix("unix:"))
    return target[0] if target[0].startswith("http") else StdioTransport(target[0], target[1:])


async def main(mode, target):
    transport = transport_to(target)
    async with Client(transport, mode=mode, timeout=20) as client:
        equal(names(await client.list_tools()), ["add", "echo", "stats"])
        equal(await client.list_resources(), [])
        templates = await client.list_resource_templates()
        template = templates[0]
        uri = getattr(template, "uri_template", None) or template.uriTemplate
        equal((len(templates), uri), (1, "bench://item/{id}"))
        equal(names(await client.list_prompts()), ["greet"])

        echoed = await client.call_tool("echo", {"text": "grüß dich"})
        equal(echoed.content[0].text, "grüß dich")
        added = await client.call_tool("add", {"a": 40, "b": 2})
        equal(added.content[0].text, "42")
        modern = mode in ("auto", "2026-07-28")
        equal(added.structured_content, 42 if modern else {"result": 42})
        stats = await client.call_tool("stats", {"values": [1, 2, 6]})
        equal(stats.structured_content, {"count": 3, "sum": 9, "mean": 3})
        try:
            await client.call_tool("add", {"a": 1, "b": "two"})
        except ToolError as error:
            assert "`b`" in str(error), error
        else:
            raise AssertionError("a wrong argument was taken")

        contents = await client.read_resource("bench://item/7")
        equal([content.text for content in contents], ["item 7"])
        greeting = await client.get_prompt("greet", {"name": "Ada"})
        equal(greeting.messages[0].content.text, "Greet Ada warmly.")
    print("all as expected")


asyncio.run(main(sys.argv[1], sys.argv[2:]))
