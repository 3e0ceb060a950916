"""The fences of kept and suspended claims, as they stand in the SQL: each with it in place, and with it taken out.

A fence without a test that misses it may go in any edit. So each mutant takes one out of a statement, and its scene has
to notice on a real PostgreSQL.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from consumer.catalog import WorkflowPolicy
from consumer.errors import LostClaim, RevokedClaim
from consumer.model import AttemptId, Claim, FailureId, MicroAud, OrgId, OwnerId
from consumer.model.suspension import KeptState, SuspendedHeal, Suspension
from consumer.results.settlement import settle_heal
from consumer.settings import BreakerSettings
from consumer.store import leases, settle, suspended
from consumer.store.leases import ReadableStates
from schemas.names import StrategyName
from tests.support.ends import FAILURE, OUTCOMES, OUTLET, ended
from tests.support.patience import PATIENCE

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Scene: TypeAlias = Callable[[Pool], Awaitable[None]]

ME, OTHER, DEAD = OwnerId("me"), OwnerId("other"), OwnerId("dead")
ORDER: Final = KeptState(version=1, content={"job_id": "job-17"})
READABLE: Final = ReadableStates(states=("auto-retry 1",), others_after=timedelta(hours=1))
"""What this release reads."""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(database, min_size=1, max_size=4, timeout=PATIENCE) as opened:
        yield opened


async def claimed(pool: Pool, owner: OwnerId = ME, **columns: Any) -> Claim:  # noqa: ANN401 - columns of any type
    """A failure with a claim; gives the claim as its owner knows it."""
    org, failure, attempt = uuid4(), uuid4(), uuid4()
    await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org)
    await pool.execute(
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, source, due_at)"
        " VALUES ($1, $2, 'w', 'timeout', 'urn:test', clock_timestamp() + interval '1 hour')",
        failure,
        org,
    )
    given: dict[str, Any] = {
        "scope": f"{org}:s", "failure_id": failure, "attempt_id": attempt, "step": 0, "org_id": org,
        "strategy": "auto-retry", "effect": "unsafe", "owner": owner,
        "effect_deadline": datetime.now(UTC) + timedelta(minutes=5),
    } | columns  # fmt: skip
    places = ", ".join(f"${n}" for n in range(1, len(given) + 1))
    await pool.execute(f"INSERT INTO heal_claim ({', '.join(given)}) VALUES ({places})", *given.values())
    return Claim(
        attempt_id=AttemptId(attempt), step=0, held=MicroAud(0), deadline=0.0, epoch=given.get("epoch", 0), sent_at=0.0
    )


async def stands(pool: Pool, claim: Claim) -> Any:  # noqa: ANN401 - asyncpg's record
    return await pool.fetchrow("SELECT * FROM heal_claim WHERE attempt_id = $1", claim.attempt_id)


async def suspends(pool: Pool, owner: OwnerId, claim: Claim, **changes: Any) -> bool:  # noqa: ANN401 - of any type
    """Suspend a heal; gives whether it was this owner's to suspend."""
    row = await stands(pool, claim)
    given: dict[str, Any] = {"state": ORDER, "look_again": timedelta(hours=1), "longest": timedelta(hours=2)}
    one = Suspension(
        attempt_id=claim.attempt_id,
        failure_id=FailureId(row["failure_id"]),
        org_id=OrgId(row["org_id"]),
        strategy=StrategyName.AUTO_RETRY,
        epoch=claim.epoch,
        heal=SuspendedHeal(**(given | changes)),
    )
    return claim.attempt_id in (await suspended.suspend(pool, owner, [one])).mine


async def goes_on(pool: Pool, owner: OwnerId, readable: ReadableStates = READABLE) -> set[UUID]:
    found = await suspended.take_due(pool, owner, after=None, room=lambda _: 50, limit=50, readable=readable)
    return {one.attempt_id for one in found.inherited}


async def settles(pool: Pool, owner: OwnerId, claim: Claim) -> None:
    row = await stands(pool, claim)
    failed = replace(FAILURE, id=FailureId(row["failure_id"]), org_id=OrgId(row["org_id"]))
    heal = replace(ended(OUTCOMES["not healed"]), failure=failed, claim=claim)
    await settle.settle(pool, owner, [settle_heal(heal, WorkflowPolicy(name="*"), 0.5, OUTLET)], (), BreakerSettings())


async def is_refused(asked: Awaitable[None]) -> bool:
    try:
        await asked
    except (LostClaim, RevokedClaim):
        return True
    return False


