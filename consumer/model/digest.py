"""Digest of a JSON value, for the comparison of calls, payloads and faults. Pure."""

import json
from hashlib import sha256

import orjson


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value, in hex; the order of its members does not count."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer beyond 64 bits: the same value is always written the same way
        text = json.dumps(value, sort_keys=True).encode()
    return sha256(text).hexdigest()
