"""Writes with py-key-value-aio what the tests read: `py_key_value.py WHERE PREFIX SEALED`.

WHERE is a directory, for the file tree as FastMCP sets it up, or `redis://host:port/db`. SEALED is a Fernet key, or empty.
"""

import asyncio
import sys

from cryptography.fernet import Fernet
from key_value.aio.stores.filetree import (
    FileTreeStore,
    FileTreeV1CollectionSanitizationStrategy,
    FileTreeV1KeySanitizationStrategy,
)
from key_value.aio.wrappers.encryption import FernetEncryptionWrapper

VALUES = {
    "plain_1": {"n": 1, "nested": {"list": [1, 2.5, None, True]}},
    "odd key/ä": {"text": "ä€😀", "large": 2**80},
    "": {},
}


def opened(where: str):
    if where.startswith("redis://"):
        from key_value.aio.stores.redis import RedisStore

        return RedisStore(url=where)
    return FileTreeStore(
        data_directory=where,
        key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(where),
        collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(where),
    )


async def main(where: str, prefix: str, sealed: str) -> None:
    store = opened(where)
    if sealed.startswith("derived:"):
        store = FernetEncryptionWrapper(store, source_material=sealed.removeprefix("derived:"), salt="test-salt")
    elif sealed:
        store = FernetEncryptionWrapper(store, fernet=Fernet(sealed))
    for collection in (prefix, f"{prefix}-other"):
        for key, value in VALUES.items():
            await store.put(key, value, collection=collection)
        await store.put("lasting", {"ttl": "hour"}, collection=collection, ttl=3600)
        await store.put("gone", {"ttl": "none"}, collection=collection, ttl=0.2)
    if where.startswith("redis://"):
        await store.put("b::c", {"of": "a"}, collection=prefix)
        await store.put_many(["d", "e"], [{"i": 1}, {"i": 2}], collection=f"{prefix}::inner", ttl=3600)
    await asyncio.sleep(0.3)


asyncio.run(main(*sys.argv[1:]))
