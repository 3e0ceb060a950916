"""auto-regenerate under kills and stops: at each boundary an asset is paid once with a key, else once more at most.

The ledger says what was paid, and a call of which nobody knows counts. The address points at a whole object at each
moment. What is stopped comes back after others have ended its heal, and pays and puts nothing more. An ordinary run
makes the cells that differ in kind; `SHW_FAULT_MATRIX=full` makes them all.
"""

import itertools
import json
import signal
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import pytest

from tests.support import oracle
from tests.support.faults.matrix import FULL, SIGNALS
from tests.support.media.pictures import photograph, saved
from tests.support.pipeline import SECOND, Process, Site, event, process, until
from tests.support.worlds.asset_world import CHARGED, AssetWorld, asset_catalog, described, file_reply, missing_image
from tests.support.worlds.http_world import World

PICTURE: Final = saved(photograph(), "PNG")
REASON: Final = "Image generation failed: the hero image is missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """Where a process is killed or stopped, and what its generator is."""

    at: str
    nth: int
    in_call: bool
    """A call that may be paid had begun, and its answer was not kept."""
    keyed: bool
    job: bool
    number: signal.Signals

    def __str__(self) -> str:
        kind = f"{'a job' if self.job else 'a call'} {'with' if self.keyed else 'without'} a key"
        return f"{self.number.name} {self.at} {self.nth}, {kind}"


CALL: Final = (
    ("keeping", 1, False),
    ("kept", 1, True),
    ("during", 2, False),
    ("before", 4, True),
    ("during", 4, True),
    ("before", 5, True),
    ("keeping", 2, True),
    ("kept", 2, False),
    ("before", 6, False),
    ("during", 6, False),
    ("keeping", 3, False),
    ("kept", 3, False),
    ("after", 1, False),
    ("settle", 1, False),
)
"""1 to 3 try the store's conditions, 4 is the generation, 5 the object, 6 the address.

A state is kept before the generation and after what follows."""
JOB: Final = (
    ("during", 4, True),
    ("keeping", 2, True),
    ("kept", 2, False),
    ("after", 1, False),
    ("going on", 1, False),
    ("looked", 1, False),
    ("settle", 1, False),
)
ORDINARY: Final = {
    "SIGKILL during 4, a call without a key",
    "SIGKILL during 4, a call with a key",
    "SIGKILL keeping 2, a call without a key",
    "SIGKILL before 6, a call without a key",
    "SIGKILL kept 2, a job without a key",
    "SIGSTOP during 4, a call without a key",
}
WINDOW: Final = "20"
"""Seconds of a claim's window, for a process that is stopped: its own clock cannot be put forward.

