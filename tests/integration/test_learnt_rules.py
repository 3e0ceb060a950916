"""What the agent's patches teach: offered once they mended often enough, made a rule by a person, and revoked."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consumer.cli.exits import ExitCode
from tests.integration.test_deep_agent import answer, asked, publish, results
from tests.support.pipeline import Site, environment_of, until
from tests.support.shw import Ran, shw
from tests.support.workflows.orders import DEFINITION
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.rewrite_world import MENDED, WORKFLOW, Model, register, registered, rewrite_catalog


@pytest.fixture
def chat(world: World) -> ChatWorld:
    return ChatWorld(world=world, talk=Model())


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, chat: ChatWorld) -> Site:
    catalog_file.write_text(rewrite_catalog(chat))
    return embedded_place


async def shw_at(place: Site, *arguments: str) -> Ran:
    return await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))


async def listed(place: Site, *arguments: str) -> list[dict[str, Any]]:
    ran = await shw_at(place, "rules", "list", "--json", *arguments)
    assert ran.code == ExitCode.OK
    return [json.loads(line) for line in ran.out.splitlines()]


async def mended(place: Site, org: UUID) -> None:
    """Store that the patch of the one failure was approved and has mended two more, of which one came again."""
    await place.db.execute("UPDATE heal_rewrite SET approved_at = clock_timestamp()")
    await place.db.execute("UPDATE workflow_failures SET status = 'resolved', resolved = true")
    await place.db.execute(
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, status, resolved, due_at)"
        " SELECT x.id, f.org_id, f.workflow_name, f.failure_reason, f.context, x.status, x.status = 'resolved', NULL"
        " FROM workflow_failures f, (VALUES ('00000000-0000-4000-8000-000000000001'::uuid, 'resolved'),"
        " ('00000000-0000-4000-8000-000000000002', 'resolved'), ('00000000-0000-4000-8000-000000000003', 'given_up'))"
        " AS x (id, status) WHERE f.org_id = $1",
        org,
    )
    await place.db.execute(
        "INSERT INTO heal_rewrite SELECT gen_random_uuid(), f.id, r.org_id, r.workflow_name, r.fingerprint,"
        " r.base_digest, r.digest, r.told_digest, r.patch, r.hypothesis, r.risk, r.objections, r.prompts, r.good_runs,"
        " r.proposed_at, r.approved_at FROM heal_rewrite r, workflow_failures f WHERE f.id <> r.failure_id"
    )


async def test_what_mended_often_enough_becomes_a_rule_by_a_persons_word_and_no_model_is_asked(
    place: Site, chat: ChatWorld
) -> None:
    org = await place.organisation("1")
    await register(place.db, org)
    async with place.consumer() as running:
        await publish(place, org)
        first = await asked(place)
        assert running.metric("shw_rewrites_asked_total", by="agent") == 1
        await mended(place, org)

        [offered] = await listed(place)
        assert (offered["state"], offered["verified"], offered["patch"]) == ("offered", 3, MENDED)
        assert await listed(place, "--verified", "4") == [], "what was given up has verified nothing"
        await place.db.execute(
            "INSERT INTO heal_relapse (failure_id, org_id, strategy, of_failure, of_attempt, healed_at) VALUES"
            " (gen_random_uuid(), $1, 'auto-retry', '00000000-0000-4000-8000-000000000001', gen_random_uuid(), now())",
            org,
        )
        assert await listed(place) == [], "what came again has verified nothing"
        assert (await shw_at(place, "rules", "accept", offered["id"], "--reason", "it holds")).code == ExitCode.NO

        tested = await shw_at(place, "rules", "test", offered["id"])
        assert tested.code == ExitCode.OK, tested
        assert all(json.loads(line)["proven"] for line in tested.out.splitlines())
        accepted = await shw_at(
            place, "rules", "accept", offered["id"], "--reason", "it holds", "--by", "ann", "--verified", "2"
        )
        assert accepted.code == ExitCode.OK, accepted
        [rule] = await listed(place)
        assert (rule["state"], rule["by"], rule["reason"]) == ("in force", "ann", "it holds")

        calls = len(chat.asked)
        await publish(place, org, n=2)

        async def another() -> bool:
            return (await asked(place)).failure_id != first.failure_id

        await until(another)
        said = await asked(place)
        assert said.approval is not None
        assert said.approval.plan["edits"]["patch"] == MENDED
        assert said.approval.plan["edits"]["rule"] == offered["id"]
        assert len(chat.asked) == calls, "a rule needs no model"
        assert running.metric("shw_rewrites_asked_total", by="rule") == 1
        assert [told["credits"]["spent"] for told in await results(place)][-1] == "0"
        await answer(place, said)
        await until(lambda: handed_over(place))

        # A definition on which the patch does not hold.
        await register(place.db, org, registered() | {"definition": DEFINITION | {"steps": DEFINITION["steps"][:2]}})
        assert (await shw_at(place, "rules", "test", offered["id"])).code == ExitCode.NO

        revoked = await shw_at(place, "rules", "revoke", offered["id"], "--reason", "no more", "--by", "bob")
        assert revoked.code == ExitCode.OK
        [rule] = await listed(place)
        assert (rule["state"], rule["revoked_by"]) == ("revoked", "bob")
        await register(place.db, org)
        await publish(place, org, n=3)
        await until(lambda: called(chat, calls))
    assert (await shw_at(place, "rules", "revoke", offered["id"], "--reason", "no")).code == ExitCode.NO
    assert (await shw_at(place, "rules", "show", str(UUID(int=1)))).code == ExitCode.NO


async def called(chat: ChatWorld, before: int) -> bool:
    return len(chat.asked) > before


async def handed_over(place: Site) -> bool:
    told = [one for one in await results(place) if one["code"] == "needs_person"]
    return any(one["details"].get("patch") == MENDED for one in told)


async def test_a_rule_is_of_its_organisation_alone_and_one_that_does_not_hold_leaves_it_to_the_agent(
    place: Site, chat: ChatWorld
) -> None:
    mine, other = await place.organisation("1"), await place.organisation("1")
    for org in (mine, other):
        await register(place.db, org)
    async with place.consumer():
        await publish(place, mine)
        await asked(place)
        removes = json.dumps([{"op": "remove", "path": "/steps/2/assertion"}])
        await place.db.execute(
            "INSERT INTO heal_rewrite_rule (id, org_id, workflow_name, fingerprint, patch, hypothesis, risk, verified,"
            " accepted_by, reason) SELECT gen_random_uuid(), r.org_id, r.workflow_name, r.fingerprint, $1::jsonb, 'h',"
            " 'low', 3, 'ann', 'it holds' FROM heal_rewrite r",
            removes,
        )
        for n, org in ((2, mine), (3, other)):
            before = len(chat.asked)
            await publish(place, org, n=n)
            await until(lambda before=before: called(chat, before))  # type: ignore[misc]

        async def all_asked() -> list[dict[str, Any]]:
            found = [told for told in await results(place) if told["code"] == "awaiting_approval"]
            return found if len(found) == 3 else []

        told = await until(all_asked)
    ruled = [one["details"]["patches"][0] for one in told if "rule" in one["details"]["patches"][0]]
    assert len(ruled) == 1, "another organisation's rule is not looked at"
    assert ruled[0]["findings"]
    assert await place.count(f"heal_rewrite WHERE workflow_name = '{WORKFLOW}' AND patch = '{json.dumps(MENDED)}'") == 3
