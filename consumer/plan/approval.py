"""Approvals of plans: whether a plan needs one, whether it has one, and what is asked for where it has none. Pure.

A plan is told whole, and its hash is the digest of what is told: strategy, scope, order, hosts, the payload's digest,
the price ceiling, and the digests of the catalog's entry and its engine. The catalog's version is no part of it: a
catalog that changes elsewhere asks nobody again.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from consumer.catalog import ApprovalRules, Catalog, WorkflowPolicy, micro_aud
from consumer.diagnose.fingerprint import fingerprint
from consumer.model import Ask, Diagnosis, Failure, Heal, JsonObject, in_aud
from consumer.model.approval import Approval, ApprovalState, PlanRequest
from consumer.model.digest import digest
from consumer.redact import redact_json
from schemas.names import Budget, FailureType
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A plan that was asked for as often as the catalog allows, without an answer."""

    reason: str
    denied: Approval | None
    """What stands of its failure where the catalog takes silence for a no; None where the failure is held."""


_ORDER_PARTS: Final = ("request", "run", "resume", "payload", "schema", "asset", "dependency", "workflow", "action")
"""The parts of the context from which an order is made."""


def describe_plan(plan: Heal, failure: Failure, policy: WorkflowPolicy, catalog: Catalog) -> JsonObject:
    """Return the whole of a plan, as it is asked for: redacted like all that is shown, and with a digest of it."""
    context = failure.context
    order: JsonObject = {name: context[name] for name in _ORDER_PARTS if name in context}
    request = context.get("request")
    payload = context["payload"] if "payload" in context else request.get("body") if isinstance(request, dict) else None
    runner = catalog.runners.get(policy.runner) if policy.runner is not None else None
    shown, hidden = redact_json(order)
    return {
        "strategy": plan.strategy,
        **({"action": plan.action.action} if plan.action is not None else {}),
        "workflow_name": failure.workflow_name,
        "scope": plan.intent.scope,
        "effect": plan.intent.effect,
        "idempotency_key": plan.intent.idempotency_key,
        "order": shown,
        # Named where something is hidden: plans that were asked for before keep their hash.
        **({"order_digest": digest(order)} if hidden else {}),
        "payload_digest": digest(payload),
        "hosts": [*sorted({host.host for host in policy.hosts})],
        "dependencies": [*sorted(filter(None, (plan.intent.dependency, *plan.intent.others)))],
        "price_ceiling_aud": in_aud(plan.hold),
        # Named where it is another one than ever, for the same reason.
        **({"budget": plan.intent.pays_from} if plan.intent.pays_from is not Budget.TEXT else {}),
        "policy": {"entry": policy.name, "digest": policy.digest},
        "runner": {"name": policy.runner, "digest": digest(runner.model_dump(mode="json"))} if runner else None,
    }


def hash_plan(described: JsonObject) -> str:
    """Return the hash of a plan: the SHA-256 of its JSON with sorted members and without spaces, in hex."""
    return digest(described)


def with_edits(described: JsonObject, edits: JsonObject) -> JsonObject:
    """Return a plan with the exact edits of a payload, which are known only once it is repaired."""
    return {**described, "edits": edits}


def with_changes(failure: Failure, changes: JsonObject) -> Failure:
    """Return a failure under new parts of its context, as a person gave them."""
    return replace(failure, context={**failure.context, **changes})


def as_approved(failure: Failure, now: datetime) -> Failure:
    """Return a failure as its approved heal sees it: under the changes with which it was approved."""
    approval = failure.approval
    if approval is None or approval.changes is None or not approval.permits(failure.step, now):
        return failure
    return with_changes(failure, approval.changes)


def times_asked(failure: Failure, strategy: str) -> int:
    """Return the number of the next time that a strategy's plan is asked for, from 1.

    It begins anew after a heal that was approved, and for each strategy.
    """
    before = failure.approval
    if before is None or before.strategy != strategy or before.state is ApprovalState.DENIED:
        return 1
    if before.state is ApprovalState.APPROVED and before.step < failure.step:
        return 1
    return before.asked + 1


