"""What looks random in a request is sent, for it may be an id; where its plan is asked for, nothing shows it."""

import asyncio
import io
from pathlib import Path
from typing import Any, Final

import pytest

from consumer.cli.main import run_command
from tests.integration.test_secrets import Captured, api, log_lines, tables, topics
from tests.support.pipeline import Site, environment_of, event
from tests.support.planted import PLANTED
from tests.support.worlds.http_engine import ORDER, SENT, Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import World

REASON: Final = "Validation failed: '42' is not of type 'integer'"
RANDOM: Final = PLANTED["random"].core
KEPT: Final = "table public.workflow_failures"
"""Holds the payload, for a heal sends it."""
__all__ = ["log_lines"]


@pytest.fixture
def declared(world: World, catalog_file: Path) -> Path:
    text = engine_catalog(world, schema=ORDER, grade="lossy")
    catalog_file.write_text(text.replace("  hosts:", "  approval: {lossy: true}\n  hosts:", 1))
    return catalog_file


@pytest.mark.usefixtures("declared")
async def test_a_plan_that_waits_for_its_approval_shows_no_value_that_may_be_a_secret(
    embedded_place: Site,
    world: World,
    log_lines: io.BytesIO,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place, engine = embedded_place, Engine(world=world)
    org = await place.organisation("1")
    payloads: list[dict[str, Any]] = [SENT | {"junk": RANDOM}, SENT | {"note": {"of": [RANDOM]}}]
    for n, payload in enumerate(payloads):
        engine.run(f"run-{n}")
        context = refused_payload(f"run-{n}", payload)
        await place.publish(event(org, f"{n}", workflow_name=f"w{n}", failure_reason=REASON, context=context))
    async with place.consumer() as running:
        rows = await running.settled(len(payloads))
        found = await tables(place) | await topics(place, []) | await api(place, running, org)
    assert {row["status"] for row in rows.values()} == {"awaiting_approval"}
    for name, value in environment_of(place.settings).items():
        monkeypatch.setenv(name, value)
    for command, *more in (["show"], ["show", "--json"], ["plan"]):
        await asyncio.to_thread(run_command, [command, str(rows["w0"]["id"]), *more])
    found["command line"] = capsys.readouterr().out
    assert '"[redacted]"' in found["command line"]
    found["log"] = log_lines.getvalue().decode()
    assert RANDOM in found.pop(KEPT)
    assert [where for where, said in found.items() if RANDOM in said] == []
    plans = [row["plan"] for row in await place.db.fetch("SELECT plan::text FROM heal_approval")]
    assert all("[redacted]" in plan for plan in plans)
