#!/usr/bin/env python3
"""FastMCP with one tool, answering in JSON: on a free port, which the first line says, or on stdio with `serve-stdio`."""

import logging
import os
import socket
import sys
import threading

import uvicorn
from fastmcp import FastMCP

server = FastMCP("bench")


@server.tool
async def echo(text: str) -> str:
    """Answers what it is told."""
    return text


def end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
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
