"""What two things that are the same have in common: pure."""

import json
from hashlib import sha256

import orjson


def digest(value: object) -> str:
    """Give the SHA-256 of a JSON value, however its members are ordered."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer beyond 64 bits: the same value is always written the same way
        text = json.dumps(value, sort_keys=True).encode()
    return sha256(text).hexdigest()
