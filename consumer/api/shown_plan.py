"""JSON form of a plan that a person is asked for. Pure."""

from consumer.api.shown import shown_json
from consumer.redact import redact_text
from consumer.store.approvals import ShownApproval


def shown_plan(found: ShownApproval) -> dict[str, object]:
    """Render a plan that was asked for, and its answers."""
    return {
        "state": found.state,
        "step": found.step,
        "strategy": found.strategy,
        "planHash": found.plan_hash,
        "plan": shown_json(found.plan),
        "why": shown_json(found.why),
        "asked": found.asked,
        "asks": found.asks,
        "approvers": found.approvers,
        "selfApproval": found.self_approval,
        "askedAt": found.asked_at,
        "expiresAt": found.expires_at,
        "answers": [
            {
                "by": one["answered_by"],
                "approves": one["approves"],
                "step": one["step"],
                "planHash": one["changed_hash"] or one["plan_hash"],
                "reason": redact_text(one["reason"]),
                "answeredAt": one["answered_at"],
            }
            for one in found.answers
        ],
    }