Whoever inherits the claim has no more: on a busy machine it may lose it in a call, too, and that call counts as well.
"""
LOCKS_HELD: Final = timedelta(seconds=20)
"""How long the server lets what is stopped within a transaction hold its locks: without an end nobody takes it over."""
COUNT_TAKEOVERS: Final = """
CREATE TABLE test_takeover (owner text);
CREATE FUNCTION test_count_takeover() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN INSERT INTO public.test_takeover VALUES (NEW.owner); RETURN NULL; END $$;
CREATE TRIGGER test_count_takeover AFTER UPDATE OF owner ON heal_claim
FOR EACH ROW WHEN (OLD.owner IS DISTINCT FROM NEW.owner) EXECUTE FUNCTION test_count_takeover();
"""


def cells() -> list[Struck]:
    every = [
        Struck(at=at, nth=nth, in_call=in_call, keyed=keyed, job=job, number=number)
        for number in SIGNALS
        for job, boundaries in ((False, CALL), (True, JOB))
        for (at, nth, in_call), keyed in itertools.product(boundaries, (False, True))
    ]
    return [cell for cell in every if FULL or str(cell) in ORDINARY]


@pytest.fixture
def assets(world: World, catalog_file: Path, cell: Struck) -> AssetWorld:
    text = asset_catalog(world, {"pictures": described(world, keyed=cell.keyed, job=cell.job)}, calls=3)
    catalog_file.write_text(text)
    return AssetWorld(world=world, makes=[file_reply(PICTURE, after=0.4)])


@pytest.mark.parametrize("cell", cells(), ids=str)
async def test_after_a_kill_or_a_stop_it_is_paid_once_more_at_most_and_the_address_is_whole(
    embedded_place: Site, assets: AssetWorld, tmp_path: Path, cell: Struck
) -> None:
    place = embedded_place
    await place.db.execute(COUNT_TAKEOVERS)
    org = await place.organisation("1")
    await place.publish(event(org, "1", workflow_name="hero", failure_reason=REASON, context=missing_image()))
    acts = {"at": cell.at, "nth": str(cell.nth), "path": "/assets", "signal": cell.number.name}
    if cell.number is signal.SIGSTOP:
        acts["window"] = WINDOW
    mortal = place.changed(kafka={"session_timeout": SECOND}, postgres={"statement_timeout": LOCKS_HELD})
    async with process(mortal, tmp_path / "log", **acts) as struck:
        if cell.number is signal.SIGKILL:
            assert await struck.ended() == -signal.SIGKILL, struck.last_lines
            await place.time_passes()
            async with place.consumer() as heir, place.consumer():
                row = (await heir.settled(1))["hero"]
        else:
            row = await ended_by_others(place, assets, struck)
    assert row["status"] == "resolved"
    await judge(place, assets, org, cell)


async def ended_by_others(place: Site, assets: AssetWorld, struck: Process) -> asyncpg.Record:
    """Have others end the heal of a process that stands still, then let it come back; give the failure's row."""
    await until(struck.is_stopped)
    async with place.in_another_group().consumer() as other:

        async def is_closed() -> bool:
            await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp() WHERE status = 'deferred'")
            return await place.count("workflow_failures WHERE resolved") == 1

        await until(is_closed)
        row = (await other.settled(1))["hero"]
        before = dict(assets.files), sum(assets.charged.values())
        attempts = await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id")
        struck.tell(signal.SIGCONT)
        await until(lambda: _is_back(place, struck))
        struck.tell(signal.SIGTERM)
        assert await struck.ended() == 0, struck.last_lines
    assert (assets.files, sum(assets.charged.values())) == before, "what came back has paid or put something"
    assert await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id") == attempts
    return row


async def _is_back(place: Site, stopped: Process) -> bool:
    """Whether it has renewed its lease since, and has nothing in hand: it has lost that, or gave it away before."""
    owners = await place.count("heal_owner WHERE isfinite(lease_until) AND lease_until > clock_timestamp()")
    given = ("heal_suspended", "heal_settled")
    return owners > 1 and stopped.said("claim_lost", "settled_by_another", "suspended_by_another", *given)


async def judge(place: Site, assets: AssetWorld, org: UUID, cell: Struck) -> None:
    """Hold what came of it against what was promised."""
    pointer = assets.pointer(org)
    assert assets.files[pointer] == PICTURE
    assert {seen.body for seen in assets.puts() if seen.path == pointer} == {PICTURE}, "pointed at what is not whole"
    charged = sum(assets.charged.values())
    left = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    paid = (1 - left) * 1_000_000
    if cell.keyed:
        assert charged == 1, "paid twice under a key"
        assert len({seen.key for seen in assets.world.seen if seen.method == "POST"}) == 1
        assert paid in ((CHARGED,) if cell.at != "settle" else (CHARGED, 0))
    else:
        lost = await lost_calls(place)
        assert lost <= await place.count("test_takeover"), "calls count as lost that nobody has lost"
        twice = max(lost, cell.in_call)
        assert charged <= 1 + twice, "paid more than once more for a kill"
        assert charged * CHARGED <= paid <= (1 + twice) * CHARGED, "the ledger does not say what was paid"
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})


async def lost_calls(place: Site) -> int:
    """Count the calls of which the attempts tell that a process was lost in them: each counts as paid."""
    attempts = await place.db.fetch("SELECT details FROM workflow_heal_attempts")
    told = [one for row in attempts for one in json.loads(row["details"]).get("generations", ())]
    return sum(one["came"] == "lost" for one in told)
