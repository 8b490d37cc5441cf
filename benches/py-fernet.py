#!/usr/bin/env python3
"""What Fernet costs in Python: `cryptography`, which py-key-value-aio and FastMCP seal their entries with.

    PYTHON benches/py-fernet.py     a line for each figure
    LARDER_BENCH_JSON=FILE          adds them to that file too

PYTHON is one that has the package `cryptography`; `scripts/setup` makes one and names it in LARDER_TEST_PYTHON. `scripts/bench-report --only
fernet` runs this after the bench `store` has sealed and opened as many bytes. A figure is the median over rounds, in ns.
"""

import json
import os
import statistics
import time
from collections.abc import Callable

import cryptography
from cryptography.fernet import Fernet

KEY = b"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
SIZES = (200, 4096)
ROUNDS = 15
SECONDS = 0.2


def nanos(work: Callable[[], object]) -> float:
    """Of one call: the median over rounds of a fixed time each."""
    rounds = []
    for _ in range(ROUNDS):
        calls, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < SECONDS:
            for _ in range(100):
                work()
            calls += 100
        rounds.append(passed * 1e9 / calls)
    return statistics.median(rounds)


def figures() -> list[dict[str, object]]:
    fernet = Fernet(KEY)
    found: list[dict[str, object]] = []
    for size in SIZES:
        value = os.urandom(size)
        token = fernet.encrypt(value)
        assert fernet.decrypt(token) == value, "what was sealed does not open"
        for operation, work in (("put", lambda: fernet.encrypt(value)), ("get", lambda: fernet.decrypt(token))):
            found.append({"operation": operation, "bytes": size, "nanos": nanos(work), "library": f"cryptography {cryptography.__version__}"})
    return found


def main() -> None:
    lines = [json.dumps(one) for one in figures()]
    print("\n".join(lines))
    if file := os.environ.get("LARDER_BENCH_JSON"):
        with open(file, "a", encoding="utf-8") as json_lines:
            json_lines.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
