"""The default ladder: which strategies answer a diagnosis, in which order, and which diagnoses none may. Pure."""

from collections.abc import Mapping
from typing import Final

from consumer.model import Diagnosis, JsonObject
from schemas.names import Disposition, FailureType, StrategyName

LADDER: Final[Mapping[FailureType, StrategyName]] = {
    FailureType.API_TIMEOUT: StrategyName.AUTO_RETRY,
    FailureType.INVALID_SCHEMA: StrategyName.SCHEMA_AUTOFIX,
    FailureType.WORKFLOW_STALL: StrategyName.ROUTE_REPAIR,
    FailureType.MISSING_IMAGE: StrategyName.AUTO_REGENERATE,
    FailureType.VOICE_GENERATION_ERROR: StrategyName.AUTO_REGENERATE,
    FailureType.BILLING_SYNC_ISSUE: StrategyName.DEPENDENCY_REPLACEMENT,
    FailureType.CONCIERGE_ACTION_FAILURE: StrategyName.AUTO_RETRY,
    FailureType.UNKNOWN: StrategyName.WORKFLOW_REWRITE,
}
"""The seed's choice of a strategy for each failure type."""
NEXT: Final[Mapping[FailureType, tuple[StrategyName, ...]]] = {
    FailureType.API_TIMEOUT: (StrategyName.AUTO_RETRY, StrategyName.DEPENDENCY_REPLACEMENT),
    FailureType.INVALID_SCHEMA: (StrategyName.SCHEMA_AUTOFIX, StrategyName.AUTO_RETRY, StrategyName.AUTO_REGENERATE),
    FailureType.WORKFLOW_STALL: (StrategyName.AUTO_RETRY, StrategyName.ROUTE_REPAIR),
    FailureType.MISSING_IMAGE: (
        StrategyName.AUTO_RETRY,
        StrategyName.AUTO_REGENERATE,
        StrategyName.DEPENDENCY_REPLACEMENT,
    ),
    FailureType.VOICE_GENERATION_ERROR: (
        StrategyName.AUTO_RETRY,
        StrategyName.AUTO_REGENERATE,
        StrategyName.DEPENDENCY_REPLACEMENT,
    ),
    FailureType.BILLING_SYNC_ISSUE: (StrategyName.AUTO_RETRY, StrategyName.DEPENDENCY_REPLACEMENT),
    FailureType.CONCIERGE_ACTION_FAILURE: (StrategyName.AUTO_RETRY, StrategyName.SCHEMA_AUTOFIX),
    FailureType.UNKNOWN: (StrategyName.AUTO_RETRY, StrategyName.SCHEMA_AUTOFIX, StrategyName.ROUTE_REPAIR),
}
"""Further strategies that may help, the cheap and certain first; the rewrite comes after all of them."""

RETRIES: Final = frozenset({Disposition.RETRY_NOW, Disposition.RETRY_AFTER, Disposition.RETRY_IF_IDEMPOTENT})
WORKS_ON: Final[Mapping[StrategyName, str]] = {
    StrategyName.AUTO_RETRY: "request",
    StrategyName.AUTO_REGENERATE: "asset",
    StrategyName.SCHEMA_AUTOFIX: "payload",
    StrategyName.ROUTE_REPAIR: "run",
    StrategyName.DEPENDENCY_REPLACEMENT: "dependency",
    StrategyName.WORKFLOW_REWRITE: "workflow",
}
"""The part of the context that a strategy works on, and without which it cannot act."""

NOBODY: Final[Mapping[Disposition, str]] = {
    Disposition.NEEDS_CREDENTIAL: "it was refused for its credential: renew that, then ask for a heal",
    Disposition.NEEDS_MONEY: "a balance or a quota is used up: top it up, then ask for a heal",
    Disposition.NEEDS_PERSON: "a person has to act or to decide first; then ask for a heal, or resolve it",
    Disposition.NEVER: "trying again can only do harm: resolve it, or give it up",
}
"""Dispositions that no strategy may answer, each with what a person can do about it."""


def strategy_for(diagnosis: Diagnosis, context: JsonObject) -> StrategyName:
    """Choose a strategy by failure type, disposition, and the parts of the context to work on.

    Where a plain retry is allowed, the failed call is the cheapest thing to repeat; a truncated answer is generated
    again and not repaired; and the rewrite is for failures that nothing explains.
    """
    kind, own = diagnosis.failure_type, LADDER[diagnosis.failure_type]
    if diagnosis.disposition in RETRIES:
        if kind is FailureType.UNKNOWN:
            return StrategyName.AUTO_RETRY
        if kind is FailureType.INVALID_SCHEMA:
            own = StrategyName.AUTO_REGENERATE
        has_own = WORKS_ON[own] in context
        return StrategyName.AUTO_RETRY if "request" in context and not has_own else own
    if diagnosis.disposition is Disposition.NEEDS_REPAIR and "payload" in context:
        mends_payload = kind in {FailureType.CONCIERGE_ACTION_FAILURE, FailureType.UNKNOWN, FailureType.API_TIMEOUT}
        return StrategyName.SCHEMA_AUTOFIX if mends_payload else own
    if kind is FailureType.UNKNOWN and nobody_may(diagnosis, context) is not None:
        return StrategyName.AUTO_RETRY  # it is explained: once a person has acted, the same thing is done again
    return own


def ladder(diagnosis: Diagnosis, context: JsonObject) -> tuple[StrategyName, ...]:
    """Return the healer's own ladder: the diagnosis's strategy, then those that the context has something for.

    The rewrite is the last rung, also where nothing explains the failure: what is cheap and certain goes before it.
    """
    chosen = strategy_for(diagnosis, context)
    # A call that may be repeated needs no repair, and one that needs repair would fail again.
    may_repeat = diagnosis.disposition in RETRIES
    ruled_out = StrategyName.SCHEMA_AUTOFIX if may_repeat else StrategyName.AUTO_RETRY
    others = (
        one
        for one in NEXT[diagnosis.failure_type]
        if one is not chosen and WORKS_ON[one] in context and one is not ruled_out
    )
    if chosen is StrategyName.WORKFLOW_REWRITE:
        return (*others, chosen)
    return (chosen, *others, StrategyName.WORKFLOW_REWRITE)


def nobody_may(diagnosis: Diagnosis, context: JsonObject) -> str | None:
    """Return why no strategy may act; None when one may. A diagnosis without evidence rules nothing out.

    An asset that is known to be missing, and of which nothing else is told, may be made again: within its budget.
    """
    why = NOBODY.get(diagnosis.disposition)
    if why is None or not diagnosis.evidence:
        return None
    said = next((one for one in diagnosis.evidence if one.disposition is diagnosis.disposition), None)
    if said is None and diagnosis.disposition is Disposition.NEEDS_PERSON and _makes_again(diagnosis, context):
        return None
    return f"{diagnosis.disposition}: {why}" + (f" (`{said.text}`)" if said is not None and said.text else "")


def _makes_again(diagnosis: Diagnosis, context: JsonObject) -> bool:
    return LADDER[diagnosis.failure_type] is StrategyName.AUTO_REGENERATE and "asset" in context
