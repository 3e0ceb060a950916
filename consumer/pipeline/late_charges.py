"""Late charges: what a heal cost in this process, whose claim another process has ended or goes on with.

A process that stood still for longer than its lease has lost its claims: what their heals have cost it alone knows.
"""

from dataclasses import dataclass

import structlog

from consumer.errors import RefusedByDatabase, TransientError
from consumer.metrics import Metrics
from consumer.model import Settlement, in_aud
from consumer.pipeline.durable import until_durable
from consumer.store.late_charges import LateCharge, count_late_charge
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateCharges:
    """Makes late charges durable, each once."""

    pool: Pool
    metrics: Metrics

    async def count(self, charge: LateCharge) -> None:
        """Count what was spent without a claim, once the database answers; nothing where nothing was."""
        if charge.amount <= 0:
            return
        try:
            counted = await until_durable(lambda: count_late_charge(self.pool, charge), _log_retry)
        except RefusedByDatabase:
            log.exception("late_charge_refused", **_told(charge))
            return
        if counted:
            self.metrics.credits_spent[charge.strategy].inc(charge.amount / 1_000_000)
            log.warning("late_charge", **_told(charge))

    async def count_settlement(self, lost: Settlement) -> None:
        """Count what a heal has cost whose end another process has written."""
        await self.count(
            LateCharge(
                attempt_id=lost.attempt.id,
                org_id=lost.failure.org_id,
                strategy=lost.attempt.strategy,
                amount=lost.unkept_charge,
                pays_from=lost.attempt.pays_from,
                finished_at=lost.attempt.finished_at,
            )
        )


def _told(charge: LateCharge) -> dict[str, str]:
    return {
        "attempt_id": str(charge.attempt_id),
        "org_id": str(charge.org_id),
        "strategy": charge.strategy,
        "aud": in_aud(charge.amount),
    }


def _log_retry(error: TransientError, rest: float) -> None:
    log.warning("late_charge_failed", error=str(error)[:300], retry_in=rest)
