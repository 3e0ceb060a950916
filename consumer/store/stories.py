"""Query of the story of one failure: all that is kept of it, what it waits for and since when, what it has cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from consumer.model import FailureId
from consumer.model.agent_diagnosis import AgentDiagnosis
from consumer.store.agent_answers import parse_agent_diagnosis
from consumer.store.approvals import ShownApproval, shown_approval
from consumer.store.attempts import ReportedAttempt, members_attempts, own_attempts
from consumer.store.decisions import KeptDecision, decisions_of
from consumer.store.heal_requests import KeptRequest, requests_of
from consumer.store.pool import Connection
from consumer.store.reports import FailureState, failure_state
from consumer.store.same_run import FurtherEvent, further_events
from consumer.store.shown_heals import HealUnderWay, heal_under_way

_CHARGES = """
SELECT e.attempt_id, -sum(e.amount) AS spent FROM token_usage_events e
 WHERE e.attempt_id = ANY($1::uuid[]) GROUP BY e.attempt_id
"""

_AGENT = """
SELECT jsonb_build_object('asks', d.asks, 'answer', d.answer, 'model', d.model, 'input_tokens', d.input_tokens,
       'output_tokens', d.output_tokens)
  FROM heal_agent_diagnosis d WHERE d.failure_id = $1
"""

_SINCE = """
SELECT to_json(f.paused_at) #>> '{}' AS paused_since,
       coalesce((SELECT to_json(max(h.finished_at)) #>> '{}' FROM workflow_heal_attempts h
                  WHERE h.failure_id = f.id AND h.step IS NOT NULL),
                to_json(f.received_at) #>> '{}') AS last_change
  FROM workflow_failures f WHERE f.id = $1
"""

STORY_ATTEMPTS: Final = 50
"""The newest attempts in a story; `/attempts` has the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureStory:
    """All that is kept of one failure beside its content, as of one transaction; lists have the newest first."""

    state: FailureState
    attempts: Sequence[ReportedAttempt]
    """The healer's own, within a limit."""
    members_attempts: Sequence[ReportedAttempt]
    has_more_attempts: bool
    spent: Mapping[UUID, Decimal]
    """AUD by attempt; what a heal under way holds is part of it."""
    approval: ShownApproval | None
    decisions: Sequence[KeptDecision]
    requests: Sequence[KeptRequest]
    further_events: Sequence[FurtherEvent]
    """Of its run, by others than the one that reported it."""
    under_way: HealUnderWay | None
    paused_since: str | None
    last_change: str
    """When its last attempt ended, or it came in."""
    agent: AgentDiagnosis | None = None
    """What a model says is broken, or that it is being asked; None where none was asked."""


async def story_of(connection: Connection, failure_id: FailureId) -> FailureStory | None:
    """Return the story of a failure; as the service, for one that the user may see."""
    state = await failure_state(connection, failure_id)
    since = await connection.fetchrow(_SINCE, failure_id)
    if state is None or since is None:
        return None
    own = await own_attempts(connection, failure_id, before=None, limit=STORY_ATTEMPTS + 1)
    heal = await heal_under_way(connection, failure_id)
    asked = await connection.fetchval(_AGENT, failure_id)
    wanted = [one.id for one in own] + ([heal.attempt_id] if heal is not None else [])
    return FailureStory(
        state=state,
        attempts=own[:STORY_ATTEMPTS],
        members_attempts=await members_attempts(connection, failure_id),
        has_more_attempts=len(own) > STORY_ATTEMPTS,
        spent={row["attempt_id"]: row["spent"] for row in await connection.fetch(_CHARGES, wanted)},
        approval=await shown_approval(connection, failure_id),
        decisions=await decisions_of(connection, failure_id),
        requests=await requests_of(connection, failure_id),
        further_events=await further_events(connection, failure_id),
        under_way=heal,
        paused_since=since["paused_since"],
        last_change=since["last_change"],
        agent=parse_agent_diagnosis(asked) if asked else None,
    )
