"""What has to be true in the end, whatever happened in between: input, rows and output compared."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE, FailureStatus, HealResult
from tests.support.pipeline import Database, Site
from tests.support.worlds.http_world import Span, World

MEASURED = 0.1
"""Seconds that a busy target may take to notice that a client has hung up; what it does takes longer."""
LATE = 0.5
"""Seconds from a process's last look at its deadline until its request is read by a busy target."""

_OPEN = """
SELECT 'failure ' || f.workflow_name || ': ' || f.status || ' at step ' || f.step || ', due in '
       || coalesce(f.due_at - clock_timestamp(), interval '0') || coalesce(', waits on ' || f.waits_on, '')
  FROM workflow_failures f
 WHERE f.status IN ('pending', 'deferred')
   AND (f.due_at < clock_timestamp() + interval '5 minutes' OR f.waits_on = 'outbox')
   AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.owner = 'parked' AND c.scope = f.waits_on)
UNION ALL SELECT 'claim ' || scope || ' of ' || owner FROM heal_claim WHERE owner <> 'parked'
UNION ALL SELECT 'change at step ' || step || ' to be told' FROM heal_status_change
UNION ALL SELECT 'message of step ' || step || ' for ' || topic || ' of ' || owner FROM heal_outbox
UNION ALL SELECT 'blocked: ' || a.query || ' -- by '
       || coalesce(b.state || ' for ' || (clock_timestamp() - b.state_change) || ', waits for '
                   || coalesce(b.wait_event, '?') || ', after: ' || b.query, 'nobody now')
  FROM pg_stat_activity a LEFT JOIN pg_stat_activity b ON b.pid = ANY (pg_blocking_pids(a.pid))
 WHERE a.datname = current_database() AND a.wait_event_type = 'Lock'
UNION ALL SELECT 'only ' || count(*) || ' failures' FROM workflow_failures HAVING count(*) <> $1::bigint
"""

OF_A_FAILURE = {HEAL_RESULT_TYPE, FAILURE_STATUS_TYPE}
"""Events that are told in the order of a failure's steps."""
TOLD = {"deferred", "awaiting_approval", "needs_person", "given_up"}


async def every_event_has_one_row(place: Site, names: Iterable[str]) -> None:
    """Lost 0, and nothing twice."""
    rows = await place.db.fetch("SELECT workflow_name FROM workflow_failures ORDER BY 1")
    assert [row["workflow_name"] for row in rows] == sorted(names)


async def everything_that_ended_was_told(place: Site) -> list[dict[str, Any]]:
    """G5: every attempt and every status is published, under one id and content each, first in order; gives them."""
    told = await place.results()
    bodies: dict[str, set[str]] = defaultdict(set)
    order: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in told:
        if one["id"] not in bodies and one["type"] in OF_A_FAILURE:
            order[one["subject"]].append(_position(one))
        bodies[one["id"]].add(str(one))
    assert {name: len(forms) for name, forms in bodies.items()} == dict.fromkeys(bodies, 1), "one id, two contents"
    wrong = {name: steps for name, steps in order.items() if steps != sorted(steps)}
    assert wrong == {}, f"published out of order: {wrong}"
    attempts = await place.db.fetch("SELECT id FROM workflow_heal_attempts WHERE step IS NOT NULL")
    published = {one["id"] for one in told if one["type"] == HEAL_RESULT_TYPE}
    assert published == {str(row["id"]) for row in attempts}
    rows = await place.db.fetch("SELECT id, status, step FROM workflow_failures")
    wanted = {(str(row["id"]), row["step"]) for row in rows if row["status"] in TOLD}
    statuses = [one["data"] for one in told if one["type"] == FAILURE_STATUS_TYPE]
    assert wanted <= {(one["failure_id"], one["step"]) for one in statuses}
    assert await place.count("heal_outbox") == await place.count("heal_status_change") == 0
    return told


def _position(one: Mapping[str, Any]) -> tuple[int, int]:
    """The step that an event ends, and the attempt before the status that follows from it."""
    if one["type"] == HEAL_RESULT_TYPE:
        return HealResult.model_validate(one["data"]).step, 0
    return FailureStatus.model_validate(one["data"]).step - 1, 1


async def one_attempt_per_step(place: Site, decided: Collection[str] = ()) -> None:
    """G2: no step of a failure was made twice, and the steps are whole where no person has `decided` by its name."""
    rows = await place.db.fetch(
        "SELECT f.workflow_name, f.step, array_agg(a.step ORDER BY a.step) AS made FROM workflow_failures f"
        " JOIN workflow_heal_attempts a ON a.failure_id = f.id WHERE a.step IS NOT NULL GROUP BY f.id, f.step"
    )
    assert [row["made"] for row in rows] == [sorted(set(row["made"])) for row in rows]
    whole = [row for row in rows if row["workflow_name"] not in decided]
    assert [row["made"] for row in whole] == [list(range(row["step"])) for row in whole]


