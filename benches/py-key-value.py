#!/usr/bin/env python3
"""Python's py-key-value-aio on the Redis that the bench `backends` measures Larder on.

    scripts/services run redis -- PYTHON benches/py-key-value.py    a line for each figure
    LARDER_BENCH_JSON=FILE                                          adds them to that file too, as the bench does

PYTHON is one that has the packages of tests/clients/python/requirements.txt; `scripts/setup` makes it and names it in
LARDER_TEST_PYTHON. `scripts/bench-report --only backends` runs all of this. The work is that of benches/backends: 10,000
entries in ten collections, 1 and 64 tasks, values of 200 B and 4 KiB; values are text here, since the library stores
mappings as JSON. It has no take, no conditional write and, on Redis, no listing: those are left out.
"""

import asyncio
import json
import os
import random
import resource
import statistics
import string
import sys
import time
from collections.abc import Awaitable, Callable

from key_value.aio.stores.redis import RedisStore

KEYS = 10_000
IN_COLLECTION = 1_000
BATCH = 50
SECONDS = 0.4
ROUNDS = int(os.environ.get("LARDER_BENCH_ROUNDS", "5"))

Work = Callable[[], Awaitable[object]]


def name(number: int) -> tuple[str, str]:
    """Collection and key."""
    return f"c{number // IN_COLLECTION:03}", f"key{number:08}"


def values(size: int) -> list[dict[str, str]]:
    letters = random.Random(size)
    return [{"value": "".join(letters.choices(string.ascii_letters, k=size))} for _ in range(100)]


async def fill(store: RedisStore, all_values: list[dict[str, str]]) -> None:
    for first in range(0, KEYS, BATCH):
        keys = [name(number)[1] for number in range(first, first + BATCH)]
        batch = [all_values[number % len(all_values)] for number in range(first, first + BATCH)]
        await store.put_many(keys, batch, collection=name(first)[0])
    for number in (0, KEYS // 2, KEYS - 1):
        collection, key = name(number)
        found = await store.get(key, collection=collection)
        assert found == all_values[number % len(all_values)], "what was written is not what is read"


def operations(store: RedisStore, all_values: list[dict[str, str]]) -> dict[str, Work]:
    """What is measured; a batch lies in one collection, since the library's batches do."""

    def batch() -> tuple[str, list[str]]:
        first = random.randrange(KEYS // IN_COLLECTION) * IN_COLLECTION
        numbers = random.choices(range(first, first + IN_COLLECTION), k=BATCH)
        return name(first)[0], [name(number)[1] for number in numbers]

    async def get() -> object:
        collection, key = name(random.randrange(KEYS))
        return await store.get(key, collection=collection)

    async def put() -> None:
        collection, key = name(random.randrange(KEYS))
        await store.put(key, random.choice(all_values), collection=collection)

    async def put_with_ttl() -> None:
        collection, key = name(random.randrange(KEYS))
        await store.put(key, random.choice(all_values), collection=collection, ttl=3_600)

    async def get_many() -> object:
        collection, keys = batch()
        return await store.get_many(keys, collection=collection)

    async def put_many() -> None:
        collection, keys = batch()
        await store.put_many(keys, random.choices(all_values, k=BATCH), collection=collection)

    return {"get": get, "get_many": get_many, "put": put, "put_with_ttl": put_with_ttl, "put_many": put_many}


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(work: Work, tasks: int) -> dict[str, float]:
    begun, used = time.monotonic(), cpu()
    until = begun + SECONDS

    async def repeat() -> int:
        done = 0
        while time.monotonic() < until:
            await work()
            done += 1
        return done

    done = max(sum(await asyncio.gather(*(repeat() for _ in range(tasks)))), 1)
    return {"per_second": done / (time.monotonic() - begun), "cpu_us": (cpu() - used) / done * 1e6}


async def main() -> None:
    url = os.environ.get("LARDER_TEST_REDIS")
    if not url:
        sys.exit("error: LARDER_TEST_REDIS does not say where the server is: scripts/services run redis -- COMMAND")
    target = os.environ.get("LARDER_BENCH_JSON")
    for size in (200, 4_096):
        all_values = values(size)
        async with RedisStore(url=url, default_collection=f"bench-{os.getpid()}") as store:
            await fill(store, all_values)
            for tasks in (1, 64):
                for operation, work in operations(store, all_values).items():
                    rounds = [await run(work, tasks) for _ in range(ROUNDS)]
                    rate = statistics.median(one["per_second"] for one in rounds)
                    used = statistics.median(one["cpu_us"] for one in rounds)
                    print(f"py-key-value/{operation}/{size}B/{tasks}: {rate:9.0f}/s   CPU {used:8.2f} us", flush=True)
                    if target:
                        measured = {"backend": "redis", "who": "py-key-value", "operation": operation, "bytes": size, "tasks": tasks, "rounds": rounds}
                        with open(target, "a", encoding="utf-8") as file:
                            print(json.dumps(measured), file=file)


if __name__ == "__main__":
    asyncio.run(main())
