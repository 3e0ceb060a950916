"""Hostile records of each foreign format: what a sender may get wrong, by accident or on purpose. Always the same."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

Sent = tuple[bytes | None, list[tuple[str, bytes]]]
"""A record's value, and its headers."""

_JUNK: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**70, 1.5, "", " ", "\u0000", "x" * 70_000, "\ud800", [], [[]], {}, {"": {}}, [None] * 50,
    {"message": 7}, {"run": {"runId": 7}}, "password=hunter2-secret-of-the-tests", "9999-99-99T99:99:99Z", "NaN",
)  # fmt: skip
_BROKEN: Final = (
    None, b"", b"\x00", b"\xff\xfe", b"{", b"[" * 50_000, b'{"a":' * 5_000, b"NaN", b"1e999",
    b'"' + b"\\ud83d" * 99 + b'"',
    b"\x1f\x8b\x08\x00" + b"\x00" * 64, b"\x00\x00\x00\x00\x01" + b"\xc3" * 64, b"null", b"[]", b"7", b'"text"',
)  # fmt: skip


def hostile_openlineage(namespace: str, count: int) -> Iterator[Sent]:
    """Yield run events with a hole somewhere: a part that is missing, of another type, or enormous."""
    dice = Random(29)
    for n in range(count):
        if n < len(_BROKEN):
            yield _BROKEN[n], []
            continue
        event: dict[str, Any] = {
            "eventType": "FAIL",
            "eventTime": "2026-03-01T12:00:00Z",
            "job": {"namespace": namespace, "name": f"job-{n}"},
            "run": {"runId": f"run-{n}", "facets": {"errorMessage": {"message": "m", "stackTrace": "E: x"}}},
        }
        _spoil(event, dice)
        yield json.dumps(event).encode(), []


def hostile_dead_records(prefix: str, headers: dict[str, bytes], count: int) -> Iterator[Sent]:
    """Yield dead letters whose headers are missing, no text, no numbers, or enormous, and whose value is anything."""
    dice = Random(29)
    bytes_of = (b"", b"\x00", b"\xff" * 4, b"\xff" * 9, b"-1", b"1e3", b"9" * 40, b"x" * 5_000, b"\xed\xa0\x80")
    for n in range(count):
        named = dict(headers)
        for name in dice.sample(sorted(named), dice.randrange(3)):
            if dice.random() < 0.5:
                del named[name]
            else:
                named[name] = dice.choice(bytes_of)
        value = _BROKEN[n % len(_BROKEN)] if dice.random() < 0.5 else json.dumps(dice.choice(_JUNK)).encode()
        yield value, [(prefix + name, said) for name, said in named.items()]


def _spoil(event: dict[str, Any], dice: Random) -> None:
    """Replace or remove a member at some depth."""
    here: dict[str, Any] = event
    while True:
        name = dice.choice(sorted(here))
        below = here[name]
        if isinstance(below, dict) and below and dice.random() < 0.7:
            here = below
            continue
        if dice.random() < 0.3:
            del here[name]
        else:
            here[name] = dice.choice(_JUNK)
        return
