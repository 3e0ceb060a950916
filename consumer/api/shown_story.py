"""JSON forms of the feed and of a failure's story: diagnosis, plan, attempts, decisions, what it waits for. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from consumer.api.shown import shown_alone, shown_attempt, shown_standing
from consumer.api.shown_plan import shown_plan
from consumer.diagnose import diagnose
from consumer.diagnose.spans import evidence_spans
from consumer.model import JsonObject, in_aud
from consumer.model.agent_diagnosis import AgentDiagnosis
from consumer.model.pause import PAUSE_GATE
from consumer.redact import redact_json, redact_text
from consumer.store.attempts import ReportedAttempt
from consumer.store.feed import COUNTED, FeedCounts, FeedLine
from consumer.store.reports import ReportedFailure
from consumer.store.shown_heals import HealUnderWay
from consumer.store.stories import FailureStory
from schemas.names import Code, Status, StoryWait

_DEPENDENCY_GATE: Final = "dependency:"
_OUTBOX: Final = "outbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStory:
    """A failure that the user may see, and what is kept of it."""

    failure: ReportedFailure
    story: FailureStory


def story_size(whole: WholeStory) -> int:
    """Return about how many bytes have to be read to render a story."""
    attempts = (*whole.story.attempts, *whole.story.members_attempts)
    return (
        len(whole.failure.context or "")
        + len(whole.failure.failure_reason)
        + sum(len(a.details or "") for a in attempts)
    )


def shown_story(whole: WholeStory) -> dict[str, object]:
    """Render a story: one object that tells one failure from what was reported to what it waits for now."""
    failure, story = whole.failure, whole.story
    attempts = [_attempt(one, whole) for one in story.attempts]
    shown = shown_alone(failure)
    return {
        "failure": shown | shown_standing(story.state),
        "diagnosis": _diagnosis(shown, attempts, story),
        "plan": _plan(attempts, story),
        "attempts": attempts,
        "moreAttempts": story.has_more_attempts,
        "membersAttempts": [shown_attempt(one, failure.id) for one in story.members_attempts],
        "decisions": [
            {
                "step": one.step,
                "decision": one.decision,
                "by": redact_text(one.decided_by),
                "reason": redact_text(one.reason),
                "decidedAt": one.decided_at,
            }
            for one in story.decisions
        ],
        "requests": [
            {"step": one.step, "by": redact_text(one.requested_by), "requestedAt": one.requested_at}
            for one in story.requests
        ],
        "furtherEvents": [
            {
                "source": redact_text(one.source) if one.source is not None else None,
                "detectedAt": one.detected_at,
                "failureReason": redact_text(one.failure_reason),
                "error": redact_json(json.loads(one.error))[0] if one.error is not None else None,
            }
            for one in story.further_events
        ],
        "heal": _heal(story.under_way) if story.under_way is not None else None,
        "waits": waits_of(story),
    }


def _attempt(attempt: ReportedAttempt, whole: WholeStory) -> dict[str, Any]:
    shown = shown_attempt(attempt, whole.failure.id)
    return shown | {"finishedAt": attempt.finished_at, "spentAud": _aud(whole.story.spent, attempt.id)}


def _aud(spent: Mapping[UUID, Decimal], attempt_id: UUID) -> str | None:
    amount = spent.get(attempt_id)
    return f"{amount.normalize():f}" if amount is not None and amount.is_finite() else None


def _diagnosis(failure: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]], story: FailureStory) -> JsonObject:
    """Render the diagnosis that its last attempt was made by; before the first, what is read in it now."""
    details = attempts[0]["details"] if attempts else None
    kept = details.get("diagnosis") if isinstance(details, dict) else None
    if isinstance(details, dict) and isinstance(kept, list):
        confidence = details.get("confidence")
        evidence = [one for one in kept if isinstance(one, dict)]
    else:
        context = failure["context"] if isinstance(failure["context"], dict) else {}
        said = diagnose(failure["failureReason"], context)
        confidence = said.confidence
        evidence = [
            {
                "source": one.source,
                "text": one.text,
                "rule": one.rule,
                "weight": one.weight,
                "failure_type": one.failure_type,
                "disposition": one.disposition,
                "decided": one.decided,
            }
            for one in said.evidence
        ]
    in_words = [str(one.get("rule")) for one in evidence if one.get("source") == "failure_reason"]
    return {
        "failureType": story.state.failure_type,
        "disposition": story.state.disposition,
        "confidence": confidence if isinstance(confidence, int | float) else None,
        "readNow": not isinstance(kept, list),
        "agent": _agent(story.agent),
        "evidence": [_evidence(one) for one in evidence],
        "spans": [
            {"start": one.start, "end": one.end, "rule": one.rule}
            for one in evidence_spans(failure["failureReason"], in_words)
        ],
    }


def _agent(asked: AgentDiagnosis | None) -> JsonObject | None:
    """Render what a model says is broken, beside the rules: None where none was asked."""
    if asked is None:
        return None
    told: JsonObject = {"model": asked.model, "asks": asked.asks, "tokens": asked.input_tokens + asked.output_tokens}
    answer = asked.answer
    if answer is None:
        return {**told, "answer": None}
    return {
        **told,
        "answer": answer.kind,
        "failureType": answer.failure_type,
        "disposition": answer.disposition,
        "evidence": [{"source": one.source, "text": redact_text(one.text)} for one in answer.spans],
        "reason": redact_text(answer.reason),
    }


def _evidence(one: Mapping[str, Any]) -> JsonObject:
    return {
        "source": str(one.get("source", "")),
        "text": str(one.get("text", "")),
        "rule": str(one.get("rule", "")),
        "weight": one.get("weight") if isinstance(one.get("weight"), int | float) else None,
        "failureType": one.get("failure_type"),
        "disposition": one.get("disposition"),
        "decided": one.get("decided") is not False,
    }


def _plan(attempts: Sequence[Mapping[str, Any]], story: FailureStory) -> dict[str, object]:
    """Render what was planned last: by whom it is healed, and which rungs were passed over, and why."""
    details = attempts[0]["details"] if attempts else {}
    passed = details.get("passed_over") if isinstance(details, dict) else None
    heal, asked = story.under_way, story.approval
    waits = asked is not None and story.state.status is Status.AWAITING_APPROVAL
    strategy = heal.strategy if heal is not None else asked.strategy if asked is not None and waits else None
    return {
        "strategy": strategy or (attempts[0]["strategy"] if attempts else None),
        "passedOver": [
            {
                "rung": str(one.get("strategy", "")),
                "code": str(one.get("code", "")),
                "reason": str(one.get("reason", "")),
                "missing": [str(name) for name in one.get("missing", [])],
            }
            for one in (passed if isinstance(passed, list) else [])
            if isinstance(one, dict)
        ],
        "asked": shown_plan(asked) if asked is not None else None,
    }


def _heal(heal: HealUnderWay) -> dict[str, object]:
    return {
        "strategy": heal.strategy,
        "stands": heal.stands,
        "waitsFor": redact_text(heal.waits_for) if heal.waits_for is not None else None,
        "claimedAt": heal.claimed_at,
        "suspendedSince": heal.suspended_since,
        "suspendedUntil": heal.suspended_until,
        "heldAud": in_aud(heal.held),
        "effect": heal.effect,
        "effectBegun": heal.begun,
        "revoked": heal.revoked,
    }


def waits_of(story: FailureStory) -> dict[str, object]:
    """Say what a failure waits for, since when, and until when where that is known."""
    on, since, until, said = _wait(story)
    return {"on": on, "since": since, "until": until, "said": redact_text(said) if said else None}


_Wait: TypeAlias = tuple[StoryWait, str | None, str | None, str | None]
"""What, since when, until when, and in whose words."""


def _wait(story: FailureStory) -> _Wait:
    asked = story.approval
    match story.state.status:
        case _ if story.under_way is not None and (held := _wait_for_heal(story.state.status, story.under_way)):
            return held
        case Status.RESOLVED | Status.GIVEN_UP:
            return StoryWait.NOTHING, None, None, None
        case Status.AWAITING_APPROVAL:
            return StoryWait.APPROVAL, asked.asked_at if asked else None, asked.expires_at if asked else None, None
        case Status.NEEDS_PERSON:
            return StoryWait.PERSON, story.last_change, None, None
        case Status.PENDING | Status.DEFERRED:
            return _wait_at_gate(story)


def _wait_for_heal(status: Status, heal: HealUnderWay) -> _Wait | None:
    """Return what a claimed failure waits for; None where it is over, and its heal only has yet to end."""
    if heal.stands == "parked":
        return StoryWait.PERSON, heal.claimed_at, None, None
    if status in {Status.RESOLVED, Status.GIVEN_UP}:
        return None
    if heal.stands == "suspended":
        return StoryWait.OTHER_SYSTEM, heal.suspended_since, heal.suspended_until, heal.waits_for
    return StoryWait.HEAL, heal.claimed_at, None, None


def _wait_at_gate(story: FailureStory) -> _Wait:
    state, gate = story.state, story.state.waits_on
    if gate is None:
        if state.status is not Status.DEFERRED:
            return StoryWait.SLOT, story.last_change, state.due_at, None
        unpaid = bool(story.attempts) and f'"{Code.INSUFFICIENT_CREDITS}"' in (story.attempts[0].details or "")
        return StoryWait.CREDITS if unpaid else StoryWait.TIME, story.last_change, state.due_at, None
    if gate.startswith(PAUSE_GATE):
        return StoryWait.PAUSE, story.paused_since or story.last_change, None, None
    if gate.startswith(_DEPENDENCY_GATE):
        return StoryWait.DEPENDENCY, story.last_change, state.due_at, gate.rpartition(":")[2]
    on = StoryWait.PUBLICATION if gate == _OUTBOX else StoryWait.SCOPE
    return on, story.last_change, state.due_at, None


def shown_line(line: FeedLine) -> dict[str, object]:
    """Render one failure of the feed."""
    return {
        "id": str(line.id),
        "orgId": str(line.org_id),
        "workflowName": redact_text(line.workflow_name),
        "failureReason": redact_text(line.failure_reason),
        "status": line.status,
        "healing": line.claimed_by is not None and line.claimed_by not in {"parked", "suspended"},
        "suspended": line.claimed_by == "suspended",
        "failureType": line.failure_type,
        "disposition": line.disposition,
        "attempts": line.attempts,
        "detectedAt": line.detected_at,
        "dueAt": line.due_at,
        "strategy": line.strategy,
        "result": line.result,
        "code": line.code,
    }


def shown_feed_counts(counts: FeedCounts) -> dict[str, object]:
    """Render the counts of the feed; `most` is as far as is counted."""
    return {
        "byStatus": {status.value: min(counts.by_status[status], COUNTED) for status in Status},
        "more": [status for status in Status if counts.by_status[status] > COUNTED],
        "healing": min(counts.healing, COUNTED),
        "healedInADay": min(counts.healed_since, COUNTED),
        "most": COUNTED,
    }
