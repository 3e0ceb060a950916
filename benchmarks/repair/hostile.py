"""Input made to cost: each is given to the real command alone, and its time and memory are measured."""

import contextlib
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.harness.usage import PROC
from tests.support.damaged.answers import SHW
from tests.support.damaged.schema_positions import Json, Schema

SECONDS: Final = 2.0
MEGABYTES: Final = 200.0
_MB: Final = 1_000_000
_KILLED_AFTER: Final = 20.0
_EVERY: Final = 0.005
_DEEP: Final = 100_000

_ROW: Final[Schema] = {
    "type": "object",
    "required": ["sku", "quantity", "note"],
    "additionalProperties": False,
    "properties": {
        "sku": {"type": "string"},
        "quantity": {"type": "integer"},
        "note": {"type": "string"},
        "sold_on": {"type": "string", "format": "date"},
    },
}
_ROWS: Final[Schema] = {"type": "array", "items": _ROW}
_OPEN: Final[Schema] = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
_NUMBER: Final[Schema] = {"type": "integer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One input; `status` is the answer it must get, None where any answer will do."""

    name: str
    schema: Json
    text: str
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one input cost, and what was answered."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    status: str


def hostile() -> Iterator[Hostile]:
    """Yield the inputs."""
    yield from _large()
    yield from _deep()
    yield from _keys()
    yield from _schemas()
    yield from _numbers()


def _rows(size: int) -> list[dict[str, Json]]:
    row = {"sku": "ABC-1234", "quantity": 7, "note": "a note of some length", "sold_on": "2024-05-17"}
    return [row] * (size // (len(json.dumps(row)) + 2))


def _large() -> Iterator[Hostile]:
    rows = _rows(_MB)
    whole = json.dumps(rows)
    quoted = json.dumps([*rows[:-1], {**rows[-1], "quantity": "7"}])
    yield Hostile(name="1 MB, valid", schema=_ROWS, text=whole, status="valid")
    yield Hostile(name="1 MB, one quoted number", schema=_ROWS, text=quoted, status="repaired")
    every = json.dumps([{**row, "quantity": "7"} for row in rows])
    yield Hostile(name="1 MB, every number quoted", schema=_ROWS, text=every)
    both = json.dumps([{**row, "quantity": "1,007", "sold_on": "2024/05/17"} for row in rows])
    yield Hostile(name="1 MB, every number grouped, every date slashed", schema=_ROWS, text=both)
    typed = json.dumps([{"sku": "x", "quantty": 7, "nte": "n"} for _ in range(20_000)])
    yield Hostile(name="1 MB, every key mistyped", schema=_ROWS, text=typed)
    yield Hostile(name="1 MB, one trailing comma", schema=_ROWS, text=f"{whole[:-1]},]", status="repaired")
    yield Hostile(name="1 MB, Python repr", schema=_ROWS, text=repr(rows))
    yield Hostile(name="1 MB, truncated", schema=_ROWS, text=whole[:-1], status="refused")
    yield Hostile(name="1 MB, every second row broken", schema=_ROWS, text=json.dumps([[1], rows[0]] * 8_000))
    yield Hostile(
        name="1 MB, in a fence", schema=_ROWS, text=f"Here it is:\n```json\n{whole}\n```\n", status="repaired"
    )
    yield Hostile(
        name="1 MB, in an envelope", schema=_ROWS, text=f'{{"status": "ok", "data": {whole}}}', status="repaired"
    )
    turns = [{**rows[0], "quantity": "7"}, {**rows[0], "sold_on": "2024/05/17"}, {**rows[0], "Sku": "x"}, rows[0]]
    turns[2].pop("sku")
    mixed = json.dumps([turns[at % 4] for at in range(len(rows))])
    yield Hostile(name="1 MB, rows damaged in turns", schema=_ROWS, text=mixed)
    yield Hostile(name="1 MB, encoded as text", schema=_ROWS, text=json.dumps(whole))
    yield Hostile(name="1 MB, encoded five times", schema=_ROWS, text=_encoded(json.dumps(_rows(_MB // 40)), 5))
    yield Hostile(name="1 MB of prose", schema=_ROWS, text="nothing to see here. " * 50_000, status="refused")
    yield Hostile(name="1 MB of quotes", schema=_ROWS, text='"' * _MB, status="refused")
    yield Hostile(name="1 MB of single quotes", schema=_ROWS, text="{'" * (_MB // 2), status="refused")
    yield Hostile(name="1 MB of backslashes", schema=_ROWS, text='["' + "\\" * _MB, status="refused")
    yield Hostile(name="1 MB of fences", schema=_ROWS, text="```json\n[\n```\n" * (_MB // 14), status="refused")
    yield Hostile(name="1 MB of comments", schema=_ROWS, text="/*" * (_MB // 2), status="refused")
    yield Hostile(name="1 MB of small objects", schema=_ROWS, text='{"a":1} ' * (_MB // 8), status="refused")
    yield Hostile(name="1 MB of white space", schema=_ROWS, text=" \n" * (_MB // 2), status="refused")
    yield Hostile(name="1 MB of commas", schema=_ROWS, text="[" + "," * _MB, status="refused")
    yield Hostile(
        name="1 MB of broken words", schema={"enum": ["a", "b"]}, text=json.dumps(" a" * (_MB // 2)), status="refused"
    )


def _encoded(text: str, times: int) -> str:
    for _ in range(times):
        text = json.dumps(text)
    return text


def _deep() -> Iterator[Hostile]:
    nested: Schema = {"$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"}
    yield Hostile(name="100,000 lists deep", schema=nested, text="[" * _DEEP + "]" * _DEEP)
    yield Hostile(name="100,000 lists deep, not closed", schema=nested, text="[" * _DEEP, status="refused")
    yield Hostile(
        name="100,000 lists deep, a trailing comma", schema=nested, text="[" * _DEEP + ",]" + "]" * (_DEEP - 1)
    )
    yield Hostile(name="100,000 objects deep", schema=_OPEN, text='{"a":' * _DEEP + "1" + "}" * _DEEP)
    yield Hostile(name="100,000 objects deep, in single quotes", schema=_OPEN, text="{'a':" * _DEEP + "1" + "}" * _DEEP)
    yield Hostile(name="900 lists deep, quoted inside", schema=nested, text="[" * 900 + '"[]"' + "]" * 900)
    yield Hostile(
        name="envelopes, 5,000 deep", schema=_ROW, text='{"data":' * 5_000 + "{}" + "}" * 5_000, status="refused"
    )
    deep: Schema = {"type": "integer"}
    for _ in range(400):
        deep = {"type": "object", "properties": {"a": deep}, "required": ["a"], "additionalProperties": False}
    yield Hostile(name="a schema 400 deep, one quoted number", schema=deep, text='{"a":' * 400 + '"1"' + "}" * 400)
    for _ in range(2_000):
        deep = {"type": "object", "properties": {"a": deep}}
    yield Hostile(name="a schema 2,400 deep", schema=deep, text='{"a":' * 900 + '"1"' + "}" * 900)


def _keys() -> Iterator[Hostile]:
    long = "k" * 500_000
    closed = {**_OPEN, "additionalProperties": False}
    yield Hostile(name="a key of 1 MB", schema=closed, text=json.dumps({"k" * _MB: 1, "a": 1}))
    two: Schema = {
        "type": "object",
        "required": [long],
        "properties": {long: {"type": "integer"}},
        "additionalProperties": False,
    }
    yield Hostile(name="two keys of 0.5 MB that differ by a letter", schema=two, text=json.dumps({f"{long[:-1]}j": 1}))
    many = {f"key_{at}": at for at in range(_DEEP)}
    yield Hostile(name="100,000 keys, all unknown", schema=closed, text=json.dumps({**many, "a": "1"}))
    some = {f"property_number_{at}": {"type": "integer"} for at in range(3_000)}
    wide: Schema = {"type": "object", "properties": some, "required": list(some), "additionalProperties": False}
    slips = {f"proprety_number_{at}": str(at) for at in range(3_000)}
    yield Hostile(name="3,000 mistyped keys of 3,000", schema=wide, text=json.dumps(slips))
    styled = {f"propertyNumber{at}": at for at in range(3_000)}
    yield Hostile(name="3,000 keys in another style", schema=wide, text=json.dumps(styled))
    lengthy = {f"{'abcdefghij' * 100}{at}": _NUMBER for at in range(300)}
    shaped: Schema = {"type": "object", "properties": lengthy, "required": list(lengthy), "additionalProperties": False}
    near = {f"{'abcdefghij' * 99}abcdefghijj{at}": 1 for at in range(300)}
    yield Hostile(name="300 mistyped keys of 1,000 letters", schema=shaped, text=json.dumps(near))
    wanted: Schema = {"type": "object", "required": [f"k{at}" for at in range(_DEEP)]}
    yield Hostile(name="100,000 required keys", schema=wanted, text="{}", status="refused")
    yield Hostile(name="100,000 equal keys", schema=closed, text="{" + '"a":1,' * _DEEP + '"a":"2"}')


def _schemas() -> Iterator[Hostile]:
    bomb = "^(a+)+$"
    text = "a" * 60 + "!"
    yield Hostile(name="regex bomb in pattern", schema={"type": "string", "pattern": bomb}, text=json.dumps(text))
    yield Hostile(
        name="regex bomb in pattern, text in a list",
        schema={"type": "string", "pattern": bomb},
        text=json.dumps([text]),
    )
    maps: Schema = {"type": "object", "patternProperties": {"^(([a-z])+.)+[A-Z]([a-z])+$": {"type": "integer"}}}
    yield Hostile(
        name="regex bomb in patternProperties",
        schema={**maps, "additionalProperties": False},
        text=json.dumps({"a" * 60: "1"}),
    )
    names: Schema = {"type": "object", "propertyNames": {"pattern": "(x+x+)+y$"}}
    yield Hostile(name="regex bomb in propertyNames", schema=names, text=json.dumps({"x" * 60: 1}))
    quantified = {"type": "string", "pattern": "(.*){1,32000}[bc]$"}
    yield Hostile(name="regex of many repeats", schema=quantified, text=json.dumps("a" * 5_000))
    yield Hostile(name="regex that is none", schema={"type": "string", "pattern": "(((["}, text='"a"')
    doubled = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(40)}
    yield Hostile(
        name="references that double 40 times",
        schema={"$defs": {**doubled, "d40": _NUMBER}, "$ref": "#/$defs/d0"},
        text='"1"',
    )
    chosen = {f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 3} for at in range(25)}
    yield Hostile(
        name="alternatives that treble 25 times",
        schema={"$defs": {**chosen, "d25": _NUMBER}, "$ref": "#/$defs/d0"},
        text='"1"',
    )
    arrays: Schema = {
        "$defs": {
            "n": {
                "anyOf": [
                    {"type": "integer"},
                    {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 2},
                ]
            }
        },
        "$ref": "#/$defs/n",
    }
    yield Hostile(name="alternatives in alternatives, 200 deep", schema=arrays, text="[" * 200 + '"x"' + "]" * 200)
    yield Hostile(name="a reference to itself", schema={"$ref": "#"}, text='"1"')
    yield Hostile(
        name="references in a ring",
        schema={"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        text='"1"',
    )
    yield Hostile(name="a reference to elsewhere", schema={"$ref": "http://127.0.0.1:9/schema.json"}, text='"1"')
    yield Hostile(name="a reference to a file", schema={"$ref": "file:///etc/passwd"}, text='"1"')
    yield Hostile(name="a schema that is none", schema={"type": 12, "properties": []}, text='{"a": 1}')
    yield Hostile(name="a schema that is a list", schema=["type"], text="{}")
    unique: Schema = {"type": "array", "uniqueItems": True, "items": {"type": "object"}}
    yield Hostile(
        name="5,000 objects to be unique", schema=unique, text=json.dumps([{"a": at, "b": [at]} for at in range(5_000)])
    )
    words = [f"word number {at}" for at in range(50_000)]
    yield Hostile(
        name="an enum of 50,000 words, a padded one", schema={"enum": words}, text='" DecisionRequest Number 49999 "'
    )
    branches = [
        {
            "type": "object",
            "required": ["kind", f"v{at}"],
            "properties": {"kind": {"const": f"k{at}"}, f"v{at}": {"type": "integer"}},
            "additionalProperties": False,
        }
        for at in range(1_000)
    ]
    yield Hostile(
        name="1,000 alternatives, one quoted number", schema={"oneOf": branches}, text='{"kind": "k999", "v999": "1"}'
    )
    either = {f"field{at}": {"anyOf": [_NUMBER, {"type": "boolean"}]} for at in range(60)}
    doubt: Schema = {"type": "object", "properties": either, "required": list(either), "additionalProperties": False}
    yield Hostile(name="60 fields of two readings each", schema=doubt, text=json.dumps(dict.fromkeys(either, "1")))
    pick: Schema = {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "null"}]}}
    yield Hostile(name="2,000 items of three types, all quoted", schema=pick, text=json.dumps(["1", "true"] * 1_000))


def _numbers() -> Iterator[Hostile]:
    digits = "9" * _MB
    yield Hostile(name="a number of 1,000,000 digits", schema=_NUMBER, text=digits)
    yield Hostile(name="the same in quotes", schema=_NUMBER, text=f'"{digits}"')
    yield Hostile(name="the same grouped", schema=_NUMBER, text='"' + "1" + ",000" * 250_000 + '"')
    yield Hostile(name="1e999999999 in quotes", schema={"type": "integer"}, text='"1e999999999"')
    yield Hostile(name="1e400", schema={"type": "number"}, text="1e400")
    yield Hostile(
        name="1e999999999 beside multipleOf", schema={"type": "number", "multipleOf": 0.01}, text='"1e999999999"'
    )
    yield Hostile(name="NaN", schema={"type": "number"}, text="NaN", status="refused")
    yield Hostile(name="half a surrogate pair", schema={"type": "integer"}, text='"\\ud800"', status="refused")
    yield Hostile(name="many noughts", schema={"type": "integer"}, text='"' + "0" * _MB + '1"')


def cost(case: Hostile, command: Sequence[str] = SHW) -> Cost:
    """Run the command on one input, with an eye on its processes."""
    try:
        line = json.dumps({"id": 1, "schema": case.schema, "text": case.text}).encode() + b"\n"
    except RecursionError:
        line = b'{"id": 1, "schema": ' + _by_hand(case.schema) + b', "text": ' + json.dumps(case.text).encode() + b"}\n"
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out:
        given.write(line)
        given.seek(0)
        before, begun = _reaped(), time.monotonic()
        child = subprocess.Popen(command, stdin=given, stdout=out, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
        peak = 0
        while child.poll() is None and time.monotonic() - begun < _KILLED_AFTER:
            peak = max(peak, _tree_bytes(child.pid))
            time.sleep(_EVERY)
        spent = time.monotonic() - begun
        if child.poll() is None:
            child.kill()
        child.wait()
        out.seek(0)
        return Cost(
            seconds=spent,
            cpu_seconds=_reaped() - before,
            megabytes=peak / _MB,
            status=_status(out.read(), child.returncode),
        )


def _reaped() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _by_hand(schema: Schema) -> bytes:
    parts = []
    while "properties" in schema and list(schema["properties"]) == ["a"]:
        rest = {key: value for key, value in schema.items() if key != "properties"}
        parts.append((json.dumps(rest)[:-1] + ', "properties": {"a": ').encode())
        schema = schema["properties"]["a"]
    return b"".join(parts) + json.dumps(schema).encode() + b"}}" * len(parts)


def _status(told: bytes, code: int) -> str:
    try:
        return str(json.loads(told.splitlines()[0])["status"])
    except (ValueError, KeyError, IndexError, RecursionError):
        return f"nothing (exit {code})"


def _tree_bytes(pid: int) -> int:
    """Sum the highest RSS of a process and of its living descendants."""
    total, family = 0, [pid]
    while family:
        one = family.pop()
        with contextlib.suppress(OSError, StopIteration):
            status = (PROC / str(one) / "status").read_text()
            total += 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
            for task in (PROC / str(one) / "task").iterdir():
                family.extend(map(int, (task / "children").read_text().split()))
    return total
