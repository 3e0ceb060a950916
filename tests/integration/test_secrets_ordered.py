"""G9 for what is ordered and found: secrets in a bulk's filter and reason, in edits, and in a producer's drift."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from consumer.cli.main import run_command
from tests.integration.test_secrets import Captured, Found, api, leaks, log_lines, tables, topics
from tests.support.commander import Commander, answers, command, send, write_keys
from tests.support.pipeline import Running, Site, environment_of, event, until
from tests.support.planted import PLANTED
from tests.support.sinks import WORDS
from tests.support.worlds.http_engine import ORDER, SENT, Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import World

REASON: Final = "Validation failed: '42' is not of type 'integer'"
NAMED: Final = PLANTED["named password"].text
RANDOM: Final = PLANTED["random"].core
NOTED: Final = ORDER | {"properties": ORDER["properties"] | {"note": {"type": "string"}}}
KEPT: Final = "table public.workflow_failures"
"""Holds the payload, in which what only looks random may be an id, for a heal sends it."""
PRODUCERS: Final = 3
__all__ = ["log_lines"]


@pytest.fixture
def maos() -> Commander:
    return Commander.new()


@pytest.fixture
def place(embedded_place: Site, tmp_path: Path, maos: Commander, world: World, catalog_file: Path) -> Site:
    text = engine_catalog(world, schema=NOTED, drift_after=1)
    catalog_file.write_text(text.replace("source: '*'", "source: 'urn:test*'"))
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    return embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})


def bulk(org: UUID, **wanted: Any) -> dict[str, Any]:  # noqa: ANN401 - a filter is anything
    return command("bulk", org, action="give_up", reason=WORDS[:1000], rate=500, filter=wanted) | {
        "issued_by": WORDS[:500]
    }


def orders(org: UUID, failure: UUID) -> list[dict[str, Any]]:
    """Bulks whose filters hold every secret, one that finds what is there, and edits with a secret and with none."""
    texts = [planted.text for planted in PLANTED.values()]
    return [
        *(bulk(org, workflow_name=text[:512], target=text[:512]) for text in texts),
        bulk(org, statuses=["resolved"], workflow_name="w0 password=[redacted]"),
        command("edit", org, failure, reason=WORDS[:1000], payload={"note": WORDS}),
        command("edit", org, failure, reason=WORDS[:1000], payload={"qty": 3}),
    ]


async def drifted(place: Site, world: World) -> UUID:
    """Heal payloads that are repaired around what only looks random, of producers whose names hold secrets."""
    engine, org = Engine(world=world), await place.organisation("1")
    for n in range(PRODUCERS):
        engine.run(f"run-{n}", takes=lambda _given: True)
        context = refused_payload(f"run-{n}", SENT | {"Note": RANDOM})
        told = event(org, f"{n}", workflow_name=f"w{n} {NAMED}", failure_reason=REASON, context=context)
        await place.publish(told | {"source": f"urn:test:{n} {NAMED}"})
    return org


async def printed(place: Site, out: Captured, patch: pytest.MonkeyPatch, org: UUID, bulks: list[str]) -> Found:
    for name, value in environment_of(place.settings).items():
        patch.setenv(name, value)
    shown = [["bulk", "show", one, *more] for one in bulks for more in ([], ["--outcomes"], ["--json", "--outcomes"])]
    preview = [
        "bulk",
        "preview",
        "--action",
        "give_up",
        "--org",
        str(org),
        "--workflow",
        WORDS[:512],
        "--by",
        WORDS[:500],
    ]
    lists = [["bulk", "list"], ["bulk", "list", "--json"], ["drift", "--counting"], ["drift", "--counting", "--json"]]
    found: Found = {}
    out.readouterr()
    for line in [*shown, [*preview, "--reason", WORDS, "--target", WORDS[:512]], *lists]:
        await asyncio.to_thread(run_command, line)
        said = out.readouterr()
        found[" ".join(line)[:60]] = said.out + said.err
    return found


async def done(place: Site) -> bool:
    told = [one["data"]["state"] for one in await place.results() if one["type"] == "workflow.bulk_progress.v1"]
    return "done" in told


async def searched(place: Site, running: Running, org: UUID, maos: Commander) -> tuple[Found, list[str]]:
    """Give every order over the commands' topic, run the bulk that found something, and take all that left."""
    failure = await place.db.fetchval("SELECT id FROM workflow_failures WHERE workflow_name LIKE 'w2%'")
    given = orders(org, failure)
    await send(place, *(maos.token(said, f"order-{n}") for n, said in enumerate(given)))
    told = await answers(place, len(given))
    bulks = [one["data"]["bulk"] for one in told if one["data"].get("bulk")]
    assert len(bulks) == len(PLANTED) + 1
    (found_some,) = (one["bulk_id"] for one in bulks if one["failures"])
    await send(place, maos.token(command("bulk_start", org, bulk_id=found_some, reason=WORDS[:1000]), "start"))
    await until(lambda: done(place))
    found = await tables(place) | await topics(place, []) | await api(place, running, org)
    return found, [found_some, bulks[0]["bulk_id"]]


async def test_a_secret_in_a_bulk_an_edit_or_a_drift_is_found_nowhere(
    place: Site,
    world: World,
    maos: Commander,
    log_lines: io.BytesIO,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    org = await drifted(place, world)
    async with place.consumer() as running:
        await running.settled(PRODUCERS)
        found, bulks = await searched(place, running, org, maos)
    found |= await printed(place, capsys, monkeypatch, org, bulks)
    found |= {f"{name}, decided": text for name, text in (await tables(place)).items()}
    found["log"] = log_lines.getvalue().decode()
    kept = [found.pop(name) for name in (KEPT, f"{KEPT}, decided")]
    assert all(RANDOM in text for text in kept)
    assert sorted({one.split(": ...")[0].split(" in ", 1)[1] for one in leaks(found)}) == [], leaks(found)[:3]
    assert await place.count("producer_drift WHERE raised_at IS NOT NULL") == 4 * PRODUCERS
    assert found["table public.heal_bulk"].count("[redacted]") > 2 * len(PLANTED)
    assert json.loads(found["drift --counting --json"].splitlines()[0])
