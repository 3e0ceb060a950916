"""Callers' schemas: judged here when cheap, in a child that can be killed when not."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from consumer.errors import NoWorkerFree
from consumer.heal.schema_check.check import LIMITS, cheap, lone_schema_check, schema_check
from consumer.heal.schema_check.worker import check_body, check_schema
from consumer.model import Json, JsonObject, OrgId

A, B = OrgId(UUID(int=1)), OrgId(UUID(int=2))
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
        ({"format": "regex"}, "(", "passed"),
        ({"format": "uri-template"}, "a@" + "{" * 60_000, "failed"),
        ({"format": "uri-template"}, "/a/{b", "failed"),
        ({"format": "json-pointer"}, "a/b", "failed"),
        ({"format": "idn-hostname"}, "a..b", "failed"),
    ],
)
async def test_a_body_is_judged_by_the_schema(schema: Json, body: Json, verdict: str) -> None:
    assert (await lone_schema_check().valid(schema, body, A))[0] == verdict


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
    found, detail = await lone_schema_check().usable(schema, A)
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
    async with schema_check(replace(LIMITS, budget=timedelta(seconds=1))) as checks:
        found, detail = await checks.valid(schema, body, A)
    ticking.cancel()
    assert found == "unusable"
    assert "within 1 s" in detail
    assert ticks > 20


async def test_a_hundred_honest_bodies_at_once_are_all_judged() -> None:
    async with schema_check() as checks:
        found = await asyncio.gather(*(checks.valid({"pattern": "^ord-[0-9]+$"}, f"ord-{n}", A) for n in range(100)))
    assert {verdict for verdict, _ in found} == {"passed"}


async def test_hostile_bodies_of_one_organisation_hold_up_no_other() -> None:
    limits = replace(LIMITS, budget=timedelta(seconds=1), wait=timedelta(seconds=4))
    async with schema_check(limits) as checks:
        warm = [checks.valid({"pattern": "a"}, "a", OrgId(UUID(int=n))) for n in range(10, 10 + limits.children)]
        await asyncio.gather(*warm)
        hostile = [asyncio.create_task(checks.valid(EXPLOSIVE_PATTERN, "a" * 64 + "!", A)) for _ in range(40)]
        await asyncio.sleep(0)
        found = await asyncio.gather(*(checks.valid({"pattern": "^ord-[0-9]+$"}, f"ord-{n}", B) for n in range(20)))
        ended = await asyncio.gather(*hostile, return_exceptions=True)
    assert {verdict for verdict, _ in found} == {"passed"}
    assert {type(one) for one in ended} <= {tuple, NoWorkerFree}
    assert NoWorkerFree in {type(one) for one in ended}


def test_only_a_plainly_cheap_schema_is_judged_here() -> None:
    assert cheap(OBJECT, {"id": 1})
    assert not cheap(OBJECT, [{"id": n} for n in range(10_000)])
    assert not cheap({"items": [{"patternProperties": {}}]}, 1)
