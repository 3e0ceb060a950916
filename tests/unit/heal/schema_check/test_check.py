"""Callers' schemas: judged here when cheap, in a child that can be killed when not."""

import asyncio
import time
from datetime import timedelta

import pytest

from consumer.heal.schema_check.check import SchemaCheck, cheap, schema_check
from consumer.heal.schema_check.worker import check_body, check_schema
from consumer.model import Json, JsonObject

OBJECT: JsonObject = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "body", "verdict"),
    [
        (OBJECT, {"id": 1}, "passed"),
        (OBJECT, {"id": "1"}, "failed"),
        (True, [], "passed"),
        (False, [], "failed"),
        ({"pattern": "^a+$"}, "aaa", "passed"),
        ({"pattern": "^a+$"}, "b", "failed"),
        ({"$ref": "#/$defs/x", "$defs": {"x": OBJECT}}, {"id": 1}, "passed"),
        ({"$ref": "#/$defs/x", "$defs": {"x": OBJECT}}, {}, "failed"),
        ({"$ref": "#/$defs/gone"}, 1, "unusable"),
        ({"$ref": "#"}, 1, "unusable"),
        ({"format": "date-time"}, "2026-01-01T00:00:00Z", "passed"),
        ({"format": "date-time"}, "yesterday", "failed"),
        ({"format": "date-time"}, "2026-13-01T00:00:00Z", "failed"),
        ({"format": "ipv4"}, "1.2.3.999", "failed"),
        ({"format": "uri"}, "https://example.com/a b", "failed"),
        ({"format": "iri"}, "https://example.com/gr\u00fc\u00dfe?q=\u00e9", "passed"),
        ({"format": "iri"}, "https://example.com/gr\u00fc\u00dfe <", "failed"),
        ({"format": "iri"}, "/gr\u00fc\u00dfe", "failed"),
        ({"format": "iri-reference"}, "/gr\u00fc\u00dfe", "passed"),
        ({"format": "duration"}, "P1D", "passed"),
        ({"format": "duration"}, "1 day", "failed"),
        ({"format": "color"}, "#00zz00", "failed"),
        ({"format": "uri-template"}, "/a/{b", "failed"),
        ({"format": "json-pointer"}, "a/b", "failed"),
        ({"format": "idn-hostname"}, "a..b", "failed"),
    ],
)
async def test_a_body_is_judged_by_the_schema(schema: Json, body: Json, verdict: str) -> None:
    assert (await schema_check().valid(schema, body))[0] == verdict


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"type": 3},
        {"pattern": "("},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"properties": {"a": {"items": [{"$ref": "file:///etc/passwd"}]}}},
        {"items": {"$ref": "other.json"}},
        {"description": "x" * 300_000},
    ],
    ids=range(7),
)
async def test_an_unusable_schema_is_known_before_any_call(schema: Json) -> None:
    found, detail = await schema_check().usable(schema)
    assert found == "unusable"
    assert len(detail) < 400


def test_a_finding_quotes_no_value_of_the_body() -> None:
    assert check_body(OBJECT, {"id": "hunter2"}) == ("failed", "at /id: fails `type`")


def test_a_reference_outside_is_named() -> None:
    assert "http://x/" in check_schema({"$ref": "http://x/"})[1]


EXPLOSIVE_PATTERN: JsonObject = {"pattern": "^(a+)+$"}
_DOUBLED: JsonObject = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
DOUBLING: JsonObject = {"$defs": _DOUBLED | {"d40": {"type": "string"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(("schema", "body"), [(EXPLOSIVE_PATTERN, "a" * 64 + "!"), (DOUBLING, "x")], ids=["re", "refs"])
async def test_a_schema_that_explodes_is_given_up_and_the_loop_goes_on(schema: Json, body: Json) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    started = time.monotonic()
    checks = SchemaCheck(children=asyncio.Semaphore(1), limit=timedelta(seconds=1))
    found, detail = await checks.valid(schema, body)
    ticking.cancel()
    assert found == "unusable"
    assert "within 1 s" in detail
    assert time.monotonic() - started < 5
    assert ticks > 20


def test_only_a_plainly_cheap_schema_is_judged_here() -> None:
    assert cheap(OBJECT, {"id": 1})
    assert not cheap(OBJECT, [{"id": n} for n in range(10_000)])
    assert not cheap({"items": [{"patternProperties": {}}]}, 1)
