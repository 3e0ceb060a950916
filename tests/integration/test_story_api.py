"""What a person reads before they decide: the feed by filters and pages, and the story of one failure."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4, uuid5

import pytest

from consumer.store.feed import FeedFilter, feed_page
from consumer.store.reports import as_user
from schemas.names import Status, StoryWait
from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving

REASON = "Request timeout after 30 s while the invoice was sent"
PLAN = {"strategy": "auto-retry", "scope": "request:1", "order": {"request": {"url": "https://a.example"}}}
ASKED = """
INSERT INTO heal_approval (failure_id, org_id, state, step, valid_step, strategy, plan_hash, base_hash, plan, why,
                           asked, asks, expires_at, valid_for, approvers, self_approval, fingerprint, denied)
VALUES ($1, $2, 'asked', 1, 1, 'auto-retry', repeat('ab', 32), repeat('ab', 32), $3::jsonb, '["it is about money"]',
        1, 1, now() + interval '1 hour', 60, 1, true, 'f', '{}')
"""


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


async def detected(world: World, name: str, age: timedelta, **columns: Any) -> str:  # noqa: ANN401 - any column
    failure_id = await world.failure(name, **columns)
    await world.pool.execute(
        "UPDATE workflow_failures SET detected_at = $2 WHERE id = $1", failure_id, datetime.now(UTC) - age
    )
    return str(failure_id)


async def story(world: World, failure_id: str) -> Any:  # noqa: ANN401 - an answer
    return await world.get(f"/api/healing/failures/{failure_id}/story")


# --- the feed


async def test_the_feed_has_every_status_newest_first_in_pages_that_lose_and_repeat_nothing(world: World) -> None:
    statuses = ("pending", "deferred", "needs_person", "given_up", "resolved")
    expected = []
    for number in range(10):
        status = statuses[number % 5]
        open_at = {"resolved": status == "resolved"}
        due: dict[str, Any] = {"due_at": None} if status in {"given_up", "resolved"} else {}
        expected.append(await detected(world, f"f{number}", timedelta(minutes=number), status=status, **open_at, **due))
    expected.append(await detected(world, "no time", timedelta(0)))
    await world.pool.execute("UPDATE workflow_failures SET detected_at = NULL WHERE failure_reason = 'no time'")
    expected.insert(0, expected.pop())  # what has no time stands first, as everywhere
    seen: list[str] = []
    cursor = ""
    for _ in range(len(expected)):
        body = await world.get(f"/api/healing/feed?limit=3{cursor}")
        seen += [one["id"] for one in body["failures"]]
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert seen == expected


FILTERS = {
    "status=needs_person": {"person"},
    "status=needs_person&status=given_up": {"person", "over"},
    "failureType=api_timeout": {"slow"},
    "workflowName=refunds": {"money"},
    "since={hour}": {"slow", "person", "over", "money"},
    "before={hour}": {"old"},
    "workflowName=refunds&failureType=api_timeout": set(),
}


async def test_filters_find_what_they_say_and_what_means_nothing_is_refused(world: World) -> None:
    await detected(world, "slow", timedelta(minutes=1), failure_type="api_timeout")
    await detected(world, "person", timedelta(minutes=2), status="needs_person")
    await detected(world, "over", timedelta(minutes=3), status="given_up", due_at=None)
    await detected(world, "money", timedelta(minutes=4), workflow_name="refunds")
    await detected(world, "old", timedelta(hours=2))
    hour = (datetime.now(UTC) - timedelta(hours=1)).isoformat().replace("+", "%2B")
    for query, found in FILTERS.items():
        body = await world.get(f"/api/healing/feed?{query.format(hour=hour)}")
        assert {one["failureReason"] for one in body["failures"]} == found, query
    for query in ("cursor=xx", "status=healed", "since=yesterday", "workflowName=a%00b", "limit=0"):
        answer = error_of(await world.ask("GET", f"/api/healing/feed?{query}"))
        assert answer in {(400, "bad_cursor"), (422, "invalid_request")}, query


async def test_the_counts_say_where_failures_stand(world: World) -> None:
    await detected(world, "a", timedelta(minutes=1))
    await detected(world, "b", timedelta(minutes=1), status="needs_person")
    await detected(world, "c", timedelta(days=3), status="resolved", resolved=True, due_at=None)
    await detected(world, "d", timedelta(hours=3), status="resolved", resolved=True, due_at=None)
    counts = await world.get("/api/healing/feed/counts")
    none = {one.value: 0 for one in Status}
    assert counts["byStatus"] == none | {"pending": 1, "needs_person": 1, "resolved": 2}
    assert (counts["healedInADay"], counts["healing"], counts["more"]) == (1, 0, [])


# --- whose it is


async def test_who_leads_nothing_reads_nothing_of_it(world: World) -> None:
    failure_id = await world.failure()
    for person in OTHERS:
        assert await world.get("/api/healing/feed", person) == {"failures": [], "next": None}
        counts = await world.get("/api/healing/feed/counts", person)
        assert not any(counts["byStatus"].values())
        seen = await world.ask("GET", f"/api/healing/failures/{failure_id}/story", person)
        nothing = await world.ask("GET", f"/api/healing/failures/{uuid4()}/story", person)
        assert error_of(seen) == (404, "not_found")
        assert seen.content == nothing.content


async def test_the_feed_of_a_leader_holds_their_organisations_alone(world: World) -> None:
    other = uuid4()
    await world.pool.execute("INSERT INTO organizations (id) VALUES ($1)", other)
    await world.failure("mine")
    theirs = await world.failure("theirs", other)
    for person in LEADERS:
        body = await world.get("/api/healing/feed", person)
        assert [one["failureReason"] for one in body["failures"]] == ["mine"]
        assert (await world.get(f"/api/healing/feed?orgId={other}", person))["failures"] == []
        assert error_of(await world.ask("GET", f"/api/healing/failures/{theirs}/story", person)) == (404, "not_found")


async def test_a_row_that_a_policy_hides_is_hidden_though_the_service_found_it(world: World) -> None:
    await world.failure("hidden")
    await world.failure("shown")
    await world.pool.execute(
        "CREATE POLICY narrower ON workflow_failures AS RESTRICTIVE FOR SELECT TO authenticated"
        " USING (failure_reason <> 'hidden')"
    )
    body = await world.get("/api/healing/feed")
    assert [one["failureReason"] for one in body["failures"]] == ["shown"]


# --- the story


async def test_a_story_tells_words_diagnosis_plan_attempts_and_cost(world: World) -> None:
    failure_id = await world.failure(
        "s", failure_reason=REASON, failure_type="api_timeout", status="given_up", due_at=None, step=2
    )
    passed = [{"strategy": "schema-autofix", "code": "missing_context", "reason": "no payload", "missing": ["payload"]}]
    evidence = [{"source": "failure_reason", "text": REASON, "rule": "timeout.word", "weight": 6.0, "decided": True}]
    await world.attempt(failure_id, 0, "failed", code="unverified")
    await world.attempt(
        failure_id, 1, "failed", code="not_healed", passed_over=passed, diagnosis=evidence, confidence=0.9
    )
    for phase, amount in (("hold", Decimal("-0.05")), ("settle", Decimal("0.02"))):
        await world.pool.execute(
            "INSERT INTO token_usage_events (org_id, event_type, amount, remaining, attempt_id, phase)"
            " VALUES ($1, 'text_consume', $2, 1, $3, $4)",
            world.org_id, amount, uuid5(failure_id, "attempt:1"), phase,
        )  # fmt: skip
    told = await story(world, str(failure_id))
    assert [one["step"] for one in told["attempts"]] == [1, 0]
    assert [one["spentAud"] for one in told["attempts"]] == ["0.03", None]
    (span,) = told["diagnosis"]["spans"]
    assert REASON[span["start"] : span["end"]] == "timeout"
    assert (told["diagnosis"]["readNow"], told["diagnosis"]["confidence"]) == (False, 0.9)
    assert told["plan"]["passedOver"] == [
        {"rung": "schema-autofix", "code": "missing_context", "reason": "no payload", "missing": ["payload"]}
    ]
    assert told["waits"]["on"] == StoryWait.NOTHING


async def test_before_the_first_attempt_the_diagnosis_is_read_now_and_says_so(world: World) -> None:
    failure_id = await world.failure("s", failure_reason=REASON)
    told = await story(world, str(failure_id))
    assert told["diagnosis"]["readNow"]
    assert {one["rule"] for one in told["diagnosis"]["spans"]} >= {"timeout.word"} or told["diagnosis"]["spans"]
    assert told["waits"]["on"] == StoryWait.SLOT


async def test_a_story_says_what_a_failure_waits_for_and_since_when(world: World) -> None:
    asked = await world.failure("asked", status="awaiting_approval", step=1)
    await world.pool.execute(ASKED, asked, world.org_id, json.dumps(PLAN))
    paused = await world.failure("paused", waits_on=f"pause:{uuid4()}")
    ill = await world.failure("ill", waits_on=f"dependency:{world.org_id}:mail.example")
    later = await world.failure("later", status="deferred")
    person = await world.failure("person", status="needs_person")
    waits = {one: (await story(world, str(one)))["waits"] for one in (asked, paused, ill, later, person)}
    assert [one["on"] for one in waits.values()] == ["approval", "pause", "dependency", "time", "person"]
    assert all(one["since"] for one in waits.values())
    assert waits[ill]["said"] == "mail.example"
    told = await story(world, str(asked))
    assert (told["plan"]["asked"]["planHash"], told["plan"]["strategy"]) == ("ab" * 32, "auto-retry")


async def test_no_secret_and_no_fault_of_a_member_comes_through_a_story(world: World) -> None:
    secret = "sk_live_51Habcdefghijklmnopqrstuv"
    failure_id = await world.failure(
        "odd", failure_reason=f"Bearer {secret} timed out", context='{"a": 1e400, "token": "' + secret + '"}'
    )
    await world.attempt(failure_id, None, secret)
    await world.pool.execute(
        "INSERT INTO workflow_heal_attempts (id, failure_id, strategy, result, step, details)"
        " VALUES ($1, $2, 'auto-retry', 'failed', 0, $3::jsonb)",
        uuid4(), failure_id, json.dumps({"diagnosis": [1, {"rule": 7}], "passed_over": [3, {}], "confidence": "x"}),
    )  # fmt: skip
    told = await story(world, str(failure_id))
    assert secret not in json.dumps(told)
    assert told["plan"]["passedOver"] == [{"rung": "", "code": "", "reason": "", "missing": []}]


async def test_a_page_of_the_feed_reads_a_page_of_the_index_however_much_was_healed(world: World) -> None:
    await world.pool.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, status, resolved, due_at, detected_at)"
        " SELECT $1, 'w', 'done ' || n, CASE WHEN n % 100 = 0 THEN 'given_up' ELSE 'resolved' END, n % 100 <> 0, NULL,"
        "        now() - interval '1 day' + n * interval '1 s'"
        " FROM generate_series(1, 3000) n",
        world.org_id,
    )
    await detected(world, "one", timedelta(days=1), status="needs_person")
    await world.pool.execute("ANALYZE workflow_failures")
    from consumer.store.feed import _FIND  # noqa: PLC0415 - its plan is what this is about

    # In a large table of one organisation the index by time alone looks as good, and reads everything for a status that
    # few are in: 400 ms at 200,000 failures. It would need a sort of what it finds.
    for statuses in (["needs_person"], list(Status)):
        async with as_user(world.served, {"sub": str(world.people["owner"])}, readonly=True) as connection:
            await feed_page(connection, FeedFilter(), None, 50)
            assert await connection.fetchval("SELECT current_setting('enable_incremental_sort')") == "off"
            plan = await connection.fetch(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_FIND}",
                [world.org_id], statuses, None, "w", None, None, None, None, 51,
            )  # fmt: skip
        (whole,) = json.loads(plan[0][0])
        assert "workflow_failures_feed" in json.dumps(whole)
        assert "idx_workflow_failures_detected" not in json.dumps(whole)
        assert whole["Plan"]["Shared Hit Blocks"] + whole["Plan"]["Shared Read Blocks"] < 100
