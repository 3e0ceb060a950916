"""A declared action under kills: what carries no key is called once, whatever became of the process that called it."""

import json
import signal
from pathlib import Path

import pytest

from tests.integration.test_declared_actions import Cluster, declare, stuck
from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Site, process
from tests.support.worlds.http_world import World, json_reply

CELLS = [("during", "unsafe"), ("kept", "idempotent")]
if FULL:
    every = ("keeping", "kept", "asked", "before", "during", "answered", "after", "settle")
    CELLS = [(at, effect) for at in every for effect in ("unsafe", "keyed", "idempotent")]


@pytest.fixture
def cluster(world: World) -> Cluster:
    return Cluster(world)


@pytest.mark.parametrize(("at", "effect"), CELLS, ids=[f"{at} {effect}" for at, effect in CELLS])
async def test_after_a_kill_an_action_is_looked_for_and_called_once(
    embedded_place: Site, cluster: Cluster, catalog_file: Path, tmp_path: Path, at: str, effect: str
) -> None:
    place = embedded_place
    slowly = cluster.world.scripts["/restart"]
    cluster.world.on("/restart", lambda n, seen: slowly(n, seen) and json_reply({}, after=0.4))
    key = {"key_header": "Idempotency-Key"} if effect == "keyed" else {}
    call = {"url": cluster.world.url("/restart"), "effect": effect} | key
    declare(catalog_file, cluster, more={"call": call, "heals": True}, ladders_of="workflow_stall")
    org = await place.organisation("1")
    await place.publish(stuck(org, "restarted"))
    mortal = place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, tmp_path / "log", at=at, path="") as killed:
        assert await killed.ended() == -signal.SIGKILL, killed.last_lines
    await place.time_passes()
    async with place.consumer() as heir:
        row = (await heir.settled(1))["restarted"]
    # Killed between the permission and the first byte, a call without a key is not made again: nobody knows.
    lost = effect == "unsafe" and at == "before"
    assert row["status"] == ("needs_person" if lost else "resolved"), json.dumps(row, default=str)
    assert cluster.world.performed("/restart") == (0 if lost else 1), "lost, or done twice"
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})
