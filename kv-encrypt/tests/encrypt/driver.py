"""Reads one command a line: what form key value context collection id codec tags, all but the first four in hex."""

import sys

from larder_seal import aead_open, aead_seal, binding, fernet_open, fernet_seal

WORK = {
    ("open", "fernet"): fernet_open,
    ("seal", "fernet"): fernet_seal,
    ("open", "aead"): aead_open,
    ("seal", "aead"): aead_seal,
}

for line in sys.stdin:
    what, form, key, value, context, collection, id, codec, tags = line.rstrip("\n").split("|")
    text = lambda part: bytes.fromhex(part).decode()
    pairs = [tag.split(":") for tag in tags.split(",") if tag]
    tags = [(text(name), bytes.fromhex(generation)) for name, generation in pairs]
    bound = binding(text(context), text(collection), text(id), int(codec), tags)
    try:
        print(WORK[what, form](key, bytes.fromhex(value), bound).hex())
    except Exception as error:
        print("failed", type(error).__name__)
