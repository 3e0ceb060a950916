"""The agent under kills: at each of its boundaries it goes on or ends clean, within its tokens, and the credits add up.

An ordinary run makes the cells that differ in kind; `SHW_FAULT_MATRIX=full` kills at each boundary of every call.
"""

import itertools
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Site, event, process
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.rewrite_world import (
    MENDED,
    REASON,
    WORKFLOW,
    Model,
    failed_context,
    register,
    rewrite_catalog,
)

LIMIT: Final = 100_000
CALLS: Final = 5
"""Understand, collect (twice), propose, criticise."""
KEPT: Final = 4
"""Before the first call, and after each state that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """Where the process is killed: at which boundary, for the how-manieth time."""

    at: str
    nth: int

    def __str__(self) -> str:
        return f"{self.at} {self.nth}"


ORDINARY: Final = {"kept 1", "during 1", "keeping 3", "before 4", "after 1", "settle 1"}


def cells() -> list[Struck]:
    calls = itertools.product(("asked", "before", "during"), range(1, CALLS + 1))
    kept = itertools.product(("keeping", "kept"), range(1, KEPT + 1))
    every = [Struck(at=at, nth=nth) for at, nth in (*calls, *kept, ("after", 1), ("settle", 1))]
    return [cell for cell in every if FULL or str(cell) in ORDINARY]


@pytest.fixture
def chat(world: World, catalog_file: Path) -> ChatWorld:
    chat = ChatWorld(world=world, talk=Model(), after=0.3)
    catalog_file.write_text(rewrite_catalog(chat, tokens={"failure": LIMIT}))
    return chat


@pytest.mark.parametrize("cell", cells(), ids=str)
async def test_after_a_kill_it_goes_on_within_its_tokens_and_the_credits_add_up(
    embedded_place: Site, chat: ChatWorld, tmp_path: Path, cell: Struck
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await register(place.db, org)
    await place.publish(event(org, "1", workflow_name=WORKFLOW, failure_reason=REASON, context=failed_context()))
    mortal = place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, tmp_path / "log", at=cell.at, nth=str(cell.nth), path="/workflows") as killed:
        assert await killed.ended() == -signal.SIGKILL, killed.last_lines
    asked_before = len(chat.asked)
    await place.time_passes()
    async with place.consumer() as heir:
        row = (await heir.settled(1))[WORKFLOW]
    assert row["status"] == "awaiting_approval"
    [patch] = {row["patch"] for row in await place.db.fetch("SELECT patch FROM heal_rewrite")}
    assert json.loads(patch) == MENDED
    assert isinstance(chat.talk, Model)
    assert len(chat.asked) <= asked_before + CALLS
    counted = await place.db.fetchval(
        "SELECT coalesce(sum(coalesce(input_spent + output_spent, input_held + output_held)), 0)::bigint"
        " FROM heal_agent_call"
    )
    assert chat.charged <= counted <= LIMIT
    if cell.at == "kept" and cell.nth > 1:
        assert chat.talk.states.count("understand") == 1, "a state that had ended was asked anew"
    left = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    # A million tokens cost 1 in and 4 out: at least what was used, and at most all of it at the dearer price.
    assert chat.charged <= (1 - left) * 1_000_000 <= 4 * counted
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {org: "1"})