def fingerprint_key(failure: Failure, strategy: str) -> str:
    """Return the key under which a proven heal makes later ones of its kind known."""
    return f"{failure.org_id}:{strategy}:{fingerprint(failure, strategy)}"


def marks_of(
    plan: Heal, failure: Failure, diagnosis: Diagnosis, rules: ApprovalRules, known: frozenset[str]
) -> tuple[str, ...]:
    """Return what a plan is marked for, in words; nothing where it needs no approval before its heal begins."""
    if not rules.marks_plans:
        return ()
    why = []
    if marked := {plan.strategy, plan.rung}.intersection(rules.strategies):
        why.append(f"every plan of {min(marked)} is asked for")
    if rules.above_aud is not None and plan.hold > micro_aud(rules.above_aud):
        why.append(f"it may cost {in_aud(plan.hold)} AUD, above {rules.above_aud}")
    if rules.money and diagnosis.failure_type is FailureType.BILLING_SYNC_ISSUE:
        why.append("it is about money")
    if rules.first and fingerprint_key(failure, plan.rung) not in known:
        why.append("no heal of this fingerprint has been proven under an approval yet")
    return tuple(why)


def under_approval(
    plan: Heal,
    failure: Failure,
    diagnosis: Diagnosis,
    policy: WorkflowPolicy,
    catalog: Catalog,
    known: frozenset[str],
    now: datetime,
) -> Heal | Ask | Unanswered:
    """Return a plan as it may be carried out, or as it is asked for; `known` are fingerprints with a proven heal.

    An approval permits the plan with its hash alone: another one, which has overtaken it, is asked for again.
    """
    rules, approval = policy.approval, failure.approval
    why = marks_of(plan, failure, diagnosis, rules, known) if rules is not None else ()
    permitted = approval is not None and approval.permits(failure.step, now)
    if rules is None or not (why or permitted):
        return plan
    described = describe_plan(plan, failure, policy, catalog)
    if approval is not None and permitted and approval.base_hash == hash_plan(described):
        return replace(plan, approval=approval)
    return _ask(plan, described, failure, rules, why) if why else plan


def _ask(
    plan: Heal, described: JsonObject, failure: Failure, rules: ApprovalRules, why: tuple[str, ...]
) -> Ask | Unanswered:
    request, approval = request_for(described, plan, failure, rules, why), failure.approval
    if request is not None:
        return Ask(heal=plan, request=request)
    if approval is None or rules.on_expiry == "hold":
        return Unanswered(reason=silence_reason(rules), denied=None)
    denied = {**approval.denied, plan.rung: silence_reason(rules)}
    return Unanswered(reason=silence_reason(rules), denied=replace(approval, denied=denied))


def silence_reason(rules: ApprovalRules) -> str:
    """Return what an unanswered plan comes to, after it was asked for as often as the catalog allows."""
    asked = f"its plan was asked for {rules.asks} times, and nobody answered within {rules.valid_for}"
    return asked if rules.on_expiry == "deny" else f"{asked}: ask for a heal to have it planned and asked for again"


def request_for(
    described: JsonObject,
    plan: Heal,
    failure: Failure,
    rules: ApprovalRules,
    why: tuple[str, ...],
    *,
    edits: JsonObject | None = None,
) -> PlanRequest | None:
    """Return what is asked for; None where it was asked for as often as the catalog allows."""
    asked = times_asked(failure, plan.rung)
    if asked > rules.asks:
        return None
    whole = described if edits is None else with_edits(described, edits)
    return PlanRequest(
        strategy=plan.strategy,
        rung=plan.rung,
        plan=whole,
        plan_hash=hash_plan(whole),
        base_hash=hash_plan(described),
        edits=digest(edits) if edits is not None else None,
        why=why,
        asked=asked,
        asks=rules.asks,
        valid_for=rules.valid_for,
        approvers=rules.approvers,
        self_approval=rules.self_approval,
        fingerprint=fingerprint_key(failure, plan.rung) if rules.first else None,
        denied=failure.approval.denied if failure.approval is not None else {},
    )
