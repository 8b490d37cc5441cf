#!/usr/bin/env python3
"""FastMCP with one tool, answering in JSON: on a free port, which the first line says, or on stdio with `serve-stdio`.

`fastmcp-observed` among the arguments adds a JSON line for each request, its time, and a cache that has every answer.
"""

import logging
import os
import socket
import sys
import threading

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.middleware.caching import ResponseCachingMiddleware
from fastmcp.server.middleware.logging import StructuredLoggingMiddleware
from fastmcp.server.middleware.timing import TimingMiddleware

server = FastMCP("bench")


@server.tool
async def echo(text: str) -> str:
    """Answers what it is told."""
    return text


def observe() -> None:
    """Lines that are written to nowhere, as Larder's are."""
    lines = logging.getLogger("bench")
    lines.propagate = False
    lines.setLevel(logging.INFO)
    lines.addHandler(logging.StreamHandler(open(os.devnull, "w")))
    server.add_middleware(StructuredLoggingMiddleware(logger=lines))
    server.add_middleware(TimingMiddleware(logger=lines))
    server.add_middleware(ResponseCachingMiddleware())


def end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    if "fastmcp-observed" in sys.argv:
        observe()
    else:
        logging.disable(logging.WARNING)
    if "serve-stdio" in sys.argv:
        server.run(transport="stdio", show_banner=False)
        return
    threading.Thread(target=end_with_stdin, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    app = server.http_app(path="/mcp", json_response=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
