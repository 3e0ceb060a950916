"""Looks of each round at what concerns the whole fleet: wallets that run low, plans nobody answered, brakes."""

from functools import partial
from typing import Final

import structlog

from consumer.catalog import Catalog
from consumer.flow_control.brake import WorkflowBrake
from consumer.metrics import ApprovalEvent, Metrics
from consumer.model import OwnerId, in_aud
from consumer.model.approval import AnswerResult
from consumer.pipeline.publish import Publisher
from consumer.plan.planner import FleetState
from consumer.results.events import Outlet
from consumer.results.wallet_levels import describe, judge, warning_message
from consumer.store import approvals, plan_answers
from consumer.store.pool import Pool
from consumer.store.wallet_levels import look_at_wallets

log = structlog.get_logger(__name__)

_NOTHING_KNOWN: Final[frozenset[str]] = frozenset()


async def load_fleet_state(pool: Pool, brake: WorkflowBrake, catalog: Catalog) -> FleetState:
    """Load what plans depend on besides their failure: braked workflows, and fingerprints known under an approval."""
    known = await approvals.known_fingerprints(pool) if catalog.asks_for_first else _NOTHING_KNOWN
    return FleetState(braked=await brake.look(catalog), known_fingerprints=known)


async def expire_unanswered_plans(pool: Pool, metrics: Metrics) -> bool:
    """Have plans planned anew that nobody answered in time: silence is never a yes. Returns whether there were any."""
    expired = await approvals.expire_unanswered(pool)
    metrics.approvals[ApprovalEvent.EXPIRED].inc(len(expired))
    if expired:
        log.info("approvals_expired", failures=len(expired))
    return bool(expired)


async def count_answers(pool: Pool, metrics: Metrics) -> None:
    """Count plans that were approved or denied since the last look, by whatever way; each by one consumer."""
    for result, number in (await plan_answers.take_answer_notes(pool)).items():
        metrics.approvals[_ANSWERED[result]].inc(number)


_ANSWERED: Final = {AnswerResult.APPROVED: ApprovalEvent.APPROVED, AnswerResult.DENIED: ApprovalEvent.DENIED}


async def warn_of_low_wallets(pool: Pool, me: OwnerId, publisher: Publisher, outlet: Outlet, metrics: Metrics) -> None:
    """Warn of wallets that run low; failures that wait for one that was filled again are due now."""
    looked = await look_at_wallets(pool, me, judge, describe, partial(warning_message, outlet=outlet))
    publisher.offer(looked.messages)
    for warning in looked.warnings:
        metrics.budget_warnings[warning.kind].inc()
        log.warning("budget_low", org_id=str(warning.org_id), kind=warning.kind, left_aud=in_aud(warning.level.seen))
    if looked.woken:
        log.info("unpaid_failures_woken", failures=looked.woken)