async def who_lost_a_claim_keeps_nothing_on_it(pool: Pool) -> None:
    claim = await claimed(pool, OTHER)
    assert await is_refused(suspended.keep(pool, ME, claim, ORDER))
    assert (await stands(pool, claim))["state"] is None


async def who_got_a_claim_back_keeps_nothing_on_it_by_what_they_knew_before(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await pool.execute("UPDATE heal_claim SET epoch = 2")
    assert await is_refused(suspended.keep(pool, ME, claim, ORDER))
    assert (await stands(pool, claim))["state"] is None


async def who_lost_a_claim_suspends_it_not(pool: Pool) -> None:
    claim = await claimed(pool, OTHER)
    assert not await suspends(pool, ME, claim)
    assert (await stands(pool, claim))["owner"] == OTHER


async def a_suspension_that_comes_late_takes_nothing_from_whoever_goes_on(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    assert await suspends(pool, ME, claim)
    await pool.execute("UPDATE heal_claim SET look_at = clock_timestamp()")
    assert await goes_on(pool, ME) == {claim.attempt_id}
    assert not await suspends(pool, ME, claim)
    assert (await stands(pool, claim))["owner"] == ME


async def who_lost_a_claim_settles_it_not(pool: Pool) -> None:
    claim = await claimed(pool, OTHER)
    await settles(pool, ME, claim)
    assert await stands(pool, claim) is not None


async def what_was_gone_on_with_is_not_settled_by_what_was_known_before(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await suspends(pool, ME, claim)
    await pool.execute("UPDATE heal_claim SET look_at = clock_timestamp()")
    await goes_on(pool, ME)
    await settles(pool, ME, claim)
    assert await stands(pool, claim) is not None


async def who_lost_a_claim_begins_nothing(pool: Pool) -> None:
    claim = await claimed(pool, OTHER)
    assert await is_refused(leases.begin(pool, ME, claim))
    assert not (await stands(pool, claim))["begun"]


async def who_got_a_claim_back_begins_nothing_by_what_they_knew_before(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await pool.execute("UPDATE heal_claim SET epoch = 1")
    assert await is_refused(leases.begin(pool, ME, claim))
    assert not (await stands(pool, claim))["begun"]


async def what_begins_after_a_state_is_known_and_what_began_before_it_is_not_held_against_it(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await leases.begin(pool, ME, claim)
    await suspended.keep(pool, ME, claim, ORDER)
    assert not (await stands(pool, claim))["begun_since"]
    await leases.begin(pool, ME, claim)
    assert (await stands(pool, claim))["begun_since"]


async def nothing_begins_on_what_a_person_decided_against(pool: Pool) -> None:
    claim = await claimed(pool, ME, revoked=True)
    assert await is_refused(leases.begin(pool, ME, claim))
    row = await stands(pool, claim)
    assert (row["begun"], row["begun_since"]) == (False, False)


async def a_suspended_heal_goes_on_at_its_time_and_not_before(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await suspends(pool, ME, claim)
    assert await goes_on(pool, OTHER) == set()


async def a_state_that_this_release_does_not_read_is_left_to_the_other_for_a_while(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await suspends(pool, ME, claim, state=KeptState(version=2, content={}))
    await pool.execute("UPDATE heal_claim SET look_at = clock_timestamp() - interval '1 minute'")
    assert await goes_on(pool, OTHER) == set()
    await pool.execute("UPDATE heal_claim SET look_at = clock_timestamp() - interval '61 minutes'")
    assert await goes_on(pool, OTHER) == {claim.attempt_id}


async def what_has_yet_to_be_told_does_not_go_on(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await suspends(pool, ME, claim)
    await pool.execute("UPDATE heal_claim SET look_at = clock_timestamp()")
    await pool.execute(
        "INSERT INTO heal_outbox (id, failure_id, owner, topic, headers)"
        " SELECT gen_random_uuid(), c.failure_id, 'me', 't', '' FROM heal_claim c"
    )
    assert await goes_on(pool, OTHER) == set()


async def what_a_person_decided_against_waits_for_no_time(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await suspends(pool, ME, claim)
    await pool.execute("UPDATE heal_claim SET revoked = true")
    assert await goes_on(pool, OTHER) == {claim.attempt_id}


async def what_a_pause_holds_back_is_not_asked_for_each_second(pool: Pool) -> None:
    claim = await claimed(pool, ME, revoked=True)
    await suspends(pool, ME, claim, look_again=timedelta(seconds=10), paused=True)
    assert await goes_on(pool, OTHER) == set()


async def two_at_once_go_on_with_each_heal_once(pool: Pool) -> None:
    for _ in range(4):
        await suspends(pool, ME, await claimed(pool, ME))
    await pool.execute("UPDATE heal_claim SET look_at = clock_timestamp()")
    found = await asyncio.gather(goes_on(pool, ME), goes_on(pool, OTHER))
    assert sum(map(len, found)) == 4
    assert not found[0] & found[1]
    assert await pool.fetchval("SELECT max(epoch) FROM heal_claim") == 1


async def a_heal_is_gone_on_with_at_its_longest_suspension_at_the_latest(pool: Pool) -> None:
    claim = await claimed(pool, ME)
    await suspends(pool, ME, claim, look_again=timedelta(hours=50))
    row = await stands(pool, claim)
    assert row["look_at"] - row["suspended_at"] <= timedelta(hours=2, seconds=1)


async def its_time_counts_from_the_first_suspension(pool: Pool) -> None:
    first = datetime.now(UTC) - timedelta(hours=1)
    claim = await claimed(pool, ME, suspended_at=first, suspensions=1)
    await suspends(pool, ME, claim)
    assert (await stands(pool, claim))["suspended_at"] == first


async def what_an_older_release_began_in_between_is_in_doubt(pool: Pool) -> None:
    old = datetime.now(UTC) - timedelta(minutes=10)
    claim = await claimed(
        pool, DEAD, epoch=1, state="{}", state_version=1, state_epoch=0, begun=True,
        claimed_at=old, effect_deadline=old + timedelta(minutes=5),
    )  # fmt: skip
    (taken,) = await leases.take_over(pool, ME, {}, 10, READABLE)
    assert (taken.attempt_id, taken.begun_since) == (claim.attempt_id, True)


async def a_clean_stop_hands_back_what_has_begun_nothing_since_its_state_and_nothing_else(pool: Pool) -> None:
    rests = await claimed(pool, ME, state="{}", state_version=1, begun=True)
    acts = await claimed(pool, ME, state="{}", state_version=1, begun=True, begun_since=True)
    await leases.end_lease(pool, ME, [rests.attempt_id, acts.attempt_id])
    left = {one: (await stands(pool, one))["effect_deadline"] > datetime.now(UTC) for one in (rests, acts)}
    assert left == {rests: False, acts: True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A statement without one of its fences, and the scene that misses it."""

    name: str
    scene: Scene
    old: str
    new: str
    statements: tuple[str, ...]
    module: ModuleType = suspended


_ANY_OWNER: Final = "$2::text IS NOT NULL"
_ANY_EPOCH: Final = "$3::int IS NOT NULL"
_WALKED: Final = ("_ORGANISATIONS", "_GO_ON")
MUTANTS: Final = (
    Mutant(
        name="anybody keeps", scene=who_lost_a_claim_keeps_nothing_on_it,
        old="owner = $2", new=_ANY_OWNER, statements=("_KEEP",),
    ),
    Mutant(
        name="any epoch keeps", scene=who_got_a_claim_back_keeps_nothing_on_it_by_what_they_knew_before,
        old="epoch = $3", new=_ANY_EPOCH, statements=("_KEEP",),
    ),
    Mutant(
        name="anybody suspends", scene=who_lost_a_claim_suspends_it_not,
        old="c.owner = $1 AND", new="$1::text IS NOT NULL AND", statements=("_SUSPEND",),
    ),
    Mutant(
        name="any epoch suspends", scene=a_suspension_that_comes_late_takes_nothing_from_whoever_goes_on,
        old="AND c.epoch = x.epoch", new="", statements=("_SUSPEND",),
    ),
    Mutant(
        name="who goes on keeps the epoch", scene=a_suspension_that_comes_late_takes_nothing_from_whoever_goes_on,
        old="epoch = c.epoch + 1, state_epoch", new="epoch = c.epoch, state_epoch", statements=("_GO_ON",),
    ),
    Mutant(
        name="anybody settles", scene=who_lost_a_claim_settles_it_not,
        old="c.owner = $1 AND", new="$1::text IS NOT NULL AND", statements=("_SETTLE",), module=settle,
    ),
    Mutant(
        name="any epoch settles", scene=what_was_gone_on_with_is_not_settled_by_what_was_known_before,
        old="AND c.epoch = e.epoch", new="", statements=("_SETTLE",), module=settle,
    ),
    Mutant(
        name="anybody begins", scene=who_lost_a_claim_begins_nothing,
        old="owner = $2", new=_ANY_OWNER, statements=("_BEGIN",), module=leases,
    ),
    Mutant(
        name="any epoch begins", scene=who_got_a_claim_back_begins_nothing_by_what_they_knew_before,
        old="epoch = $3", new=_ANY_EPOCH, statements=("_BEGIN",), module=leases,
    ),
    Mutant(
        name="what begins is not held against the state",
        scene=what_begins_after_a_state_is_known_and_what_began_before_it_is_not_held_against_it,
        old="begun_since = begun_since OR NOT revoked", new="begun_since = begun_since", statements=("_BEGIN",),
        module=leases,
    ),
    Mutant(
        name="what began before a state is held against it",
        scene=what_begins_after_a_state_is_known_and_what_began_before_it_is_not_held_against_it,
        old=", begun_since = false", new="", statements=("_KEEP",),
    ),
    Mutant(
        name="a revoked claim is marked", scene=nothing_begins_on_what_a_person_decided_against,
        old="OR NOT revoked", new="OR true", statements=("_BEGIN",), module=leases,
    ),
    Mutant(
        name="it goes on at any time", scene=a_suspended_heal_goes_on_at_its_time_and_not_before,
        old="AND t.look_at <= statement_timestamp()", new="", statements=_WALKED,
    ),
    Mutant(
        name="any release goes on",
        scene=a_state_that_this_release_does_not_read_is_left_to_the_other_for_a_while,
        old="t.look_at < statement_timestamp() - $3 * interval '1 second'", new="$3::float8 > 0", statements=_WALKED,
    ),
    Mutant(
        name="no person ever gets it", scene=a_state_that_this_release_does_not_read_is_left_to_the_other_for_a_while,
        old="t.look_at < statement_timestamp() - $3 * interval '1 second'", new="$3::float8 < 0", statements=_WALKED,
    ),
    Mutant(
        name="it goes on untold", scene=what_has_yet_to_be_told_does_not_go_on,
        old="b.step <= t.step", new="false", statements=_WALKED,
    ),
    Mutant(
        name="a decision waits", scene=what_a_person_decided_against_waits_for_no_time,
        old="t.revoked", new="false", statements=("_HURRY_REVOKED",),
    ),
    Mutant(
        name="a decision asks each second",
        scene=what_a_pause_holds_back_is_not_asked_for_each_second,
        old="+ interval '10 seconds'",
        new="",
        statements=("_HURRY_REVOKED",),
    ),
    Mutant(
        name="nothing ends it", scene=a_heal_is_gone_on_with_at_its_longest_suspension_at_the_latest,
        old="WHEN NOT x.paused", new="WHEN false", statements=("_SUSPEND",),
    ),
    Mutant(
        name="its time begins anew", scene=its_time_counts_from_the_first_suspension,
        old="suspended_at = coalesce(c.suspended_at, clock_timestamp())", new="suspended_at = clock_timestamp()",
        statements=("_SUSPEND",),
    ),
    Mutant(
        name="what an older release began is forgotten", scene=what_an_older_release_began_in_between_is_in_doubt,
        old="c.begun AND c.state_epoch IS DISTINCT FROM c.epoch", new="false", statements=("_TAKE_OVER",),
        module=leases,
    ),
    Mutant(
        name="a stop hands back what acts",
        scene=a_clean_stop_hands_back_what_has_begun_nothing_since_its_state_and_nothing_else,
        old="CASE WHEN state IS NULL THEN begun ELSE begun_since END", new="false", statements=("_HAND_BACK",),
        module=leases,
    ),
    Mutant(
        name="a stop keeps what rests",
        scene=a_clean_stop_hands_back_what_has_begun_nothing_since_its_state_and_nothing_else,
        old="CASE WHEN state IS NULL THEN begun ELSE begun_since END", new="begun", statements=("_HAND_BACK",),
        module=leases,
    ),
)  # fmt: skip


@pytest.mark.parametrize("scene", {one.scene: None for one in MUTANTS} | {two_at_once_go_on_with_each_heal_once: None})
async def test_the_fence_holds(pool: Pool, scene: Scene) -> None:
    await scene(pool)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
async def test_a_fence_that_is_gone_is_missed(pool: Pool, mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in mutant.statements:
        whole = getattr(mutant.module, name)
        assert mutant.old in whole, f"{name} has no such fence any more: {mutant.old}"
        monkeypatch.setattr(mutant.module, name, whole.replace(mutant.old, mutant.new))
    with pytest.raises(AssertionError):
        await mutant.scene(pool)