async def credits_add_up(place: Site, budgets: Mapping[UUID, str]) -> None:
    """G6: the ledger's sum is the wallet's change, nothing is held for nobody, every hold was settled once."""
    await ledger_adds_up(place.db, budgets)


async def ledger_adds_up(db: Database, budgets: Mapping[UUID, str]) -> None:
    """The same of a database without a place."""
    for org_id, budget in budgets.items():
        left = await db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org_id)
        changed = await db.fetchval("SELECT coalesce(sum(amount), 0) FROM token_usage_events WHERE org_id = $1", org_id)
        lowest = await db.fetchval("SELECT min(remaining) FROM token_usage_events WHERE org_id = $1", org_id)
        assert left - Decimal(budget) == changed
        assert lowest is None or lowest >= 0
    unpaired = await db.fetch(
        "SELECT attempt_id FROM token_usage_events WHERE attempt_id IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.attempt_id = token_usage_events.attempt_id)"
        " GROUP BY attempt_id HAVING array_agg(phase ORDER BY phase) <> ARRAY['hold', 'settle']"
    )
    assert unpaired == []
    held = await db.fetchval("SELECT coalesce(sum(held), 0)::bigint FROM heal_claim")
    open_holds = await db.fetchval(
        "SELECT coalesce(-sum(amount), 0) FROM token_usage_events e WHERE phase = 'hold' AND NOT EXISTS"
        " (SELECT FROM token_usage_events s WHERE s.attempt_id = e.attempt_id AND s.phase = 'settle')"
    )
    assert open_holds * 1_000_000 == held


@dataclass(frozen=True, slots=True)
class Rest:
    """True when nothing is left to be done; else it shows what is."""

    left: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.left


async def at_rest(place: Site, failures: int) -> Rest:
    """Whether so many failures stand, and each has ended, waits for a person, or for the scope that a person holds."""
    return await is_quiet(place.db, failures)


async def is_quiet(db: Database, failures: int | None = None) -> Rest:
    """The same of a database without a place, and of however many failures."""
    return Rest(tuple(row[0] for row in await db.fetch(_OPEN, failures)))


async def every_failure_ended_or_is_due(place: Site) -> None:
    """Nothing is forgotten: what is open has a time, and no live claim stands for a failure that has ended."""
    assert await place.count("workflow_failures WHERE (status IN ('resolved', 'given_up')) <> (due_at IS NULL)") == 0
    dead = "heal_claim c JOIN workflow_failures f ON f.id = c.failure_id WHERE f.status IN ('resolved', 'given_up')"
    assert await place.count(f"{dead} AND c.owner <> 'parked'") == 0


def no_effect_was_wrong(world: World, unsafe: tuple[str, ...]) -> None:
    """G3 and G4, as the target saw it; `unsafe` begins the paths whose calls have no key and may not be repeated."""
    spans = [span for span in world.spans if "x-attempt" in span.seen.headers]
    assert len(spans) == len(world.spans), "a call that no claim made"
    unkeyed: dict[str, list[str]] = defaultdict(list)
    keys: dict[str, set[str]] = defaultdict(set)
    scopes: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda one: one.begin):
        scopes[span.seen.path].append(span)
        if span.seen.path.startswith(unsafe):
            unkeyed[span.seen.headers["x-failure"]].append(_shown(span))
        elif span.seen.method != "GET":
            keys[span.seen.path].add(span.seen.key)
    wrong = {
        "an effect began after its claim's deadline": [_shown(s) for s in spans if s.begin > _deadline(s) + LATE],
        "an un-keyed effect was repeated": [calls for calls in unkeyed.values() if len(calls) > 1],
        "a keyed effect changed its key": [path for path, used in keys.items() if used != {f"key-{path}"}],
        "two live claims on one scope": [pair for held in scopes.values() for pair in _overlaps(held)],
    }
    seen = {what: which for what, which in wrong.items() if which}
    assert seen == {}, seen


def _overlaps(spans: list[Span]) -> list[tuple[str, str]]:
    return [
        (_shown(one), _shown(other))
        for n, one in enumerate(spans)
        for other in spans[n + 1 :]
        if _claim(one) != _claim(other) and other.begin + MEASURED < min(one.end, _deadline(one))
    ]


def _claim(span: Span) -> tuple[str, str]:
    return span.seen.headers["x-attempt"], span.seen.headers["x-process"]


def _deadline(span: Span) -> float:
    return float(span.seen.headers["x-deadline"])


def _shown(span: Span) -> str:
    told = span.seen.headers
    return (
        f"{span.seen.method} {span.seen.path} at {span.begin:.3f}..{span.end:.3f}, deadline {_deadline(span):.3f},"
        f" attempt {told['x-attempt']} of process {told['x-process']}"
    )
