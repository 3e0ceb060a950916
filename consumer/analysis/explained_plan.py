"""A plan and its ladder as JSON that a person reads: what would be done, and why each other rung may not act. Pure."""

from typing import assert_never

from consumer.model import Adopt, Ask, Heal, JsonObject, PassedOver, Plan, Refuse, RungName, Wait, in_aud


def rung_as_json(rung: RungName, passed_over: PassedOver | None) -> JsonObject:
    """Return a rung of a ladder with whether it may act, and what it lacks where it may not."""
    if passed_over is None:
        return {"strategy": str(rung), "may_act": True}
    return {
        "strategy": str(rung),
        "may_act": False,
        "code": passed_over.code.value,
        "reason": passed_over.reason,
        "missing_fields": list(passed_over.missing),
    }


def plan_as_json(plan: Plan) -> JsonObject:
    """Return a plan: `decision` is what would be done, and beside it stands what that decision is made of."""
    match plan:
        case Heal():
            return {
                "decision": "heal",
                "scope": plan.intent.scope,
                "effect": plan.intent.effect.value,
                "dependency": plan.intent.dependency,
                "reads_back": plan.intent.reads_back,
                "idempotency_key": plan.intent.idempotency_key,
                "window_seconds": plan.intent.window.total_seconds(),
                "credits_held_aud": in_aud(plan.hold),
                "catalog_version": plan.catalog_version,
            }
        case Refuse():
            return {
                "decision": "refuse",
                "code": plan.code.value,
                "reason": plan.reason,
                "catalog_version": plan.catalog_version,
            }
        case Ask(heal=planned, request=request):
            asked: JsonObject = {"decision": "ask", "plan_hash": request.plan_hash, "why": list(request.why)}
            return {**plan_as_json(planned), **asked}
        case Wait():
            return {"decision": "wait", "reason": plan.reason, "catalog_version": plan.catalog_version}
        case Adopt():
            return {"decision": "adopt", "attempt": str(plan.attempt_id), "catalog_version": plan.catalog_version}
        case _:
            assert_never(plan)
