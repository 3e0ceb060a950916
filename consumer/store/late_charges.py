"""Late charges: what a heal cost in a process that had lost its claim, and that whoever ended the heal knew nothing of.

A claim that is parked for a person's decision takes it up: it is settled from the hold, with the decision. Of one that
has ended, or that another process goes on with, it is a debt of the wallet, collected at once as far as that goes.
"""

from dataclasses import field
from datetime import datetime
from uuid import UUID, uuid4

from consumer.model import AttemptId, MicroAud, OrgId
from consumer.store.credits import EndedHold, settle_holds
from consumer.store.pool import Pool, transaction
from consumer.store.wallets import Hold
from schemas.names import Budget, StrategyName
from schemas.value import value

# Where this process's own end stands, its commit was not answered: the charge is settled with it.
_COUNT = """
INSERT INTO heal_late_charge (id, org_id, attempt_id, amount)
SELECT $1::uuid, $2::uuid, $3::uuid, $4::bigint
 WHERE NOT EXISTS (SELECT FROM workflow_heal_attempts a WHERE a.id = $3 AND a.finished_at = $5::timestamptz)
ON CONFLICT (id) DO NOTHING RETURNING id
"""

_ADD_TO_PARKED = """
UPDATE heal_claim SET charged = charged + $2 WHERE attempt_id = $1 AND owner = 'parked' RETURNING scope
"""

_FORGET_LATE = "DELETE FROM heal_late_charge WHERE counted_at < clock_timestamp() - interval '7 days'"


@value(frozen=True, slots=True, kw_only=True)
class LateCharge:
    """What a heal has cost that no kept state tells, in a process that has lost its claim."""

    attempt_id: AttemptId
    org_id: OrgId
    strategy: StrategyName
    amount: MicroAud
    pays_from: Budget
    finished_at: datetime | None = None
    """When the heal ended in this process, as its settlement would have written it; None: it wrote none."""
    id: UUID = field(default_factory=uuid4)
    """It is counted once under it, however often it is sent."""


async def count_late_charge(pool: Pool, charge: LateCharge) -> bool:
    """Count a late charge; returns whether it was one, and is counted with this call."""
    async with transaction(pool) as connection:
        await connection.execute(_FORGET_LATE)
        counted = await connection.fetchval(
            _COUNT, charge.id, charge.org_id, charge.attempt_id, charge.amount, charge.finished_at
        )
        if counted is None:
            return False
        if await connection.fetchval(_ADD_TO_PARKED, charge.attempt_id, charge.amount) is None:
            nothing_held = Hold(
                attempt_id=charge.attempt_id, org_id=charge.org_id, amount=MicroAud(0), pays_from=charge.pays_from
            )
            await settle_holds(
                connection, [EndedHold(hold=nothing_held, strategy=charge.strategy, spent=charge.amount)]
            )
        return True
